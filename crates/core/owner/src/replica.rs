//! The machine: one replica of a slot on one node, following or serving.

use crate::cx::Cx;
use crate::feed;
use crate::fork::Forks;
use crate::lane::Lanes;
use crate::picture::Picture;
use crate::recent::Recent;
use crate::serving::Serving;
use crate::sessions::Sessions;
use crate::sight::Sight;
use crate::warm::{Copied, WarmCopy};
use crate::world::World;
use crate::{Body, Config, Input, Output, OwnerEvent};
use muster_envelope::{Envelope, ToOwner, ToPeer};
use muster_presence::source::Report;
use muster_slot::{SlotCommand, SlotEvent, SlotState};
use muster_types::{
    Boot, Epoch, FullJid, Instant, LogIndex, Machine, NodeId, Replicated, SessionId, SlotId, Writes,
};
use std::collections::{BTreeSet, VecDeque};

/// What this replica is for at the moment.
enum Duty {
    /// Another node serves, or nobody does.
    Following(WarmCopy),
    /// `Open` is proposed.
    Opening(WarmCopy),
    /// This node serves.
    Serving(Box<Serving>),
}

/// A slot's state on one node, and what that node does with it.
///
/// Fed by [`Input`], it answers with [`Output`]. Every replica applies every committed entry; only
/// the one that serves acts on what follows from it.
pub struct Replica {
    config: Config,
    state: SlotState,
    world: World,
    duty: Duty,
    recent: Recent,
    origins: u64,
    out: VecDeque<Output>,
}

/// One session, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Its address.
    pub jid: FullJid,
    /// Whether it has published presence and is shown to watchers.
    pub available: bool,
    /// Whether its client was lost and is expected back.
    pub expected: bool,
}

impl Replica {
    /// A replica that follows, with the state its store holds.
    pub fn new(config: Config, mut state: SlotState) -> Self {
        state.set_limits(config.limits.clone());
        let (world, out) = (World::default(), VecDeque::new());
        Self {
            config,
            state,
            world,
            duty: Duty::Following(WarmCopy::default()),
            recent: Recent::default(),
            origins: 0,
            out,
        }
    }

    /// The replicated state: what snapshots and `musterctl` read.
    pub const fn state(&self) -> &SlotState {
        &self.state
    }

    /// The epoch this node serves in; `None` while it does not serve.
    pub const fn serving(&self) -> Option<Epoch> {
        match &self.duty {
            Duty::Serving(serving) => Some(serving.epoch),
            Duty::Following(_) | Duty::Opening(_) => None,
        }
    }

    /// Whether this node could take over without losing sight of a client: its warm copy has no
    /// gaps, or it serves itself.
    pub const fn is_warm(&self) -> bool {
        match &self.duty {
            Duty::Following(copy) | Duty::Opening(copy) => copy.is_complete(),
            Duty::Serving(_) => true,
        }
    }

