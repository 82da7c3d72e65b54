//! Binds whose accounts this node's copy of the control log does not have yet. The session's node
//! has authenticated them, so the accounts are probably on their way.

use crate::cx::Cx;
use crate::serving::Serving;
use muster_envelope::{BindOutcome, ToNode};
use muster_types::{BareJid, Instant, ResourcePart, SessionId};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a bind waits for its account.
const ACCOUNT_WAIT: Duration = Duration::from_secs(1);

/// Binds that may wait so; one more is refused at once.
const LATE_BINDS_MAX: usize = 1024;

struct LateBind {
    until: Instant,
    session: SessionId,
    user: BareJid,
    resource: ResourcePart,
}

/// The waiting binds, oldest first.
#[derive(Default)]
pub(crate) struct LateBinds(VecDeque<LateBind>);

impl LateBinds {
    /// The session has ended while it waited.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.0.retain(|bind| bind.session != session);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|bind| bind.until)
    }
}

impl Serving {
    pub(crate) fn bind_later(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        user: BareJid,
        resource: ResourcePart,
    ) {
        if self.late_binds.0.len() >= LATE_BINDS_MAX {
            refuse(cx, session);
            return;
        }
        let until = cx.now + ACCOUNT_WAIT;
        self.late_binds.0.push_back(LateBind {
            until,
            session,
            user,
            resource,
        });
    }

    /// A newer snapshot of the accounts is there.
    pub(crate) fn on_accounts(&mut self, cx: &mut Cx<'_>) {
        self.obey_accounts(cx);
        self.obey_rules(cx);
        self.obey_auto_authorise(cx);
        for bind in std::mem::take(&mut self.late_binds.0) {
            if cx.world.slot_of(&bind.user) == Some(cx.config.slot) {
                self.on_bind(cx, bind.session, bind.user, bind.resource);
            } else {
                self.late_binds.0.push_back(bind);
            }
        }
    }

    pub(crate) fn wake_late_binds(&mut self, cx: &mut Cx<'_>) {
        while let Some(bind) = self.late_binds.0.pop_front_if(|bind| bind.until <= cx.now) {
            refuse(cx, bind.session);
        }
    }
}

fn refuse(cx: &mut Cx<'_>, session: SessionId) {
    cx.tell_node(
        session.node,
        ToNode::Bound {
            session,
            outcome: BindOutcome::NoAccount,
        },
    );
}
