//! Which proposals were applied, so that one made twice is applied once.
//!
//! A proposer that does not learn the outcome (a time-out, a lost leader) proposes again under the
//! same name, perhaps after others have opened the slot in between. So outcomes are kept by node,
//! not by epoch: of each node's newest process the last [`ORIGIN_WINDOW`] serials. Proposals of
//! one process may overtake each other, hence a window and not one highest number. What lies below
//! the window, or belongs to an older process (nobody waits for it any more), is refused: saying
//! "done" could acknowledge what was never applied, applying it could apply it twice.
//!
//! A refusal is kept as well as a success: the client has been told, so it has to stay refused.

use crate::effects::Effects;
use crate::{Refusal, key};
use muster_types::{Boot, NodeId, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Proposals of one process whose outcomes are remembered. A proposer must have fewer than this
/// many on their way to one log; it is a bug to reach it.
pub const ORIGIN_WINDOW: u64 = 1024;

/// What came of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Done,
    Refused(Refusal),
}

/// The outcomes of every node's newest process. Nodes are few and named by the control log, so
/// their number needs no bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origins(BTreeMap<NodeId, Window>);

#[derive(Clone, Debug, PartialEq)]
struct Window {
    boot: Boot,
    outcomes: BTreeMap<u64, Outcome>,
}

impl Origins {
    /// What is known of a proposal that arrives: `None` if it is to be applied.
    pub(crate) fn outcome(&self, origin: Origin) -> Option<Outcome> {
        let window = self.0.get(&origin.node)?;
        if origin.boot > window.boot {
            return None;
        }
        let forgotten = Outcome::Refused(Refusal::Forgotten);
        if origin.boot < window.boot {
            return Some(forgotten);
        }
        let known = window.outcomes.get(&origin.serial).cloned();
        known.or_else(|| window.is_below(origin.serial).then_some(forgotten))
    }

    /// Remembers what came of a proposal, and forgets what fell out of the window.
    pub(crate) fn remember(&mut self, origin: Origin, outcome: Outcome, fx: &mut Effects<'_>) {
        fx.put(key::origin(origin), &outcome);
        if let Some(old) = self
            .0
            .get(&origin.node)
            .filter(|window| window.boot < origin.boot)
        {
            for serial in old.outcomes.keys() {
                fx.delete(key::origin(Origin {
                    boot: old.boot,
                    serial: *serial,
                    ..origin
                }));
            }
            self.0.remove(&origin.node);
        }
        self.restore(origin, outcome);
        if let Some(window) = self.0.get_mut(&origin.node) {
            while let Some(serial) = window.pop_below() {
                fx.delete(key::origin(Origin { serial, ..origin }));
            }
        }
    }

    /// Puts back a stored outcome.
    pub(crate) fn restore(&mut self, origin: Origin, outcome: Outcome) {
        let fresh = || Window {
            boot: origin.boot,
            outcomes: BTreeMap::new(),
        };
        self.0
            .entry(origin.node)
            .or_insert_with(fresh)
            .outcomes
            .insert(origin.serial, outcome);
    }

    /// All outcomes, in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Origin, &Outcome)> {
        self.0.iter().flat_map(|(node, window)| {
            window.outcomes.iter().map(|(serial, outcome)| {
                (
                    Origin {
                        node: *node,
                        boot: window.boot,
                        serial: *serial,
                    },
                    outcome,
                )
            })
        })
    }
}

impl Window {
    /// Forgets the oldest serial if it lies below the window.
    fn pop_below(&mut self) -> Option<u64> {
        let oldest = *self.outcomes.first_key_value()?.0;
        self.is_below(oldest)
            .then(|| self.outcomes.remove(&oldest))?;
        Some(oldest)
    }

    fn is_below(&self, serial: u64) -> bool {
        let highest = self
            .outcomes
            .last_key_value()
            .map_or(0, |(highest, _)| *highest);
        serial.saturating_add(ORIGIN_WINDOW) <= highest
    }
}
