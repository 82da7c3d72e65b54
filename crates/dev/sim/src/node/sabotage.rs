//! Bugs put in on purpose, to see that the invariants see them.

use crate::plan::Sabotage;
use muster_cluster::{ClusterState, ControlCommand, HaState};
use muster_envelope::{Envelope, ToNode, ToOwner};
use muster_owner::Replica;
use muster_types::{BareJid, Epoch, Limits, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everybody gets to see everybody: the owner forgot to ask for permission.
pub(super) fn show_everybody(cluster: &ClusterState, envelope: &mut Envelope) {
    let everybody = || -> Vec<BareJid> {
        cluster
            .accounts_after(None)
            .map(|(jid, _)| jid.clone())
            .collect()
    };
    match envelope {
        Envelope::ToNode {
            body: ToNode::Contacts { contacts, .. },
            ..
        } => *contacts = everybody(),
        Envelope::ToNode {
            body: ToNode::Presence(batch),
            ..
        } => batch.watchers = everybody().into_iter().map(Arc::new).collect(),
        Envelope::ToNode {
            body: ToNode::Answers(batches),
            ..
        } => batches
            .iter_mut()
            .for_each(|batch| batch.watchers = everybody().into_iter().map(Arc::new).collect()),
        Envelope::ToNode { .. }
        | Envelope::Opened { .. }
        | Envelope::Closed { .. }
        | Envelope::ToOwner { .. }
        | Envelope::ToPeer { .. }
        | Envelope::Answer { .. } => {}
    }
}

/// The limits an owner works with.
pub(super) fn owner_limits(sabotage: Option<Sabotage>, limits: &Limits) -> Limits {
    let mut limits = limits.clone();
    if sabotage == Some(Sabotage::NoGrace) {
        limits.grace = Duration::ZERO;
    }
    limits
}

/// What becomes of a proposal of the HA machine.
pub(super) fn proposal(
    sabotage: Option<Sabotage>,
    mut command: ControlCommand,
) -> Option<ControlCommand> {
    match (sabotage, &mut command) {
        (Some(Sabotage::NoFallback), ControlCommand::Healthy { .. }) => return None,
        (Some(Sabotage::NoFallback), ControlCommand::Together(all))
            if all
                .iter()
                .any(|one| matches!(one, ControlCommand::SlotDesire { .. })) =>
        {
            all.retain(|one| !is_fallback(one));
        }
        (Some(Sabotage::EarlyFallback), ControlCommand::Healthy { accrued, .. }) => *accrued *= 2,
        (Some(Sabotage::WrongState), ControlCommand::Together(all)) => {
            all.iter_mut().for_each(mistake);
        }
        (Some(Sabotage::WrongState), one) => mistake(one),
        _ => {}
    }
    Some(command)
}

/// Records that a backup is idle.
fn mistake(command: &mut ControlCommand) {
    if let ControlCommand::HaTransition { state, .. } = command
        && *state == HaState::RunningInBackupMode
    {
        *state = HaState::Idle;
    }
}

fn is_fallback(command: &ControlCommand) -> bool {
    matches!(
        command,
        ControlCommand::SlotDesire {
            reason: muster_cluster::HaReason::AutomaticFallback,
            ..
        }
    )
}

/// What an owner that forgets to replay its outbox does not send.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    epoch: Option<Epoch>,
    upto: BTreeMap<SlotId, u64>,
}

impl Forgotten {
    /// Whether an envelope is from before the owner's epoch.
    pub(super) fn has(&mut self, replica: &Replica, envelope: &Envelope) -> bool {
        let state = replica.state();
        if self.epoch != replica.serving() {
            self.epoch = replica.serving();
            let last = |to| Some((to, state.outbox(to).last()?.0));
            self.upto = state.outbox_slots().filter_map(last).collect();
        }
        match envelope {
            Envelope::ToOwner {
                slot,
                body: ToOwner::Owed { number, .. },
                ..
            } => self.upto.get(slot).is_some_and(|upto| number <= upto),
            Envelope::ToOwner { .. }
            | Envelope::ToNode { .. }
            | Envelope::Opened { .. }
            | Envelope::Closed { .. }
            | Envelope::ToPeer { .. }
            | Envelope::Answer { .. } => false,
        }
    }
}
