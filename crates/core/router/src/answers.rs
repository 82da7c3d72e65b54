//! Keeps the promise that the answer to an IQ acknowledges the messages sent before it: an answer
//! waits until they are confirmed, and what is delivered after it waits behind it.

use muster_stanza::{IqType, Stanza, StanzaCondition, StanzaError};
use muster_types::{Instant, SlotId};
use std::collections::VecDeque;

/// The last unconfirmed message of each slot when an IQ was sent. Empty: nothing to wait for.
pub(crate) type Barrier = Vec<(SlotId, u64)>;

/// A delivery that waits.
#[derive(Debug)]
struct Held {
    stanza: Stanza,
    /// What must be confirmed first; empty for what only queues behind an answer.
    barrier: Barrier,
    until: Instant,
}

/// The IQs of one session whose answers may have to wait, and those that do.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    asked: VecDeque<(String, Barrier)>,
    held: VecDeque<Held>,
}

impl Answers {
    /// Remembers that the answer to `id` waits for `barrier`. False when more than `limit` wait.
    pub(crate) fn asked(&mut self, id: &str, barrier: Barrier, limit: usize) -> bool {
        if self.asked.len() >= limit {
            return false;
        }
        self.asked.push_back((id.to_owned(), barrier));
        true
    }

    /// The answer to `id` need not wait: it acknowledges nothing.
    pub(crate) fn forget(&mut self, id: Option<&str>) {
        self.asked.retain(|(asked, _)| Some(asked.as_str()) != id);
    }

    /// Whether every delivery may go out at once.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.held.is_empty()
    }

    /// Takes a delivery; gives it back when it need not wait. `passed` says whether a barrier is
    /// behind us.
    pub(crate) fn admit(
        &mut self,
        stanza: Stanza,
        until: Instant,
        passed: &dyn Fn(&Barrier) -> bool,
    ) -> Option<Stanza> {
        let barrier = self.barrier_of(&stanza).unwrap_or_default();
        if self.held.is_empty() && passed(&barrier) {
            return Some(stanza);
        }
        self.held.push_back(Held {
            stanza,
            barrier,
            until,
        });
        None
    }

    /// Releases, in order, what waits for nothing any more.
    pub(crate) fn release(&mut self, passed: &dyn Fn(&Barrier) -> bool) -> Option<Stanza> {
        self.asked.retain(|(_, barrier)| !passed(barrier));
        if passed(&self.held.front()?.barrier) {
            return self.held.pop_front().map(|held| held.stanza);
        }
        None
    }

    /// The first waiting answer has waited long enough, or too much waits behind it: it becomes
    /// `resource-constraint` with type wait, which acknowledges nothing.
    pub(crate) fn fail_first(&mut self) {
        if let Some(first) = self.held.front_mut() {
            first.stanza = refusal_of(&first.stanza);
            first.barrier.clear();
        }
    }

    /// When the first waiting answer has waited long enough.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// How many deliveries wait.
    pub(crate) fn waiting(&self) -> usize {
        self.held.len()
    }

    fn barrier_of(&mut self, stanza: &Stanza) -> Option<Barrier> {
        if !matches!(stanza.iq_type(), Some(IqType::Result | IqType::Error)) {
            return None;
        }
        let id = stanza.id.as_deref()?;
        let at = self.asked.iter().position(|(asked, _)| asked == id)?;
        self.asked.remove(at).map(|(_, barrier)| barrier)
    }
}

/// The same answer as a refusal; what is not an answer stays.
fn refusal_of(answer: &Stanza) -> Stanza {
    let (Some(IqType::Result | IqType::Error), Some(id)) = (answer.iq_type(), &answer.id) else {
        return answer.clone();
    };
    let error = StanzaError::new(StanzaCondition::ResourceConstraint);
    let refusal = Stanza::iq(IqType::Error, id).with_content(error.encode());
    Stanza {
        from: answer.from.clone(),
        to: answer.to.clone(),
        ..refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_stanza::MessageType;

    const SLOT: SlotId = SlotId(1);
    const T: Instant = Instant::ZERO;

    fn result(id: &str) -> Stanza {
        Stanza::iq(IqType::Result, id)
    }

    #[test]
    fn an_answer_waits_for_its_messages_and_holds_up_what_follows() {
        let mut answers = Answers::default();
        assert!(answers.asked("1", vec![(SLOT, 7)], 9));
        let never = |barrier: &Barrier| barrier.is_empty();
        assert!(
            answers.admit(result("other"), T, &never).is_some(),
            "not asked behind a message"
        );
        assert!(answers.admit(result("1"), T, &never).is_none());
        let push = Stanza::message(MessageType::Headline);
        assert!(answers.admit(push.clone(), T, &never).is_none());
        assert!(answers.release(&never).is_none());
        assert_eq!(answers.release(&|_| true), Some(result("1")));
        assert_eq!(answers.release(&|_| true), Some(push));
        assert_eq!(answers.waiting(), 0);
    }

    #[test]
    fn an_answer_that_waited_too_long_becomes_a_refusal() {
        let mut answers = Answers::default();
        answers.asked("1", vec![(SLOT, 7)], 9);
        let never = |barrier: &Barrier| barrier.is_empty();
        answers.admit(result("1"), T, &never);
        answers.fail_first();
        let refused = answers.release(&never).unwrap();
        assert_eq!(
            (refused.iq_type(), refused.id.as_deref()),
            (Some(IqType::Error), Some("1"))
        );
    }

    #[test]
    fn only_so_many_answers_may_wait() {
        let mut answers = Answers::default();
        assert!(answers.asked("1", vec![(SLOT, 7)], 1));
        assert!(!answers.asked("2", vec![(SLOT, 7)], 1));
    }
}
