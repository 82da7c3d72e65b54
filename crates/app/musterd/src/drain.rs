//! A node is emptied before it is worked on: its users' slots and its leadership go to others first, then its clients, so
//! many a second; then it may be stopped. What was handed over stays there until an operator brings it home.
//!
//! ```text
//! hand over (the control log says who serves) -> lead nothing -> close the doors -> clients go, paced -> empty
//! serves users again, for whatever reason, or aborted: the doors open
//! ```

use crate::clients::{Clients, Departure};
use crate::node::Node;
use muster_admin::{DrainInfo, DrainOrder, DrainStage};
use muster_raft::Group;
use muster_telemetry::alarms::NODE_DRAINED;
use muster_types::NodeId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long leadership is tried to be given away: whoever does not get it is elected a moment later.
const TRANSFER: Duration = Duration::from_secs(1);
/// How long the users' slots may take to go: much longer than a hand-over does. Who still has them stays in service.
const HAND_OVER: Duration = Duration::from_secs(30);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);

/// The drain of this node; at most one at a time.
pub(crate) struct Drain {
    told: watch::Sender<DrainInfo>,
    ordered: watch::Sender<Ordered>,
}

/// What operators want.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Ordered {
    per_second: u32,
    paused: bool,
    aborted: bool,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            told: watch::Sender::new(DrainInfo::default()),
            ordered: watch::Sender::new(Ordered::default()),
        }
    }
}

impl Drain {
    /// Whether the node is being emptied, or is empty.
    pub(crate) fn is_on(&self) -> bool {
        self.told.borrow().is_on()
    }

    /// How far it is.
    pub(crate) fn info(&self) -> watch::Receiver<DrainInfo> {
        self.told.subscribe()
    }

    /// Changes a drain that goes on; `false` where none does.
    pub(crate) fn order(&self, order: DrainOrder) -> bool {
        let is_on = self.is_on();
        if is_on {
            self.ordered.send_modify(|ordered| match order {
                DrainOrder::Pause => ordered.paused = true,
                DrainOrder::Resume => ordered.paused = false,
                DrainOrder::Abort => ordered.aborted = true,
            });
            self.told
                .send_modify(|info| info.paused = self.ordered.borrow().paused);
        }
        is_on
    }

    /// Begins to empty the node, or changes the pace of what goes on.
    pub(crate) fn begin(node: &Arc<Node>, per_second: u32) -> watch::Receiver<DrainInfo> {
        let drain = &node.drain;
        let ordered = Ordered {
            per_second,
            ..Ordered::default()
        };
        drain.ordered.send_replace(ordered);
        let told = drain.info();
        let begins = drain.told.send_if_modified(|info| {
            let begins = !info.is_on();
            if begins {
                *info = DrainInfo {
                    stage: DrainStage::HandingOver,
                    left: count(node),
                    ..DrainInfo::default()
                };
            }
            (info.per_second, info.paused) = (per_second, false);
            begins
        });
        if begins {
            tracing::info!(per_second, "draining this node");
            tokio::spawn(run(Arc::clone(node)));
        }
        told
    }

    fn is_aborted(&self) -> bool {
        self.ordered.borrow().aborted
    }
}

async fn run(node: Arc<Node>) {
    let begun = Instant::now();
    while serves(&node) && !is_over(&node) && begun.elapsed() < HAND_OVER {
        tokio::time::sleep(AGAIN).await;
    }
    if serves(&node) {
        tracing::warn!("the users were not handed over: this node is not drained");
    } else if !is_over(&node) {
        give_leadership_away(&node.control).await;
        empty(&node).await;
        let gone = node.drain.told.borrow().gone;
        tracing::info!(
            "this node is empty after {:?}: {gone} clients went",
            begun.elapsed()
        );
        // Until it gets users again, or clients are wanted again.
        while !is_over(&node) && !serves(&node) {
            tokio::time::sleep(AGAIN).await;
        }
    }
    if !node.is_stopping() {
        take_clients_again(&node).await;
    }
}

fn is_over(node: &Node) -> bool {
    node.is_stopping() || node.drain.is_aborted()
}

/// Whether this node serves anybody.
fn serves(node: &Node) -> bool {
    let slots = node.shared.all_slots();
    slots
        .iter()
        .any(|slot| slot.duty.borrow().serving.is_some())
}

fn count(node: &Node) -> usize {
    node.clients
        .as_ref()
        .map_or(0, |clients| clients.connection_count())
}

/// Sends the clients away until there is none, or until it is over.
async fn empty(node: &Node) {
    let drain = &node.drain;
    let words = "this node is drained: it takes no clients until `musterctl node drain --abort`, a fallback or a restart";
    node.shared.alarms.raise(&NODE_DRAINED, words.to_owned());
    node.close_doors();
    if let Some(clients) = &node.clients {
        drain
            .told
            .send_modify(|info| info.stage = DrainStage::Moving);
        let (mut departure, began_with) = (Departure::default(), clients.connection_count());
        let mut before = Instant::now();
        while clients.connection_count() > 0 && !is_over(node) && !serves(node) {
            tokio::time::sleep(Departure::STEP).await;
            let elapsed = before.elapsed();
            before = Instant::now();
            let Ordered {
                per_second, paused, ..
            } = *drain.ordered.borrow();
            if !paused {
                departure.step(clients, per_second, elapsed);
            }
            tell(drain, clients, began_with);
        }
        tell(drain, clients, began_with);
    }
    if !is_over(node) && !serves(node) {
        drain
            .told
            .send_modify(|info| info.stage = DrainStage::Drained);
    }
}

fn tell(drain: &Drain, clients: &Clients, began_with: usize) {
    let left = clients.connection_count();
    drain.told.send_if_modified(|info| {
        let changed = info.left != left;
        (info.left, info.gone) = (left, began_with.saturating_sub(left));
        changed
    });
}

/// The drain is over.
async fn take_clients_again(node: &Node) {
    tracing::info!("the drain is over: taking clients");
    let are_closed = |clients: &Arc<Clients>| clients.closed().is_some();
    // Those that were never closed are not opened twice; an old one may not be closed yet.
    while node.clients.as_ref().is_some_and(are_closed)
        && let Err(error) = node.open_to_clients()
    {
        tracing::warn!(error = format!("{error:#}"), "cannot take clients yet");
        node.close_doors();
        if node.is_stopping() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
    let words = "this node takes clients again";
    node.shared.alarms.clear(&NODE_DRAINED, words);
    node.drain
        .told
        .send_modify(|info| info.stage = DrainStage::Off);
}

/// Has another voter lead the control log, if this node does: its end costs nobody an election then.
pub(crate) async fn give_leadership_away(control: &Group) {
    let until = Instant::now() + TRANSFER;
    while Instant::now() < until {
        let status = control.status().borrow().clone();
        if !status.leading || status.voters.len() < 2 {
            return;
        }
        let has_all = |(_, matched): &(&NodeId, &u64)| **matched == status.last_log;
        let others = status.matched.iter().filter(has_all).map(|(node, _)| *node);
        // The nodes that serve came first; a witness gives leadership on.
        let heirs: Vec<_> = others.filter(|node| status.voters.contains(node)).collect();
        if let Some(heir) = heirs.first()
            && control.transfer(*heir).await.is_ok()
        {
            let mut seen = control.status();
            let passed = seen.wait_for(|status| !status.leading);
            // Late is answered like never.
            let _ = tokio::time::timeout_at(until, passed).await;
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
