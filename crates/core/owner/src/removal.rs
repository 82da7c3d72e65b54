//! Users whose accounts the operator removed or disabled.
//!
//! What is to be removed stands in the control log until the owner reports that it is done. So it
//! does not matter who serves at that instant, or dies over it: each owner begins where the slot's log
//! ends. One account goes after the other, in the order of the control log, and the slot's log knows
//! the last one: a copy of the control log that is behind removes no account that was added anew.

use crate::OwnerEvent;
use crate::cx::Cx;
use crate::proposal::Purpose;
use crate::serving::Serving;
use muster_envelope::ToNode;
use muster_slot::UserChange;
use muster_types::{BareJid, LogIndex, SessionId};

impl Serving {
    /// Does what the accounts say now and did not say before.
    pub(crate) fn obey_accounts(&mut self, cx: &mut Cx<'_>) {
        for user in cx.world.barred(cx.config.slot) {
            self.end_user(cx, &user);
        }
        self.remove_next(cx);
    }

    /// Begins the next removal, unless it is begun.
    fn remove_next(&mut self, cx: &mut Cx<'_>) {
        let next = cx.world.next_removal(cx.config.slot);
        let Some((at, user)) = next else {
            return self.removing = None;
        };
        if self.removing == Some(at) {
            return;
        }
        self.removing = Some(at);
        if at > cx.state.removed_up_to() {
            self.remove_user(cx, user, at);
        } else {
            // An earlier owner did it and could not say so.
            cx.event(OwnerEvent::UserPurged { user, at });
        }
    }

    /// What the user has under way goes first (its sessions have ended), so that nothing comes after
    /// the removal.
    fn remove_user(&mut self, cx: &mut Cx<'_>, user: BareJid, at: LogIndex) {
        self.drop_proposals(cx, &user);
        let state = cx.state;
        let contacts = state.contacts(&user).map(|(contact, _)| contact);
        let contact_slots = contacts
            .filter_map(|contact| Some((contact.clone(), cx.world.slot_of(contact)?)))
            .collect();
        let change = UserChange::RemoveUser { at, contact_slots };
        let purpose = Purpose::Removal {
            user: user.clone(),
            at,
        };
        self.proposals
            .propose_in_any_case(cx, &user, change, purpose);
    }

    pub(crate) fn removed(&mut self, cx: &mut Cx<'_>, user: BareJid, at: LogIndex) {
        cx.event(OwnerEvent::UserPurged { user, at });
    }

    /// The log does not know the removal's name any more: once more.
    pub(crate) fn removal_refused(&mut self, cx: &mut Cx<'_>) {
        self.removing = None;
        self.remove_next(cx);
    }

    /// Ends the sessions of a user who may not be here any more: with a conflict, so that most
    /// clients do not come back by themselves.
    fn end_user(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        let sessions: Vec<SessionId> = self
            .sessions
            .of_user(user)
            .map(|session| session.id)
            .collect();
        for session in sessions {
            cx.tell_node(session.node, ToNode::Replaced { session });
            self.end(cx, session);
        }
        // Those that were displaced and are still seen, before what may hide them is forgotten.
        let seen = self.sight.presentity(user).into_iter();
        let seen = seen.flat_map(|presentity| presentity.publications());
        for session in seen.map(|(_, seen)| seen.session).collect::<Vec<_>>() {
            self.end(cx, session);
        }
        self.forget_reports(cx, user, |_| true);
    }
}