    /// The sessions of the slot's users while this node serves, in the order of their ids.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let Duty::Serving(serving) = &self.duty else {
            return Vec::new();
        };
        let info = |session: &crate::sessions::Session| SessionInfo {
            session: session.id,
            jid: session.jid.clone(),
            available: serving
                .sight
                .published_by(&session.jid, session.id)
                .is_some(),
            expected: session.standing.is_expected(),
        };
        serving.sessions.all().map(info).collect()
    }

    /// Runs `act` on the serving state, if this node serves.
    fn serve(&mut self, now: Instant, act: impl FnOnce(&mut Serving, &mut Cx<'_>)) {
        let Self {
            config,
            state,
            world,
            duty,
            origins,
            out,
            ..
        } = self;
        if let Duty::Serving(serving) = duty {
            let epoch = serving.epoch;
            let mut cx = Cx {
                now,
                epoch,
                config,
                state,
                world,
                origins,
                out,
            };
            act(serving, &mut cx);
            serving.tell_followers(&mut cx);
        }
    }

    fn on_nodes(&mut self, now: Instant, alive: BTreeSet<NodeId>, replicas: Vec<NodeId>) {
        let lost: Vec<NodeId> = self.world.alive.difference(&alive).copied().collect();
        self.world.alive = alive;
        self.world.replicas = replicas;
        self.serve(now, |serving, cx| {
            for node in lost {
                serving.on_node_lost(cx, node);
            }
            serving
                .feeds
                .set_peers(cx, &serving.sessions, &serving.sight);
        });
    }

    fn on_node_up(&mut self, now: Instant, node: NodeId, boot: Boot) {
        let restarted = self.world.note_boot(node, boot);
        self.serve(now, |serving, cx| {
            serving.on_node_up(cx, node, boot, restarted);
            serving
                .feeds
                .begin(cx, &serving.sessions, &serving.sight, node);
        });
    }

    fn on_owner(&mut self, now: Instant, slot: SlotId, epoch: Epoch, node: NodeId) {
        if self.world.note_owner(slot, epoch, node) {
            self.serve(now, |serving, cx| serving.outbox.on_owner(cx, slot));
        }
    }

    fn on_committed(&mut self, now: Instant, index: LogIndex, command: SlotCommand) {
        let mut writes = Writes::new();
        let events = self.state.apply(index, command, &mut writes);
        self.out.push_back(Output::Persist { index, writes });
        for event in events {
            if let SlotEvent::Opened { epoch, node, boot } = event {
                self.on_opened(now, epoch, node, boot);
            } else {
                self.recent.note(now, &event);
                self.serve(now, |serving, cx| serving.on_event(cx, event));
            }
        }
    }

    /// A log entry made somebody owner.
    fn on_opened(&mut self, now: Instant, epoch: Epoch, node: NodeId, boot: Boot) {
        self.world.note_owner(self.config.slot, epoch, node);
        let ours = (node, boot) == (self.config.node, self.config.boot);
        let duty = std::mem::replace(&mut self.duty, Duty::Following(WarmCopy::default()));
        self.duty = match duty {
            Duty::Opening(copy) if ours => return self.begin(now, copy),
            // Opened twice by ourselves: everything starts anew, but nothing is unknown.
            Duty::Serving(serving) if ours => {
                return self.begin(
                    now,
                    WarmCopy::handed_to_self(copied(&serving), serving.picture.grace_over()),
                );
            }
            Duty::Serving(serving) => {
                let closed = OwnerEvent::Closed {
                    slot: self.config.slot,
                    epoch: serving.epoch,
                };
                self.out.push_back(Output::Event(closed));
                let mut copy = left_by(&serving);
                copy.outdate(epoch);
                Duty::Following(copy)
            }
            Duty::Opening(mut copy) => {
                copy.outdate(epoch);
                Duty::Opening(copy)
            }
            Duty::Following(mut copy) => {
                copy.outdate(epoch);
                Duty::Following(copy)
            }
        };
    }

    /// Begins to serve in the epoch that the state has just reached.
    fn begin(&mut self, now: Instant, copy: WarmCopy) {
        let epoch = self.state.epoch();
        let limits = &self.config.limits;
        let mut serving = Box::new(Serving {
            epoch,
            sessions: Sessions::default(),
            sight: Sight::new(epoch),
            composition: Default::default(),
            followers: Default::default(),
            choices: Default::default(),
            grace: Default::default(),
            lanes: Lanes::new(now, limits.waiting_per_session),
            forks: Forks::new(limits.chat_lock),
            proposals: Default::default(),
            outbox: Default::default(),
            inbound: Default::default(),
            mailbox: Default::default(),
            feeds: Default::default(),
            picture: Picture::new(
                now,
                copy.grace_over().unwrap_or(now + limits.grace),
                copy.is_complete(),
                self.world.alive.clone(),
            ),
            late_binds: Default::default(),
            rosters: Default::default(),
            questioned: Default::default(),
            removing: None,
            untold: self.recent.untold(),
            items_up_to: LogIndex(epoch.index()),
        });
        let Self {
            config,
            state,
            world,
            origins,
            out,
            ..
        } = self;
        serving.open(
            &mut Cx {
                now,
                epoch,
                config,
                state,
                world,
                origins,
                out,
            },
            copy,
        );
        self.duty = Duty::Serving(serving);
    }

    fn on_open(&mut self) {
        let Config { node, boot, .. } = self.config;
        let duty = std::mem::replace(&mut self.duty, Duty::Following(WarmCopy::default()));
        self.duty = match duty {
            Duty::Following(copy) | Duty::Opening(copy) => {
                self.out
                    .push_back(Output::Propose(SlotCommand::Open { node, boot }));
                Duty::Opening(copy)
            }
            Duty::Serving(serving) => Duty::Serving(serving),
        };
    }

    /// Decides nothing more. The peers get what they have not got yet of the soft state, then
    /// everybody learns that nobody serves.
    fn on_close(&mut self, now: Instant) {
        self.serve(now, |serving, cx| {
            serving.feeds.finish(cx, &serving.sessions, &serving.sight);
            let (slot, epoch) = (cx.config.slot, cx.epoch);
            cx.out
                .push_back(Output::Broadcast(Envelope::Closed { slot, epoch }));
            cx.event(OwnerEvent::Closed { slot, epoch });
        });
        let duty = std::mem::replace(&mut self.duty, Duty::Following(WarmCopy::default()));
        self.duty = Duty::Following(match duty {
            Duty::Following(copy) | Duty::Opening(copy) => copy,
            Duty::Serving(serving) => left_by(&serving),
        });
    }

    /// The log was compacted past us, so we cannot be its leader: whoever served serves no more.
    fn on_installed(&mut self, mut state: SlotState) {
        // The stored form does not carry them.
        state.set_limits(self.config.limits.clone());
        self.state = state;
        self.recent = Recent::default();
        let epoch = self.state.epoch();
        let duty = std::mem::replace(&mut self.duty, Duty::Following(WarmCopy::default()));
        let mut copy = match duty {
            Duty::Following(copy) | Duty::Opening(copy) => copy,
            Duty::Serving(serving) => left_by(&serving),
        };
        copy.outdate(epoch);
        self.duty = Duty::Following(copy);
    }

    fn on_envelope(&mut self, now: Instant, from: NodeId, epoch: Epoch, body: Body) {
        match body {
            Body::ToOwner(body) => {
                let any_epoch = match body {
                    ToOwner::Owed { .. } | ToOwner::OwedConfirm { .. } => true,
                    ToOwner::Bind { .. }
                    | ToOwner::Unbind { .. }
                    | ToOwner::Publish { .. }
                    | ToOwner::Submit { .. }
                    | ToOwner::Route { .. }
                    | ToOwner::Watch(_)
                    | ToOwner::Unwatch { .. }
                    | ToOwner::Announce(_)
                    | ToOwner::AskContacts(_)
                    | ToOwner::AskItems(_)
                    | ToOwner::Ask { .. }
                    | ToOwner::WatchTemporarily { .. }
                    | ToOwner::NodeLost { .. } => false,
                };
                if any_epoch || epoch == self.state.epoch() {
                    self.serve(now, |serving, cx| serving.on_message(cx, from, body));
                }
            }
            Body::ToPeer(ToPeer::Resync) => {
                if epoch == self.state.epoch() {
                    self.serve(now, |serving, cx| {
                        serving
                            .feeds
                            .begin(cx, &serving.sessions, &serving.sight, from);
                    });
                }
            }
            Body::ToPeer(step) => self.on_step(now, from, epoch, step),
        }
    }

    /// A step of the owner's soft state. It may be ahead of the log here.
    fn on_step(&mut self, now: Instant, from: NodeId, epoch: Epoch, step: ToPeer) {
        if epoch < self.state.epoch() {
            return;
        }
        let resync = match &mut self.duty {
            Duty::Following(copy) | Duty::Opening(copy) => copy.step(now, from, epoch, step),
            Duty::Serving(_) => None,
        };
        if let Some(resync) = resync {
            let (slot, epoch) = (self.config.slot, resync.epoch);
            let envelope = Envelope::ToPeer {
                slot,
                epoch,
                body: ToPeer::Resync,
            };
            self.out.push_back(Output::Send {
                to: resync.owner,
                envelope,
            });
        }
    }
}

