//! The serving duty: the soft state of a slot's users and where each message goes.
//!
//! Every part of the state is a type with its own file; the files named in [`Serving`]'s `impl`
//! blocks hold what one kind of message does to them.

use crate::blocking::is_kept_out;
use crate::choice::Choices;
use crate::composition::Composition;
use crate::cx::Cx;
use crate::feed::Feeds;
use crate::follow::Followers;
use crate::fork::Forks;
use crate::grace::Grace;
use crate::inbound::Inbound;
use crate::lane::{Arrival, Lanes, Work, WorkKind};
use crate::late_bind::LateBinds;
use crate::message::bounce;
use crate::offline::Mailbox;
use crate::outbox::Outbox;
use crate::picture::Picture;
use crate::proposal::Proposals;
use crate::publish::Said;
use crate::recent::Untold;
use crate::rosters::Rosters;
use crate::sessions::Sessions;
use crate::sight::Sight;
use muster_envelope::{ToNode, ToOwner};
use muster_stanza::{Kind, StanzaCondition};
use muster_types::{Epoch, Instant, LogIndex, NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet};

/// What the owner of a slot keeps in memory only.
pub(crate) struct Serving {
    /// The epoch it serves in.
    pub(crate) epoch: Epoch,
    pub(crate) sessions: Sessions,
    pub(crate) sight: Sight,
    pub(crate) composition: Composition,
    pub(crate) followers: Followers,
    pub(crate) choices: Choices,
    pub(crate) grace: Grace,
    pub(crate) lanes: Lanes,
    pub(crate) forks: Forks,
    pub(crate) proposals: Proposals,
    pub(crate) outbox: Outbox,
    pub(crate) inbound: Inbound,
    pub(crate) mailbox: Mailbox,
    pub(crate) feeds: Feeds,
    pub(crate) picture: Picture,
    pub(crate) late_binds: LateBinds,
    pub(crate) rosters: Rosters,
    /// Sessions that their node has to announce again, while it announces.
    pub(crate) questioned: BTreeMap<NodeId, BTreeSet<SessionId>>,
    /// The removal that is begun: the entry of the control log.
    pub(crate) removing: Option<LogIndex>,
    pub(crate) untold: Untold,
    /// The last change of an item (XEP-0163) that everybody concerned was told of.
    pub(crate) items_up_to: LogIndex,
}

/// How far a piece of work got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Delivered, answered or dropped: the session's next piece may follow.
    Done,
    /// Waits for the log.
    Committing,
}

impl Serving {
    /// A message for the owner from a node, for this epoch.
    pub(crate) fn on_message(&mut self, cx: &mut Cx<'_>, from: NodeId, body: ToOwner) {
        match body {
            ToOwner::Bind {
                session,
                user,
                wanted,
                generated,
            } => {
                self.on_bind(cx, session, user, wanted.unwrap_or(generated));
            }
            ToOwner::Unbind { session, graceful } => self.on_unbind(cx, session, graceful),
            ToOwner::Publish { session, presence } => {
                self.on_publish(cx, session, presence, Said::Now);
                cx.tell_node(session.node, ToNode::Published { session });
            }
            ToOwner::Submit {
                session,
                serial,
                stanza,
                contact_slot,
            } => {
                let kind = WorkKind::Submit { contact_slot };
                self.on_work(
                    cx,
                    session,
                    Work {
                        serial,
                        stanza,
                        kind,
                    },
                );
            }
            ToOwner::Route {
                session,
                serial,
                stanza,
            } => {
                self.on_work(
                    cx,
                    session,
                    Work {
                        serial,
                        stanza,
                        kind: WorkKind::Route,
                    },
                );
            }
            ToOwner::Watch(requests) => self.on_watch(cx, from, requests),
            ToOwner::Unwatch { contact, watcher } => self.on_unwatch(&contact, from, &watcher),
            ToOwner::Announce(announcement) => self.on_announce(cx, from, announcement),
            ToOwner::Owed {
                from: slot,
                number,
                item,
            } => {
                self.inbound.on_owed(cx, from, slot, number, item);
            }
            ToOwner::OwedConfirm { by, number } => self.outbox.on_confirm(cx, by, number),
            ToOwner::NodeLost { node } => self.on_node_lost(cx, node),
            ToOwner::AskItems(asked) => self.on_ask_items(cx, &asked),
            ToOwner::AskContacts(sessions) => self.on_ask_contacts(cx, sessions),
            ToOwner::Ask { ask, question } => self.on_ask(cx, from, ask, question),
            ToOwner::WatchTemporarily { session, request } => {
                self.on_watch_temporarily(cx, from, session, request);
            }
        }
    }

