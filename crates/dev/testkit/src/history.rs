//! What clients wrote, what was acknowledged to them, and whether it is still there: roster items and offline messages
//! with numbers, written all the time while others break the cluster.
//!
//! A roster set is acknowledged by its result. A message is acknowledged by the answer to a ping sent after it, which
//! the server gives only when the message is safe. What was tried and not acknowledged may be there or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::facts::UserFacts;
use crate::raw::{Raw, Trust};
use crate::wait::until;

/// Roster items of one writer, written in turn with rising numbers; within the limit of a roster.
const ITEMS: u64 = 50;
/// Messages that wait for a reader; within the limit of the offline store.
const MESSAGES_MAX: usize = 90;
/// A message after each so many roster sets.
const SETS_PER_MESSAGE: u64 = 5;
/// How long a writer waits for one answer before it goes to the next address.
const ANSWER: Duration = Duration::from_secs(3);
/// How long the check waits for a cluster that has just come up.
const CHECK: Duration = Duration::from_secs(60);

/// Who writes, and where.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Whose roster is written, and who sends the messages.
    pub user: UserFacts,
    /// To whom messages are sent, who must not be online; nobody else may write to this account.
    pub reader: UserFacts,
    /// The servers, in this order and round again.
    pub addresses: Vec<String>,
}

/// Writers at work.
#[derive(Debug)]
pub struct History {
    trust: Trust,
    writers: Vec<AtWork>,
    ended: Arc<AtomicBool>,
}

#[derive(Debug)]
struct AtWork {
    writer: Writer,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Record>,
}

/// What one writer did.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// By item: the numbers last tried and last acknowledged.
    items: BTreeMap<u64, (u64, Option<u64>)>,
    messages_acknowledged: BTreeSet<u64>,
    messages_tried: usize,
    sets_acknowledged: u64,
}

/// What the check found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged roster sets.
    pub sets: u64,
    /// Acknowledged messages.
    pub messages: u64,
    /// Acknowledged and not there, in words.
    pub lost: Vec<String>,
    /// Messages that came more than once.
    pub doubles: u64,
}

impl History {
    /// Begins to write.
    #[must_use]
    pub fn start(trust: &Trust, writers: Vec<Writer>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let begin = |writer: Writer| {
            let acknowledged = Arc::new(AtomicU64::new(0));
            let mut pen = Pen {
                writer: writer.clone(),
                trust: trust.clone(),
                ended: Arc::clone(&ended),
                acknowledged: Arc::clone(&acknowledged),
                record: Record::default(),
                number: 0,
            };
            let thread = thread::spawn(move || {
                pen.work();
                pen.record
            });
            AtWork {
                writer,
                acknowledged,
                thread,
            }
        };
        Self {
            trust: trust.clone(),
            writers: writers.into_iter().map(begin).collect(),
            ended,
        }
    }

    /// Waits until so many more writes were acknowledged to each writer.
    ///
    /// # Errors
    /// Fails when they are not in time.
    pub fn goes_on(&self, more: u64) -> Result<()> {
        let wanted: Vec<_> = self.writers.iter().map(|w| w.count() + more).collect();
        until("writes are acknowledged", CHECK, || {
            let mut all = self.writers.iter().zip(&wanted);
            Ok(all.all(|(w, wanted)| w.count() >= *wanted).then_some(()))
        })
    }

    /// The same for one writer, by the number of the writer.
    ///
    /// # Errors
    /// Fails when they are not in time.
    pub fn goes_on_for(&self, writer: usize, more: u64) -> Result<()> {
        let at_work = self.writers.get(writer).context("no such writer")?;
        let wanted = at_work.count() + more;
        until("writes are acknowledged", CHECK, || {
            Ok((at_work.count() >= wanted).then_some(()))
        })
    }

    /// Ends the writers and looks, through clients, whether everything acknowledged is there.
    ///
    /// # Errors
    /// Fails when it cannot be looked at. What is lost is no error but stands in the verdict.
    pub fn check(mut self) -> Result<Verdict> {
        self.ended.store(true, Ordering::Relaxed);
        let mut verdict = Verdict::default();
        for AtWork { writer, thread, .. } in std::mem::take(&mut self.writers) {
            let record = thread.join().map_err(|_| anyhow!("a writer panicked"))?;
            verdict.sets += record.sets_acknowledged;
            verdict.messages += record.messages_acknowledged.len() as u64;
            let roster = patiently(&writer, &writer.user, &self.trust, roster)?;
            verdict
                .lost
                .extend(record.missing_items(&roster, &writer.user.jid));
            let wanted = record.messages_acknowledged;
            let came = patiently(&writer, &writer.reader, &self.trust, |raw| {
                messages(raw, &wanted)
            })?;
            let lost = wanted.iter().filter(|number| !came.contains_key(number));
            verdict
                .lost
                .extend(lost.map(|number| format!("message {number} to {}", writer.reader.jid)));
            verdict.doubles += came.values().map(|times| times - 1).sum::<u64>();
        }
        Ok(verdict)
    }
}

