//! Bugs put in on purpose, to see that the invariants see them.

use crate::Sabotage;
use muster_cluster::ClusterState;
use muster_envelope::{Envelope, ToNode};
use muster_types::{BareJid, Limits};
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
        } => batch.watchers = everybody(),
        Envelope::ToNode { .. }
        | Envelope::Opened { .. }
        | Envelope::Closed { .. }
        | Envelope::ToOwner { .. }
        | Envelope::ToPeer { .. } => {}
    }
}

/// The limits an owner works with.
pub(super) fn owner_limits(sabotage: Option<Sabotage>, limits: &Limits) -> Limits {
    match sabotage {
        Some(Sabotage::NoGrace) => Limits {
            grace: Duration::ZERO,
            ..limits.clone()
        },
        Some(Sabotage::IgnoreLease | Sabotage::CommitAlone | Sabotage::ShowEverybody) | None => {
            limits.clone()
        }
    }
}
