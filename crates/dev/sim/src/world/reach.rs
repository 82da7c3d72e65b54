//! Which nodes can ask which owners: what a node cannot ask for longer than the grace, it says is
//! gone.

use super::{LOOK, World};
use crate::node::{Condition, Node};
use crate::truth::HEARD;
use muster_types::{Bare as _, BareJid, FullJid, Instant, NodeId, SlotId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks are not continuous, and an owner that has just opened is not known at once.
const TOLERANCE: Duration = Duration::from_millis(2_500);

/// When a node reached a slot's owner.
#[derive(Debug)]
struct Seen {
    last: Instant,
    /// When that was as long ago as the grace, last.
    unknown: Option<Instant>,
    /// When it did again after it did not, and since when it had not.
    again: Option<(Instant, Instant)>,
}

/// When each node reached each slot's owner.
#[derive(Debug, Default)]
pub(super) struct Reach {
    seen: BTreeMap<(NodeId, SlotId), Seen>,
    /// Farewells that wait on a node until it reaches the owner again.
    farewells: BTreeMap<(NodeId, SlotId), Vec<FullJid>>,
}

impl World {
    /// Looks at every node and every slot.
    pub(super) fn look_at_reach(&mut self) {
        let (now, grace) = (self.now, self.plan.limits.grace);
        let slots: Vec<_> = self.truth.cluster.slots().map(|slot| slot.id).collect();
        let runs = |node: &Node| node.condition == Condition::Running;
        let nodes: Vec<_> = self
            .nodes
            .values()
            .map(|node| (node.id(), runs(node)))
            .collect();
        for slot in slots {
            let owner = self.owner(slot);
            for (node, runs) in &nodes {
                let joined = |owner| owner == *node || self.net.joins(owner, *node);
                let reached = *runs && owner.is_some_and(joined);
                let new = Seen {
                    last: now,
                    unknown: None,
                    again: None,
                };
                let seen = self.reach.seen.entry((*node, slot)).or_insert(new);
                if reached {
                    if now.since(seen.last) > LOOK {
                        seen.again = Some((now, seen.last));
                    }
                    seen.last = now;
                    // KNOWN: what a client said there before it moved elsewhere is shown once more, and
                    // taken back.
                    let late = self.reach.farewells.remove(&(*node, slot));
                    for jid in late.into_iter().flatten() {
                        self.truth.said_farewell(now, &jid);
                    }
                } else if now.since(seen.last) + TOLERANCE >= grace {
                    seen.unknown = Some(now);
                }
            }
        }
    }

    /// When the node of a watcher's client, or that of the client it is told about, had not reached the
    /// owner for as long as the grace, last.
    pub(super) fn out_of_reach_at(&self, watcher: usize, shown: &FullJid) -> Option<Instant> {
        let slot = self.truth.cluster.account_slot(&shown.bare())?;
        let mut late = self.reach.farewells.iter();
        if late.any(|((_, of), jids)| *of == slot && jids.contains(shown)) {
            return Some(self.now);
        }
        let shown = self.clients.iter().find(|client| client.jid == *shown);
        let clients = [self.clients.get(watcher), shown];
        let nodes = clients
            .into_iter()
            .flatten()
            .filter_map(|client| Some(client.session()?.node));
        nodes
            .filter_map(|node| self.reach.seen.get(&(node, slot))?.unknown)
            .max()
    }

    /// A client leaves a node that may not reach its owner.
    pub(super) fn note_farewell(&mut self, node: NodeId, jid: &FullJid) {
        let user = jid.bare();
        let slot = self.truth.cluster.account_slot(&user);
        if let Some(slot) = slot.filter(|_| self.lost_since(node, &user).is_some()) {
            let waiting = self.reach.farewells.entry((node, slot)).or_default();
            waiting.push(jid.clone());
        }
    }

    /// Since when a node does not reach the owner of a user, if it does not, or has done so again for
    /// too short a time to tell who is there.
    pub(super) fn lost_since(&self, node: NodeId, user: &BareJid) -> Option<Instant> {
        let slot = self.truth.cluster.account_slot(user)?;
        let seen = self.reach.seen.get(&(node, slot))?;
        let again = seen.again.filter(|(at, _)| self.now.since(*at) < HEARD);
        let lost = self.now.since(seen.last) > LOOK;
        let again = again.map(|(_, since)| since);
        again.or_else(|| lost.then_some(seen.last))
    }
}
