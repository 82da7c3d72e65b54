//! Automatic fallbacks: when they are due, what they wait for, and what an operator says about them.

use crate::moves::Move;
use crate::service::Service;
use crate::settings::show_window;
use crate::{LiveView, proto};
use muster_cluster::{ClusterState, ControlCommand, HaState, Node};
use std::time::Duration;
use tonic::{Response, Status};

/// How long it is until the users of a node go home by themselves, and what else they wait for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Homing {
    pub(crate) due_in: Option<Duration>,
    pub(crate) waits: String,
}

/// What is to be said of a node; nothing where its users are at home, or away on an operator's word.
pub(crate) fn of(state: &ClusterState, live: &LiveView, node: &Node) -> Homing {
    let away = state
        .slot_of_home(node.id)
        .is_some_and(muster_cluster::Slot::is_failed_over);
    let settings = state.settings();
    let Some(group) = state.group_of(node.id).filter(|group| away && group.ha) else {
        return Homing::default();
    };
    let never = |words: &str| Homing {
        due_in: None,
        waits: words.to_owned(),
    };
    if node.ha.state != HaState::FailedOver {
        let by_hand = node.ha.state == HaState::Idle;
        return if by_hand {
            never("by hand: an operator moved them")
        } else {
            Homing::default()
        };
    }
    if !settings.fallback_auto {
        return never("by hand: fallback-auto is off");
    }
    let due_in = live.home_in.get(&node.id).copied().flatten();
    let waits = if group.held {
        "held: `musterctl group fallback NODE --release` lets them go".to_owned()
    } else if let Some(window) = settings.fallback_window {
        format!("only at {} UTC", show_window(window))
    } else {
        String::new()
    };
    Homing { due_in, waits }
}

/// Holds, allows or cancels automatic fallbacks.
pub(crate) async fn order(
    service: &Service,
    request: &proto::FallbackOrderRequest,
) -> Result<Response<proto::Done>, Status> {
    let node = service.node(&request.node)?;
    let held = match request.order() {
        proto::FallbackOrder::Cancel => return service.move_users(Move::Cancel(node)).await,
        proto::FallbackOrder::Hold => true,
        proto::FallbackOrder::Release => false,
        proto::FallbackOrder::Unspecified => {
            return Err(Status::invalid_argument("hold, release or cancel?"));
        }
    };
    let state = service.backend.cluster();
    let group = state.group_of(node).ok_or_else(|| {
        Status::failed_precondition(format!("node {} is in no group", request.node))
    })?;
    let group = group.id;
    service
        .carry_out(ControlCommand::GroupHold { group, held })
        .await
}

#[cfg(test)]
#[path = "homing_test.rs"]
mod homing_test;
