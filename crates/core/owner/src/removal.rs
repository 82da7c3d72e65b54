//! Users whose accounts the operator removed or disabled.
//!
//! What is to be removed stands in the control log until the owner reports that it is done. So it
//! does not matter who serves at that instant, or dies over it: each owner begins again.

use crate::OwnerEvent;
use crate::cx::Cx;
use crate::proposal::Purpose;
use crate::serving::Serving;
use muster_envelope::ToNode;
use muster_slot::UserChange;
use muster_types::{BareJid, SessionId};
use std::collections::BTreeSet;

/// The removals that this owner has begun; one is forgotten when the control log knows of its end.
pub(crate) type Removals = BTreeSet<BareJid>;

impl Serving {
    /// Begins what the accounts ask for and is not begun yet.
    pub(crate) fn remove_users(&mut self, cx: &mut Cx<'_>) {
        let wanted = cx.world.removals(cx.config.slot);
        self.removals.retain(|user| wanted.contains(user));
        for user in wanted {
            if self.removals.insert(user.clone()) {
                self.remove_user(cx, &user);
            }
        }
    }

    /// The data goes first, then the sessions.
    fn remove_user(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        let state = cx.state;
        let contacts = state.contacts(user).map(|(contact, _)| contact);
        let contact_slots = contacts
            .filter_map(|contact| Some((contact.clone(), cx.world.slot_of(contact)?)))
            .collect();
        let change = UserChange::RemoveUser { contact_slots };
        let purpose = Purpose::Removal { user: user.clone() };
        self.proposals
            .propose_in_any_case(cx, user, change, purpose);
    }

    pub(crate) fn removed(&mut self, cx: &mut Cx<'_>, user: BareJid) {
        self.end_user(cx, &user);
        cx.event(OwnerEvent::UserPurged { user });
    }

    /// Ends the sessions of a user who may not be here any more: with a conflict, so that most
    /// clients do not come back by themselves.
    pub(crate) fn end_user(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        let sessions: Vec<SessionId> = self
            .sessions
            .of_user(user)
            .map(|session| session.id)
            .collect();
        for session in sessions {
            cx.tell_node(session.node, ToNode::Replaced { session });
            self.end(cx, session);
        }
    }
}
