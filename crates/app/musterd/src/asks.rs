//! What this node asks owners on behalf of people and programs.

use crate::shared::Shared;
use muster_admin::AskFailure;
use muster_envelope::{Answer, Envelope, Question, ToOwner};
use muster_types::{Epoch, NodeId, SlotId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Questions that may wait for their answers; each has 64 KiB and a little more at most.
const WAITING_MAX: usize = 256;
/// How long an owner may take before it is asked again: it may have died with the question, or a link.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether a slot has another owner.
const LOOK: Duration = Duration::from_millis(50);

/// Questions without an answer.
#[derive(Default)]
pub(crate) struct Asks {
    last: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
}

impl Asks {
    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Answer>>> {
        // Nothing under the lock panics half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer has come. One that nobody waits for any more is dropped.
    pub(crate) fn answered(&self, ask: u64, answer: Answer) {
        if let Some(waiting) = self.waiting().remove(&ask) {
            // Whoever asked has given up just now.
            let _ = waiting.send(answer);
        }
    }

    fn begin(&self) -> Result<(Waiting<'_>, oneshot::Receiver<Answer>), AskFailure> {
        let (answer, answered) = oneshot::channel();
        let ask = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            return Err(AskFailure::Busy);
        }
        waiting.insert(ask, answer);
        Ok((Waiting(self, ask), answered))
    }
}

/// A place among the questions; it is free again when this is dropped.
struct Waiting<'a>(&'a Asks, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

/// Asks whoever owns the slot, again and again until somebody answers or `Limits::owner_wait` is over.
/// An answer that comes late is as good.
pub(crate) async fn ask(
    shared: Arc<Shared>,
    slot: SlotId,
    question: Question,
) -> Result<Answer, AskFailure> {
    let begun = Instant::now();
    let until = begun + shared.config().limits.limits().owner_wait;
    let (waiting, mut answered) = shared.asks.begin()?;
    let mut asked: Option<(NodeId, Epoch, Instant)> = None;
    loop {
        let now = Instant::now();
        if now >= until {
            return Err(AskFailure::NoOwner);
        }
        let owner = shared.owner_of(slot);
        let again = |(node, epoch, at): (NodeId, Epoch, Instant)| {
            owner != Some((node, epoch)) || now.duration_since(at) >= PATIENCE
        };
        if let Some((node, epoch)) = owner.filter(|_| asked.is_none_or(again)) {
            let body = ToOwner::Ask {
                ask: waiting.1,
                question: later(&question, now.duration_since(begun)),
            };
            let envelope = Envelope::ToOwner { slot, epoch, body };
            match tokio::time::timeout_at(until, shared.send_asked(node, envelope)).await {
                Ok(Err(busy)) if asked.is_none() => return Err(busy),
                Ok(_) | Err(_) => asked = Some((node, epoch, now)),
            }
        }
        match tokio::time::timeout(LOOK, &mut answered).await {
            Ok(Ok(answer)) => return Ok(answer),
            // The other end stands in the table until this function is over.
            Ok(Err(_)) => return Err(AskFailure::NoOwner),
            Err(_elapsed) => {}
        }
    }
}

/// The same question so much later: its times count from when it is asked.
fn later(question: &Question, by: Duration) -> Question {
    match question {
        Question::Reports(reports) => {
            let reports = reports.iter();
            let later = reports.map(|(user, report)| (user.clone(), report.later(by)));
            Question::Reports(later.collect())
        }
        Question::Explain { .. } | Question::Access { .. } | Question::Follow { .. } => {
            question.clone()
        }
    }
}
