//! Keeps the warm copies of the slot's other replicas: every change of the soft state, numbered,
//! and the whole of it, paced, to a replica that has nothing or missed a step.

use crate::cx::Cx;
use crate::sessions::{Session, Sessions, Standing};
use crate::sight::Sight;
use crate::warm::WarmSession;
use muster_envelope::{ToPeer, WarmUpdate};
use muster_presence::source::Report;
use muster_types::{BareJid, Instant, NodeId, SessionId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Sessions sent at a time while the whole is said, and the pause between.
const PORTION: usize = 256;
const PAUSE: Duration = Duration::from_millis(10);

/// How far the whole has been said.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Walk {
    /// Everything up to this session (all before the first: `None`).
    After(Option<SessionId>),
    /// All sessions, and what sources say about users up to this one.
    Reports(Option<BareJid>),
    /// All of it.
    Over,
}

struct Feed {
    seq: u64,
    walk: Walk,
}

/// The copies being kept.
#[derive(Default)]
pub(crate) struct Feeds {
    by_peer: BTreeMap<NodeId, Feed>,
    next_portion: Option<Instant>,
}

impl Feeds {
    /// Keeps a copy at every other replica that is there.
    pub(crate) fn set_peers(&mut self, cx: &mut Cx<'_>, sessions: &Sessions, sight: &Sight) {
        let world = cx.world;
        let wanted = |node: &NodeId| *node != cx.config.node && world.alive.contains(node);
        let peers: Vec<NodeId> = world.replicas.iter().copied().filter(wanted).collect();
        self.by_peer.retain(|node, _| peers.contains(node));
        for peer in peers {
            if !self.by_peer.contains_key(&peer) {
                self.begin(cx, sessions, sight, peer);
            }
        }
    }

