//! What came of the last proposals, so that a repeated one gets its answer and is not applied again.

use crate::ControlOutcome;
use imbl::OrdMap;
use muster_types::{LogIndex, Origin};

/// How many answers are kept. A proposer repeats within seconds; even an import writes only some
/// tens of entries in a second.
const KEPT: usize = 1024;

/// The answers, by proposal and by age.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Outcomes {
    by_origin: OrdMap<Origin, ControlOutcome>,
    by_age: OrdMap<LogIndex, Origin>,
}

impl Outcomes {
    /// The answer that `origin` got.
    pub(crate) fn of(&self, origin: Origin) -> Option<&ControlOutcome> {
        self.by_origin.get(&origin)
    }

    /// Keeps an answer. Returns the index of the entry whose answer was dropped for it.
    pub(crate) fn keep(
        &mut self,
        at: LogIndex,
        origin: Origin,
        outcome: ControlOutcome,
    ) -> Option<LogIndex> {
        self.by_age.insert(at, origin);
        self.by_origin.insert(origin, outcome);
        if self.by_age.len() <= KEPT {
            return None;
        }
        let (oldest, origin) = self
            .by_age
            .get_min()
            .map(|(index, origin)| (*index, *origin))?;
        self.by_age.remove(&oldest);
        self.by_origin.remove(&origin);
        Some(oldest)
    }

    /// All answers, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LogIndex, Origin, &ControlOutcome)> {
        self.by_age
            .iter()
            .filter_map(|(at, origin)| Some((*at, *origin, self.by_origin.get(origin)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_types::{Boot, NodeId};

    #[test]
    fn the_oldest_answer_makes_room() {
        let mut outcomes = Outcomes::default();
        let origin = |serial| Origin {
            node: NodeId(1),
            boot: Boot(1),
            serial,
        };
        for n in 0..KEPT as u64 {
            assert_eq!(
                outcomes.keep(LogIndex(n), origin(n), ControlOutcome::Done),
                None
            );
        }
        assert_eq!(
            outcomes.keep(LogIndex(9999), origin(9999), ControlOutcome::Done),
            Some(LogIndex(0))
        );
        assert_eq!(outcomes.of(origin(0)), None);
        assert_eq!(outcomes.of(origin(1)), Some(&ControlOutcome::Done));
        assert_eq!(outcomes.iter().count(), KEPT);
    }
}
