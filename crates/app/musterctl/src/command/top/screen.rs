//! The terminal: what is shown on it, what comes from it, and that it is left as it was found.

use super::keys;
use super::orders::Order;
use super::state::{Effect, Moment, News, State};
use super::view::{self, Paint};
use crate::failure::Failure;
use crate::time;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// Ages and countdowns go on by themselves.
const TICK: Duration = Duration::from_secs(1);
/// Drawn at once, however much there is to draw.
const BATCH: usize = 256;

/// Shows what is heard until a key or a signal ends it.
pub(super) async fn show(
    mut state: State,
    mut news: mpsc::Receiver<News>,
    orders: mpsc::Sender<Order>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let now = || Moment {
        up: begun.elapsed(),
        day: time::now(),
    };
    let mut ends = Ends::new()?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let paint = Paint::of_environment();
    let mut screen = Screen::open()?;
    let mut input = EventStream::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        screen
            .0
            .draw(|frame| view::draw(frame, &state, now(), paint))?;
        tokio::select! {
            () = ends.come() => return Ok(()),
            event = input.next() => match event {
                Some(event) => match press(&mut state, now(), &event?) {
                    Effect::None => {}
                    Effect::Quit => return Ok(()),
                    // There is one at a time, so there is room.
                    Effect::Order(order) => drop(orders.try_send(order)),
                },
                None => return Ok(()),
            },
            _ = news.recv_many(&mut batch, BATCH) => {
                batch.drain(..).for_each(|news| state.hear(now(), news));
            }
            _ = tick.tick() => {}
        }
    }
}

fn press(state: &mut State, now: Moment, event: &Event) -> Effect {
    match event {
        Event::Key(key) => keys::read(*key).map_or(Effect::None, |key| state.press(now, key)),
        // Another size is seen when it is drawn.
        _ => Effect::None,
    }
}

/// The terminal while it is ours. It is given back when this is dropped, and, by a hook, when something panics.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init()
            .map(Self)
            .inspect_err(|_| ratatui::restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// The signals that ask for an end. Ctrl-C is a key here, unless another process sends it.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> io::Result<Self> {
        let [term, hangup, interrupt] = [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::interrupt(),
        ]
        .map(signal);
        Ok(Self([term?, hangup?, interrupt?]))
    }

    async fn come(&mut self) {
        let [term, hangup, interrupt] = &mut self.0;
        tokio::select! {
            _ = term.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
#[path = "screen_test.rs"]
mod screen_test;
