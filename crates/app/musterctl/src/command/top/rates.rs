//! How much there is each second, from totals and lists that nodes answer with.

use muster_admin::proto::Session;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Over how long a rate is taken: a single login should not flicker.
const WINDOW: Duration = Duration::from_secs(10);

/// A total that grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// The total at a time. One that has shrunk is counted anew, as after a restart.
    pub(super) fn note(&mut self, at: Duration, total: u64) {
        if self.0.back().is_some_and(|(_, last)| total < *last) {
            self.0.clear();
        }
        self.0.push_back((at, total));
        // The first one that is kept is where the window begins.
        while self.0.len() > 2 && self.0[1].0 + WINDOW <= at {
            self.0.pop_front();
        }
    }

    /// How much it has grown each second; nothing before there are two totals.
    pub(super) fn per_second(&self) -> Option<f64> {
        let ((from, before), (to, now)) = (self.0.front()?, self.0.back()?);
        let seconds = to.checked_sub(*from)?.as_secs_f64();
        (seconds > 0.0).then(|| (now - before) as f64 / seconds)
    }
}

/// The sessions on one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// Full JID, and since when.
    now: BTreeSet<(String, String)>,
    begun_total: u64,
    ended_total: u64,
    begun: Rate,
    ended: Rate,
}

impl Sessions {
    /// All there are. What begins and ends between two lists is in neither.
    pub(super) fn note(&mut self, at: Duration, list: Vec<Session>) {
        let list: BTreeSet<_> = list
            .into_iter()
            .map(|session| (session.jid, session.since))
            .collect();
        let is_first = self.begun.0.is_empty();
        if !is_first {
            self.begun_total += count(list.difference(&self.now));
            self.ended_total += count(self.now.difference(&list));
        }
        self.begun.note(at, self.begun_total);
        self.ended.note(at, self.ended_total);
        self.now = list;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.now.len()
    }

    /// How many begin each second.
    pub(super) fn begun(&self) -> Option<f64> {
        self.begun.per_second()
    }

    /// How many end.
    pub(super) fn ended(&self) -> Option<f64> {
        self.ended.per_second()
    }
}

fn count<T>(all: impl Iterator<Item = T>) -> u64 {
    u64::try_from(all.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_taken_over_ten_seconds_and_needs_two_totals() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        rate.note(seconds(0), 100);
        assert_eq!(rate.per_second(), None);
        rate.note(seconds(2), 110);
        assert_eq!(rate.per_second(), Some(5.0));
        for second in 3..=30 {
            rate.note(seconds(second), 110);
        }
        assert_eq!(
            rate.per_second(),
            Some(0.0),
            "what is long ago is forgotten"
        );
    }

    #[test]
    fn a_node_that_has_started_again_is_counted_anew() {
        let mut rate = Rate::default();
        rate.note(seconds(0), 100);
        rate.note(seconds(1), 200);
        rate.note(seconds(2), 3);
        assert_eq!(rate.per_second(), None);
        rate.note(seconds(3), 5);
        assert_eq!(rate.per_second(), Some(2.0));
    }

    #[test]
    fn sessions_that_begin_and_end_are_counted_those_that_were_there_are_not() {
        let session = |jid: &str, since: &str| Session {
            jid: jid.to_owned(),
            since: since.to_owned(),
            ..Session::default()
        };
        let mut sessions = Sessions::default();
        sessions.note(
            seconds(0),
            vec![session("a@x/1", "1"), session("b@x/1", "1")],
        );
        assert_eq!((sessions.len(), sessions.begun()), (2, None));
        // One has ended, one is new, one has come back in the meantime.
        sessions.note(
            seconds(1),
            vec![session("b@x/1", "2"), session("c@x/1", "2")],
        );
        assert_eq!(sessions.len(), 2);
        assert_eq!((sessions.begun(), sessions.ended()), (Some(2.0), Some(2.0)));
    }
}