    /// Work is no sign of life: what an ended session left unconfirmed is sent again too. Whose node
    /// has it announces it first.
    fn on_work(&mut self, cx: &mut Cx<'_>, session: SessionId, work: Work) {
        match self.lanes.arrive(cx.now, session, work) {
            Arrival::Queued => self.go_on(cx, session),
            Arrival::Done(serial) => {
                cx.tell_node(session.node, ToNode::Confirm { session, serial })
            }
            Arrival::Underway => (),
            Arrival::Overflow(work) => {
                bounce(
                    cx,
                    session,
                    &work.stanza,
                    StanzaCondition::ResourceConstraint,
                );
                let serial = work.serial;
                cx.tell_node(session.node, ToNode::Confirm { session, serial });
            }
        }
    }

    /// Deals with what a session's lane holds until it is empty or has to wait.
    pub(crate) fn go_on(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        let mut done = None;
        while let Some(next) = self.lanes.next(session) {
            if self.is_too_early(next) {
                break;
            }
            let Some(work) = self.lanes.take(session) else {
                break;
            };
            let serial = work.serial;
            match self.perform(cx, session, work) {
                Progress::Done => {
                    self.lanes.finish(session, serial);
                    done = Some(serial);
                }
                Progress::Committing => self.lanes.hold(session),
            }
        }
        if let Some(serial) = done {
            cx.tell_node(session.node, ToNode::Confirm { session, serial });
        }
    }

    /// The commit a lane waited for is there.
    pub(crate) fn committed(&mut self, cx: &mut Cx<'_>, session: SessionId, serial: u64) {
        self.lanes.finish(session, serial);
        cx.tell_node(session.node, ToNode::Confirm { session, serial });
        self.go_on(cx, session);
    }

    /// Lets every lane go on that can.
    pub(crate) fn go_on_all(&mut self, cx: &mut Cx<'_>) {
        for session in self.lanes.ready() {
            self.go_on(cx, session);
        }
    }

    fn perform(&mut self, cx: &mut Cx<'_>, session: SessionId, work: Work) -> Progress {
        let Work {
            serial,
            stanza,
            kind,
        } = work;
        if kind == WorkKind::Route && is_kept_out(cx, &stanza) {
            self.keep_out(cx, session, stanza);
            return Progress::Done;
        }
        match (kind, stanza.kind) {
            (WorkKind::Submit { .. }, Kind::Iq(_)) => self.own_iq(cx, session, serial, &stanza),
            (WorkKind::Submit { contact_slot }, Kind::Presence(presence)) => {
                self.submit_subscription(cx, session, serial, stanza, presence, contact_slot)
            }
            (WorkKind::Submit { .. }, Kind::Message(_)) => {
                self.note_answer(cx, &stanza);
                Progress::Done
            }
            (WorkKind::Route, Kind::Message(kind)) => {
                self.route_message(cx, session, serial, stanza, kind)
            }
            (WorkKind::Route, Kind::Iq(_)) => self.route_iq(cx, session, serial, &stanza),
            (WorkKind::Route, Kind::Presence(presence)) => {
                self.directed_presence(cx, &stanza, presence);
                Progress::Done
            }
        }
    }

    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        self.wake_picture(cx);
        self.wake_grace(cx);
        self.wake_composition(cx);
        self.wake_followers(cx);
        self.wake_late_binds(cx);
        self.wake_rosters(cx);
        self.mailbox.wake(cx, &mut self.proposals);
        self.proposals.wake(cx);
        self.outbox.wake(cx);
        self.feeds.wake(cx, &self.sessions, &self.sight);
        self.lanes.sweep(cx.now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [
            self.grace_deadline(),
            self.composition.deadline(),
            self.followers.deadline(),
            self.picture.deadline(),
            self.late_binds.deadline(),
            self.rosters.deadline(),
            self.mailbox.deadline(),
            self.proposals.deadline(),
            self.outbox.deadline(),
            self.feeds.deadline(),
            self.lanes.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