impl AtWork {
    fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Record {
    fn missing_items(&self, roster: &BTreeMap<u64, u64>, jid: &str) -> Vec<String> {
        let lost = |(item, (tried, acknowledged)): (&u64, &(u64, Option<u64>))| {
            let least = (*acknowledged)?;
            let held = roster.get(item).copied();
            let there = held.is_some_and(|number| (least..=*tried).contains(&number));
            (!there).then(|| {
                format!("item {item} of {jid}: {least} was acknowledged, {held:?} is there")
            })
        };
        self.items.iter().filter_map(lost).collect()
    }
}

/// A writer at work.
struct Pen {
    writer: Writer,
    trust: Trust,
    ended: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    record: Record,
    number: u64,
}

impl Pen {
    fn work(&mut self) {
        let addresses = self.writer.addresses.clone();
        for address in addresses.iter().cycle() {
            if self.has_ended() {
                return;
            }
            let raw = Raw::login_within(address, &self.trust, &self.writer.user, "writer", ANSWER);
            match raw {
                // Why a connection ends does not matter: what was not acknowledged is in doubt.
                Ok(mut raw) => drop(self.write(&mut raw)),
                // Nobody there: the next address, but no faster than a person's client.
                Err(_) => thread::park_timeout(Duration::from_millis(50)),
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn write(&mut self, raw: &mut Raw) -> Result<()> {
        while !self.has_ended() {
            self.number += 1;
            self.set(raw)?;
            if self.number.is_multiple_of(SETS_PER_MESSAGE)
                && self.record.messages_tried < MESSAGES_MAX
            {
                self.message(raw)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, raw: &mut Raw) -> Result<()> {
        let (number, item) = (self.number, self.number % ITEMS);
        self.record.items.entry(item).or_default().0 = number;
        raw.send(format!(
            "<iq type='set' id='s{number}.'><query xmlns='jabber:iq:roster'>\
             <item jid='item{item}@history.invalid' name='{number}'/></query></iq>"
        ))?;
        if answered(raw, &format!("s{number}."))? {
            self.record.items.entry(item).or_default().1 = Some(number);
            self.record.sets_acknowledged += 1;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn message(&mut self, raw: &mut Raw) -> Result<()> {
        let (number, to) = (self.number, &self.writer.reader.jid);
        self.record.messages_tried += 1;
        raw.send(format!(
            "<message type='chat' to='{to}'><body>written {number}.</body></message>\
             <iq type='get' id='m{number}.'><ping xmlns='urn:xmpp:ping'/></iq>"
        ))?;
        if answered(raw, &format!("m{number}."))? {
            self.record.messages_acknowledged.insert(number);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Reads the answer to an IQ; `false`: it was an error.
fn answered(raw: &mut Raw, id: &str) -> Result<bool> {
    let before = raw.read_until(id)?;
    let after = raw.read_until(">")?;
    // The attributes of the answer may stand in any order, and a message that was refused came back before it.
    Ok(!before.contains("error") && !after.contains("error"))
}

/// Logs in and asks, again and again while the cluster comes up.
fn patiently<T>(
    writer: &Writer,
    user: &UserFacts,
    trust: &Trust,
    ask: impl Fn(&mut Raw) -> Result<T>,
) -> Result<T> {
    let mut addresses = writer.addresses.iter().cycle();
    let mut last = None;
    until(&format!("{} is asked", user.jid), CHECK, || {
        let address = addresses.next().context("a writer without address")?;
        let answer = Raw::login(address, trust, user, "check").and_then(|mut raw| ask(&mut raw));
        Ok(answer.map_err(|problem| last = Some(problem)).ok())
    })
    .with_context(|| format!("{last:?}"))
}

/// The number that each item holds.
fn roster(raw: &mut Raw) -> Result<BTreeMap<u64, u64>> {
    raw.send("<iq type='get' id='roster.'><query xmlns='jabber:iq:roster'/></iq>")?;
    raw.read_until("roster.")?;
    let query = raw.read_until("</iq>")?;
    let item = |text: &str| {
        let jid = attribute(text, "jid")?;
        let item = jid.strip_prefix("item")?.strip_suffix("@history.invalid")?;
        Some((item.parse().ok()?, attribute(text, "name")?.parse().ok()?))
    };
    Ok(query.split("<item").filter_map(item).collect())
}

/// Reads waiting messages until all that are wanted came, or nothing more does: how often each came.
fn messages(raw: &mut Raw, wanted: &BTreeSet<u64>) -> Result<BTreeMap<u64, u64>> {
    let mut came = BTreeMap::new();
    raw.send("<presence/>")?;
    while wanted.iter().any(|number| !came.contains_key(number)) {
        let Ok(text) = raw.read_until(".</body>") else {
            break;
        };
        let number = text
            .rsplit_once("written ")
            .and_then(|(_, rest)| rest.strip_suffix(".</body>")?.parse().ok());
        *came.entry(number.context("another message")?).or_insert(0) += 1;
    }
    Ok(came)
}

fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next()?;
    rest[1..].split(quote).next()
}

#[cfg(test)]
#[path = "history_test.rs"]
mod history_test;
