//! How fast this node's clock runs in comparison with its peers', by their beats: noted as the beats come, asked by the
//! service `clock`, told by an alarm.

use crate::shared::Shared;
use muster_cluster::ClusterState;
use muster_ha::{Clocks, Judgement, Reading};
use muster_link::Beat;
use muster_telemetry::alarms::CLOCK_OUT_OF_STEP;
use muster_types::{Instant, NodeId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two edges of a comparison: a wrong clock is known within three of them, so before any grace is over.
const WINDOW: Duration = Duration::from_secs(3);
/// How often the alarm is looked at.
const LOOK: Duration = Duration::from_secs(1);
const REMEDY: &str = "compare it with another clock, and check time synchronisation (chronyc tracking) and the \
                      clock source of the host or of its hypervisor";

/// The clocks of this node and its peers.
pub(crate) struct PeerClocks {
    began: std::time::Instant,
    clocks: Mutex<Clocks>,
}

impl Default for PeerClocks {
    fn default() -> Self {
        Self {
            began: std::time::Instant::now(),
            clocks: Mutex::new(Clocks::new(WINDOW)),
        }
    }
}

impl PeerClocks {
    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, at: std::time::Instant) -> Instant {
        Instant::ZERO + at.saturating_duration_since(self.began)
    }

    /// Takes what a beat of a peer said.
    pub(crate) fn note(&self, peer: NodeId, beat: Beat) {
        let reading = Reading {
            sent: Instant::ZERO + beat.sent,
            received: self.at(beat.received),
        };
        self.clocks().note(peer, reading);
    }

    /// Whose clock is wrong, as far as this node can tell.
    pub(crate) fn judge(&self) -> Judgement {
        let now = self.at(std::time::Instant::now());
        self.clocks().judge(now)
    }
}

/// Raises and clears the alarm until the node ends.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut tick = muster_ticks::ticks(LOOK);
    loop {
        tick.tick().await;
        match words(&shared.clocks.judge(), &shared.cluster_state()) {
            Some(words) => shared.alarms.raise(&CLOCK_OUT_OF_STEP, words),
            None => {
                (shared.alarms).clear(&CLOCK_OUT_OF_STEP, "the clocks of the nodes are in step")
            }
        }
    }
}

/// What is wrong with the clocks, and what to do.
fn words(judgement: &Judgement, state: &ClusterState) -> Option<String> {
    if let Some(own) = judgement.own {
        return Some(format!(
            "this node's clock runs {} than those of its peers, and so do its leases and delays: {REMEDY}",
            by(own)
        ));
    }
    let name = |node: &NodeId| {
        let node = state.node(*node).map(|node| node.name.to_string());
        node.unwrap_or_else(|| "a node that is not known yet".to_owned())
    };
    let others = judgement.others.iter();
    let others = others.map(|(node, faster)| format!("{} {}", name(node), by(*faster)));
    let others: Vec<_> = others.collect();
    (!others.is_empty()).then(|| {
        format!(
            "clocks run out of step with this node's: {}. If it is this node's that is wrong: {REMEDY}",
            others.join(", ")
        )
    })
}

fn by(faster: i64) -> String {
    let percent = (faster.abs() + 5) / 10;
    let way = if faster > 0 { "faster" } else { "slower" };
    format!("{percent} % {way}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_remedy() {
        let state = ClusterState::default();
        assert_eq!(words(&Judgement::default(), &state), None);
        let own = Judgement {
            own: Some(199),
            others: vec![(NodeId(2), -166)],
        };
        let said = words(&own, &state).unwrap();
        assert!(said.starts_with("this node's clock runs 20 % faster than those of its peers"));
        let other = Judgement {
            own: None,
            others: vec![(NodeId(2), -166)],
        };
        let said = words(&other, &state).unwrap();
        assert!(
            said.contains("a node that is not known yet 17 % slower"),
            "{said}"
        );
        assert!(said.contains("chronyc tracking"));
    }
}
