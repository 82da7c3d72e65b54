//! Lets clients in as fast as the node can serve them, in the order in which they came.
//!
//! A bucket of tokens, one for each client. How fast it fills follows how long the node's work waits:
//! faster while clients wait and the node does not, slower as soon as those who are in have to wait. So a
//! storm takes what the machine has to spare, those who are in hardly notice it, and nobody is served half.

use muster_types::{Instant, Machine};
use std::collections::VecDeque;
use std::time::Duration;

/// A token, in the parts that are counted.
const TOKEN: u64 = 1_000_000;
/// Shortest time between two steps of the rate in one direction: what a step does must show first.
const STEP: Duration = Duration::from_millis(50);

/// How clients are let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmissionConfig {
    /// Work that waits longer than this has to wait because of those who come. Below half of it more
    /// can come.
    pub lag_max: Duration,
    /// Clients that are let in at once after a quiet time.
    pub burst: u32,
    /// Clients a second, at first.
    pub rate: u32,
    /// Never slower, whatever the load is: nobody starves.
    pub slowest: u32,
    /// Never faster.
    pub fastest: u32,
    /// Whoever would have to wait longer is told to come back.
    pub wait_max: Duration,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            lag_max: Duration::from_millis(50),
            burst: 32,
            rate: 500,
            slowest: 100,
            fastest: 10_000,
            // Most clients give a connection no more.
            wait_max: Duration::from_secs(60),
        }
    }
}

/// What happens at the door.
#[derive(Debug)]
pub enum AdmissionInput<T> {
    /// A client has come.
    Arrived(T),
    /// Work has waited, or waits already, for so long.
    Lag(Duration),
    /// The client that was let in last had gone: the next may come in its place.
    Gone,
}

/// What is done with a client.
#[derive(PartialEq, Eq, Debug)]
pub enum AdmissionOutput<T> {
    /// It may log in now.
    Admit(T),
    /// It would have to wait for so long.
    Refuse(T, Duration),
}

/// The door of a node.
#[derive(Debug)]
pub struct Admission<T> {
    config: AdmissionConfig,
    /// Clients a second.
    rate: u32,
    /// Parts of tokens in the bucket, when `counted`.
    parts: u64,
    counted: Instant,
    raised: Instant,
    lowered: Instant,
    /// Work waits too long: until it does not, clients come at the slowest rate.
    pressed: bool,
    /// The last rate that was too much: near to it the next steps up are short.
    too_much: u32,
    waiting: VecDeque<T>,
    refused: VecDeque<(T, Duration)>,
}

impl<T> Admission<T> {
    /// Nobody waits.
    pub fn new(now: Instant, config: AdmissionConfig) -> Self {
        Self {
            rate: config.rate,
            parts: u64::from(config.burst) * TOKEN,
            counted: now,
            raised: now,
            lowered: now,
            pressed: false,
            too_much: config.fastest,
            waiting: VecDeque::new(),
            refused: VecDeque::new(),
            config,
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Clients a second that are let in while some wait.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// Forgets those who wait and are not `wanted` any more.
    pub fn retain(&mut self, wanted: impl FnMut(&T) -> bool) {
        self.waiting.retain(wanted);
    }

    /// How long whoever comes now waits at this rate. A moment of pressure does not count: the rate falls if it stays.
    pub fn wait(&self) -> Duration {
        let parts = (self.waiting.len() as u64 * TOKEN).saturating_sub(self.parts);
        Duration::from_micros(parts / u64::from(self.rate))
    }

    /// Nobody waits, and the bucket is full: the lag concerns nobody.
    pub fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.parts == self.full()
    }

    fn full(&self) -> u64 {
        u64::from(self.config.burst) * TOKEN
    }

    fn fill(&mut self, now: Instant) {
        // A token takes a million parts, a rate of one a second fills one part in a microsecond.
        let micros = u64::try_from(now.since(self.counted).as_micros()).unwrap_or(u64::MAX);
        let filled = micros.saturating_mul(u64::from(self.current()));
        self.parts = self.parts.saturating_add(filled).min(self.full());
        self.counted = self.counted + Duration::from_micros(micros);
    }

    fn arrived(&mut self, client: T) {
        let wait = self.wait();
        if wait > self.config.wait_max {
            self.refused.push_back((client, wait));
        } else {
            self.waiting.push_back(client);
        }
    }

    fn lag(&mut self, now: Instant, lag: Duration) {
        let was_pressed = std::mem::replace(&mut self.pressed, lag > self.config.lag_max);
        if self.pressed {
            if !was_pressed {
                self.too_much = self.rate;
                // Whoever was let in before is the reason; their work is seen to first.
                self.parts = 0;
            }
            if !was_pressed || now.since(self.lowered) >= 2 * STEP {
                self.rate = (self.rate / 10 * 7).max(self.config.slowest);
                self.lowered = now;
            }
        } else if lag <= self.config.lag_max / 2
            && !self.waiting.is_empty()
            && now.since(self.raised) >= STEP
        {
            let is_near = self.rate >= self.too_much / 10 * 9;
            let step = self.rate / if is_near { 64 } else { 8 } + 1;
            self.rate = (self.rate + step).min(self.config.fastest);
            self.raised = now;
        }
    }

    /// Clients a second that the bucket takes tokens for now.
    const fn current(&self) -> u32 {
        if self.pressed {
            self.config.slowest
        } else {
            self.rate
        }
    }
}

impl<T> Machine for Admission<T> {
    type Input = AdmissionInput<T>;
    type Output = AdmissionOutput<T>;

    fn handle(&mut self, now: Instant, input: AdmissionInput<T>) {
        self.fill(now);
        match input {
            AdmissionInput::Arrived(client) => self.arrived(client),
            AdmissionInput::Lag(lag) => self.lag(now, lag),
            AdmissionInput::Gone => self.parts = (self.parts + TOKEN).min(self.full()),
        }
    }

    fn wake(&mut self, now: Instant) {
        self.fill(now);
    }

    fn poll(&mut self) -> Option<AdmissionOutput<T>> {
        if let Some((client, wait)) = self.refused.pop_front() {
            return Some(AdmissionOutput::Refuse(client, wait));
        }
        let left = self.parts.checked_sub(TOKEN)?;
        let client = self.waiting.pop_front()?;
        self.parts = left;
        Some(AdmissionOutput::Admit(client))
    }

    /// When there is a token for the first of those who wait.
    fn deadline(&self) -> Option<Instant> {
        let missing = TOKEN.saturating_sub(self.parts);
        let time = Duration::from_micros(missing.div_ceil(u64::from(self.current())));
        (!self.waiting.is_empty()).then(|| self.counted + time)
    }
}

#[cfg(test)]
#[path = "admission_test.rs"]
mod admission_test;