    /// A replica has missed something, or restarted.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        sessions: &Sessions,
        sight: &Sight,
        peer: NodeId,
    ) {
        if peer == cx.config.node || !cx.world.replicas.contains(&peer) {
            return;
        }
        let seq = self.by_peer.get(&peer).map_or(1, |feed| feed.seq + 1);
        cx.tell_peer(peer, ToPeer::Begin { seq });
        self.by_peer.insert(
            peer,
            Feed {
                seq,
                walk: Walk::After(None),
            },
        );
        self.say_portions(cx, sessions, sight, PORTION);
    }

    /// A session is new or has changed.
    pub(crate) fn update(
        &mut self,
        cx: &mut Cx<'_>,
        sessions: &Sessions,
        sight: &Sight,
        id: SessionId,
    ) {
        let Some(session) = sessions.session(id) else {
            return;
        };
        let said: Vec<NodeId> = self.said(id);
        if said.is_empty() {
            return;
        }
        let update = describe(cx.now, session, sight);
        for peer in said {
            self.say(cx, peer, update.clone());
        }
    }

    /// A session has ended.
    pub(crate) fn gone(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        for peer in self.said(session) {
            self.say(cx, peer, WarmUpdate::Gone { session });
        }
    }

    /// The replicas that have been told of everything up to this session; the others get to it.
    fn said(&self, id: SessionId) -> Vec<NodeId> {
        self.peers(|walk| match walk {
            Walk::After(after) => after.is_some_and(|after| id <= after),
            Walk::Reports(_) | Walk::Over => true,
        })
    }

    fn peers(&self, which: impl Fn(&Walk) -> bool) -> Vec<NodeId> {
        let feeds = self.by_peer.iter();
        let feeds = feeds.filter(|(_, feed)| which(&feed.walk));
        feeds.map(|(node, _)| *node).collect()
    }

    /// A source says something else about a user. Whoever is told of it again by the walk loses nothing.
    pub(crate) fn report(&mut self, cx: &mut Cx<'_>, user: &BareJid, report: &Report<Instant>) {
        for peer in self.peers(|_| true) {
            self.say(cx, peer, describe_report(cx.now, user, report));
        }
    }

    fn say(&mut self, cx: &mut Cx<'_>, peer: NodeId, update: WarmUpdate) {
        if let Some(feed) = self.by_peer.get_mut(&peer) {
            feed.seq += 1;
            cx.tell_peer(
                peer,
                ToPeer::Update {
                    seq: feed.seq,
                    update: Box::new(update),
                },
            );
        }
    }

    /// Says everything that is still unsaid, at once: the owner stops.
    pub(crate) fn finish(&mut self, cx: &mut Cx<'_>, sessions: &Sessions, sight: &Sight) {
        self.say_portions(cx, sessions, sight, usize::MAX);
    }

    fn say_portions(
        &mut self,
        cx: &mut Cx<'_>,
        sessions: &Sessions,
        sight: &Sight,
        portion: usize,
    ) {
        self.next_portion = None;
        for peer in self.by_peer.keys().copied().collect::<Vec<_>>() {
            let Some(mut walk) = self.by_peer.get(&peer).map(|feed| feed.walk.clone()) else {
                continue;
            };
            let mut left = portion;
            if let Walk::After(mut at) = walk {
                for session in sessions.after(at).take(left) {
                    let update = describe(cx.now, session, sight);
                    self.say(cx, peer, update);
                    at = Some(session.id);
                    left -= 1;
                }
                walk = match left {
                    0 => Walk::After(at),
                    _ => Walk::Reports(None),
                };
            }
            if let Walk::Reports(mut at) = walk {
                for (user, presentity) in sight.reported_after(at.clone().as_ref()).take(left) {
                    for report in presentity.reports() {
                        self.say(cx, peer, describe_report(cx.now, user, report));
                    }
                    at = Some(user.clone());
                    left -= 1;
                }
                walk = match left {
                    0 => Walk::Reports(at),
                    _ => Walk::Over,
                };
                if left > 0 {
                    self.complete(cx, peer);
                }
            }
            if left == 0 {
                self.next_portion = Some(cx.now + PAUSE);
            }
            if let Some(feed) = self.by_peer.get_mut(&peer) {
                feed.walk = walk;
            }
        }
    }

    fn complete(&mut self, cx: &mut Cx<'_>, peer: NodeId) {
        if let Some(feed) = self.by_peer.get_mut(&peer) {
            feed.seq += 1;
            cx.tell_peer(peer, ToPeer::Complete { seq: feed.seq });
        }
    }

    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>, sessions: &Sessions, sight: &Sight) {
        if self.next_portion.is_some_and(|due| due <= cx.now) {
            self.say_portions(cx, sessions, sight, PORTION);
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.next_portion
    }
}

fn describe(now: Instant, session: &Session, sight: &Sight) -> WarmUpdate {
    let WarmSession {
        jid,
        presence,
        idle,
        interested,
        expected,
    } = warm(session, sight);
    let idle = idle.map(|idle| idle.age(now).as_millis());
    WarmUpdate::Session {
        session: session.id,
        jid,
        presence,
        idle_ms: idle.map(|age| u64::try_from(age).unwrap_or(u64::MAX)),
        interested,
        expected_ms: expected.map(|until| millis(until.since(now))),
    }
}

fn describe_report(now: Instant, user: &BareJid, report: &Report<Instant>) -> WarmUpdate {
    WarmUpdate::Report {
        user: user.clone(),
        report: report.told(now),
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A session as a copy keeps it.
pub(crate) fn warm(session: &Session, sight: &Sight) -> WarmSession {
    let published = sight.published_by(&session.jid, session.id);
    WarmSession {
        jid: session.jid.clone(),
        presence: published.map(|published| published.stanza.clone()),
        idle: published.and_then(|published| published.idle),
        interested: session.interested,
        expected: match session.standing {
            Standing::Expected { until } => Some(until),
            Standing::Live | Standing::Presumed => None,
        },
    }
}
