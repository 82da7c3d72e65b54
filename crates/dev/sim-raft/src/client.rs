//! Clients: each has numbers to write, one after the other, and does not rest until one is acknowledged.

use crate::exec::{WORLD, sleep};
use crate::owner;
use crate::sim::{host, sim};
use muster_raft::RaftGroupId;
use muster_types::NodeId;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a client waits for one answer.
const ANSWER: Duration = Duration::from_millis(1_500);
/// Clients of each group.
const CLIENTS: u16 = 2;
/// The largest filler: more than the store keeps in one piece.
const BIG: u64 = 100_000;

pub(crate) fn start_all() {
    let sim = sim();
    for group in sim.group_ids() {
        for client in 1..=CLIENTS {
            sim.exec.spawn_on(WORLD, run(group, client));
        }
    }
}

async fn run(group: RaftGroupId, client: u16) {
    let mut at = None;
    for number in 1.. {
        let pause = sim().draw(|rng| match rng.below(10) {
            0 => rng.millis(500..4_000),
            1..3 => rng.millis(1..20),
            _ => rng.millis(50..600),
        });
        sleep(pause).await;
        let filler = filler();
        while !ask(&mut at, group, client, number, &filler).await {
            if sim().is_after(sim().plan.calm) {
                return;
            }
            at = None;
            let pause = sim().draw(|rng| rng.millis(20..300));
            sleep(pause).await;
        }
        if sim().is_after(sim().plan.calm) {
            return;
        }
    }
}

fn filler() -> Vec<u8> {
    let len = sim().draw(|rng| {
        if rng.below(300) == 0 {
            rng.below(BIG)
        } else {
            rng.below(100)
        }
    });
    vec![7; usize::try_from(len).unwrap_or_default()]
}

/// One attempt, at the node that answered last or at any.
async fn ask(
    at: &mut Option<NodeId>,
    group: RaftGroupId,
    client: u16,
    number: u64,
    filler: &[u8],
) -> bool {
    let Some(node) = at.or_else(|| anybody(group)) else {
        return false;
    };
    let Some(seat) = owner::seat(node, group) else {
        return false;
    };
    let (answered, answer) = oneshot::channel();
    let filler = filler.to_vec();
    sim().exec.spawn_on(host(node), async move {
        let done = owner::take(seat, client, number, filler).await;
        // The client may have given up.
        let _ = answered.send(done);
    });
    let done = tokio::select! {
        biased;
        done = answer => done.unwrap_or(false),
        () = sleep(ANSWER) => false,
    };
    if done {
        *at = Some(node);
    }
    done
}

/// Mostly whoever serves, as far as can be seen from outside.
fn anybody(group: RaftGroupId) -> Option<NodeId> {
    let sim = sim();
    let (serving, all) = {
        let nodes = sim.nodes.borrow();
        let seats = nodes
            .values()
            .filter_map(|node| node.process.as_ref()?.seats.get(&group));
        let mut serving = Vec::new();
        let mut all = Vec::new();
        for seat in seats {
            all.push(seat.replica.node);
            if seat.serving().is_some() {
                serving.push(seat.replica.node);
            }
        }
        (serving, all)
    };
    sim.draw(|rng| {
        let guess = rng.chance(10) || serving.is_empty();
        rng.pick(if guess { &all } else { &serving })
    })
}
