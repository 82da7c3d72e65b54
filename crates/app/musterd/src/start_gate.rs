//! A node takes clients when its replicas have what was committed when it started. Until then it says
//! what it waits for; its peer serves meanwhile, whatever this node lacks.

use crate::membership::wanted_slots;
use crate::node::Node;
use crate::shared::Shared;
use muster_ha::{Gate, Standing, gate};
use muster_telemetry::alarms::START_DELAYED;
use muster_types::SlotId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// After which a start that takes so long is told of.
const DELAYED: Duration = Duration::from_secs(5);
/// How long the first node of a cluster waits for others, without whom it can know nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// The replicas that are still catching up, each with the task that waits for it.
#[derive(Default)]
struct Waiting(BTreeMap<SlotId, JoinHandle<bool>>);

impl Waiting {
    /// Whether a replica has caught up since this wait began.
    fn has_caught_up(&mut self, shared: &Shared, slot: SlotId) -> bool {
        let Some(handle) = shared.slot(slot) else {
            return false;
        };
        let task = self.0.entry(slot).or_insert_with(|| {
            let group = handle.group.clone();
            shared.raft.spawn(async move { group.catch_up().await })
        });
        task.is_finished()
    }

    fn standings(&mut self, shared: &Shared) -> Vec<(SlotId, Standing)> {
        let wanted = wanted_slots(&shared.cluster_state(), shared.node);
        let standing = |slot| {
            let led = shared
                .slot(slot)
                .is_some_and(|handle| handle.group.is_led());
            let caught_up = self.has_caught_up(shared, slot);
            (slot, Standing { caught_up, led })
        };
        wanted.into_iter().map(standing).collect()
    }
}

/// Waits until clients may be taken.
pub(crate) async fn wait(node: &Arc<Node>) {
    let shared = &node.shared;
    let (begun, mut waiting) = (Instant::now(), Waiting::default());
    let mut led = begun;
    loop {
        let standings = waiting.standings(shared);
        let replicas = || standings.iter().map(|(_, standing)| *standing);
        if replicas().any(|replica| replica.led && !replica.caught_up) {
            led = Instant::now();
        }
        match gate(replicas(), led.elapsed(), PATIENCE) {
            Gate::Open => return clear(shared),
            Gate::OpenBehind => {
                tracing::warn!("nobody is there to catch up with: taking clients all the same");
                shared
                    .alarms
                    .raise(&START_DELAYED, words(shared, &standings));
                tokio::spawn(clear_later(Arc::clone(shared), waiting));
                return;
            }
            Gate::Wait if begun.elapsed() >= DELAYED => {
                shared
                    .alarms
                    .raise(&START_DELAYED, words(shared, &standings));
            }
            Gate::Wait => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn clear(shared: &Shared) {
    shared.alarms.clear(
        &START_DELAYED,
        "this node has caught up with all its users' data",
    );
}

/// The alarm stands until there is somebody to catch up with, and that is done.
async fn clear_later(shared: Arc<Shared>, mut waiting: Waiting) {
    let behind = |(_, standing): &(SlotId, Standing)| !standing.caught_up;
    while waiting.standings(&shared).iter().any(behind) {
        tokio::time::sleep(LOOK).await;
    }
    clear(&shared);
}

/// What the start waits for.
fn words(shared: &Shared, standings: &[(SlotId, Standing)]) -> String {
    let state = shared.cluster_state();
    let one = |(slot, standing): &(SlotId, Standing)| {
        let home = state.slot(*slot).and_then(|slot| state.node(slot.home));
        let home = home.map_or_else(|| slot.to_string(), |home| home.name.clone());
        let applied = shared
            .slot(*slot)
            .map(|handle| handle.group.status().borrow().applied);
        match (applied, standing.led) {
            (Some(at), true) => {
                format!("the copy of the users of {home} is catching up and is at entry {at}")
            }
            (Some(_), false) => format!("nobody leads the log of the users of {home}"),
            (None, _) => format!("the copy of the users of {home} is not open yet"),
        }
    };
    let behind = standings.iter().filter(|(_, standing)| !standing.caught_up);
    let reasons: Vec<_> = behind.map(one).collect();
    format!("the start is delayed: {}", reasons.join("; "))
}
