//! What happens on the node, brought to the log and to watchers, and to those who act on it.

use super::NodeEvent;
use crate::shared::Shared;
use muster_cluster::{ControlCommand, ControlEvent};
use muster_ha::{HaEvent, Why};
use muster_owner::OwnerEvent;
use muster_telemetry::{counter, histogram, metrics};
use muster_types::{BareJid, LogIndex, SlotId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// Between two attempts to tell the control log something.
const AGAIN: Duration = Duration::from_secs(1);

/// Brings what happens to those who act on it, to the log, and to watchers.
pub(super) async fn publish(
    shared: Arc<Shared>,
    events: broadcast::Sender<NodeEvent>,
    mut decided: mpsc::UnboundedReceiver<ControlEvent>,
    mut owner: mpsc::UnboundedReceiver<(SlotId, OwnerEvent)>,
    mut ha: mpsc::UnboundedReceiver<HaEvent>,
) {
    loop {
        let event = tokio::select! {
            Some(event) = decided.recv() => NodeEvent::Decided(event),
            Some((_, event)) = owner.recv() => NodeEvent::Owner(event),
            Some(event) = ha.recv() => NodeEvent::Ha(event),
            else => return,
        };
        match &event {
            NodeEvent::Decided(ControlEvent::HaChanged { node, after, .. }) => {
                tracing::info!(%node, state = %after.state, reason = %after.reason, "HA state");
            }
            NodeEvent::Decided(ControlEvent::NodeOusted { node, by }) => {
                tracing::warn!(%node, %by, "unsafe takeover: the node is refused from now on");
            }
            NodeEvent::Decided(_) | NodeEvent::Alarm { .. } | NodeEvent::Configured(_) => {}
            NodeEvent::Owner(OwnerEvent::Opened {
                slot,
                epoch,
                warm,
                sessions,
            }) => {
                tracing::info!(%slot, %epoch, warm, sessions, "serving");
            }
            NodeEvent::Owner(OwnerEvent::Settled {
                slot,
                live,
                expected,
                missing,
            }) => {
                tracing::info!(%slot, live, expected, missing, "settled");
            }
            NodeEvent::Owner(OwnerEvent::Closed { slot, epoch }) => {
                tracing::info!(%slot, %epoch, "no longer serving");
            }
            NodeEvent::Owner(OwnerEvent::UserPurged { user, at }) => {
                tokio::spawn(report_purged(Arc::clone(&shared), user.clone(), *at));
            }
            NodeEvent::Owner(
                OwnerEvent::SessionUp { .. }
                | OwnerEvent::SessionExpected { .. }
                | OwnerEvent::SessionDown { .. },
            ) => {}
            NodeEvent::Ha(event) => {
                if let HaEvent::Opened { why, gap, .. } = event
                    && *why != Why::Plan
                {
                    counter!(metrics::TAKEOVERS).increment(1);
                    histogram!(metrics::TAKEOVER_SECONDS).record(*gap);
                }
                tracing::info!(?event, "ha");
            }
        }
        // Nobody may be watching.
        let _ = events.send(event);
    }
}

/// Tells the control log that a removed user's data is gone. Goes on until it is heard: the address
/// stays taken until then.
async fn report_purged(shared: Arc<Shared>, user: BareJid, at: LogIndex) {
    while shared.cluster_state().is_being_removed(&user) {
        let jid = user.clone();
        let command = ControlCommand::AccountPurged { jid, at };
        if crate::control::propose(&shared, command).await.is_ok() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