/// What a former owner keeps of it.
fn left_by(serving: &Serving) -> WarmCopy {
    WarmCopy::of_former_owner(copied(serving), serving.picture.grace_over())
}

/// The soft state as a copy.
fn copied(serving: &Serving) -> Copied {
    let warm =
        |session: &crate::sessions::Session| (session.id, feed::warm(session, &serving.sight));
    let reported = serving.sight.reported_after(None);
    let reports = reported.flat_map(|(user, presentity)| {
        let key = |report: &Report<Instant>| (user.clone(), report.source.clone());
        presentity
            .reports()
            .map(move |report| (key(report), report.clone()))
    });
    Copied {
        sessions: serving.sessions.all().map(warm).collect(),
        reports: reports.collect(),
    }
}

impl Machine for Replica {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Wall(wall) => self.world.wall = wall,
            Input::View(accounts) => {
                self.world.accounts = Some(accounts);
                self.serve(now, |serving, cx| serving.on_accounts(cx));
            }
            Input::Limits(limits) => {
                self.state.set_limits((*limits).clone());
                self.config.limits = *limits;
            }
            Input::Nodes { alive, replicas } => self.on_nodes(now, alive, replicas),
            Input::NodeUp { node, boot } => self.on_node_up(now, node, boot),
            Input::NodeLost(node) => {
                self.world.alive.remove(&node);
                self.serve(now, |serving, cx| serving.on_node_lost(cx, node));
            }
            Input::OwnerKnown { slot, node, epoch } => self.on_owner(now, slot, epoch, node),
            Input::Committed { index, command } => self.on_committed(now, index, command),
            Input::Installed(state) => self.on_installed(*state),
            Input::Open => self.on_open(),
            Input::Close => self.on_close(now),
            Input::Envelope { from, epoch, body } => self.on_envelope(now, from, epoch, body),
        }
    }

    fn wake(&mut self, now: Instant) {
        self.serve(now, |serving, cx| serving.wake(cx));
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.duty {
            Duty::Serving(serving) => serving.deadline(),
            Duty::Following(_) | Duty::Opening(_) => None,
        }
    }
}
