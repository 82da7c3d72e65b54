//! How much a new owner knows of its users' clients. Unknown is never unavailable:
//!
//! ```text
//! Gathering  every node in contact announces its sessions; 5 s at most. Watchers who were shown
//!            something wait, and so does work for users whose clients are not announced yet
//! Showing    what is known is shown to them, portion by portion
//! Partial    what is known is shown, but nothing is said to be gone until the grace time is over
//! Certain    answers are complete: what is missing in them has gone
//! ```
//!
//! A warm copy without gaps shortens none of this: its owner may have shown a client to somebody
//! and died before it told the copy. It only knows whom to wait for.

use crate::OwnerEvent;
use crate::answers::Answers;
use crate::cx::Cx;
use crate::lane::{Work, WorkKind};
use crate::serving::Serving;
use crate::sessions::Standing;
use muster_types::{Bare, BareJid, Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// How long a new owner waits for the announcements of nodes in contact.
const GATHER: Duration = Duration::from_secs(5);

/// Contacts whose watchers get their complete answer at a time, and the pause between.
const PORTION: usize = 256;
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    Gathering {
        until: Instant,
    },
    /// Contacts up to this one are shown; none before the first.
    Showing {
        after: Option<BareJid>,
        next: Instant,
    },
    Partial {
        until: Instant,
    },
    Certain,
}

/// How much a new owner knows of its users' clients.
pub(crate) struct Picture {
    phase: Phase,
    /// When whoever is not known here has had the time to come back.
    grace_over: Instant,
    /// Whether the warm copy had no gaps.
    pub(crate) complete: bool,
    /// Nodes that have not announced.
    pub(crate) awaited: BTreeSet<NodeId>,
    /// Whether it was settled without some of them.
    unheard: bool,
    /// Watchers who were shown something by an earlier owner and have no complete answer yet, by
    /// contact and node.
    owed: BTreeMap<BareJid, Waiting>,
}

/// Who waits for an answer about a contact, by node.
type Waiting = BTreeMap<NodeId, BTreeSet<BareJid>>;

impl Picture {
    pub(crate) fn new(
        now: Instant,
        grace_over: Instant,
        complete: bool,
        awaited: BTreeSet<NodeId>,
    ) -> Self {
        let phase = Phase::Gathering {
            until: now + GATHER,
        };
        Self {
            phase,
            grace_over,
            complete,
            awaited,
            unheard: false,
            owed: BTreeMap::new(),
        }
    }

    /// When whoever is not known here has had the time to come back.
    pub(crate) const fn grace_over(&self) -> Instant {
        self.grace_over
    }

    /// Whether a client that is not known here has gone.
    pub(crate) fn is_certain(&self) -> bool {
        self.phase == Phase::Certain
    }

    /// Whether every node has announced or was waited for long enough.
    pub(crate) const fn is_settled(&self) -> bool {
        match self.phase {
            Phase::Gathering { .. } => false,
            Phase::Showing { .. } | Phase::Partial { .. } | Phase::Certain => true,
        }
    }

    /// Whether no node in contact has a client that is not known here.
    pub(crate) fn knows_who_is_here(&self) -> bool {
        self.is_certain() || self.is_settled() && !self.unheard
    }

    /// Whether those who wait to see a contact will be shown what is known so far without asking again.
    pub(crate) fn will_show(&self, contact: &BareJid) -> bool {
        match &self.phase {
            Phase::Gathering { .. } => true,
            Phase::Showing { after, .. } => after.as_ref().is_none_or(|after| after < contact),
            Phase::Partial { .. } | Phase::Certain => false,
        }
    }

    /// Whether this watcher is among them.
    pub(crate) fn will_answer(&self, contact: &BareJid, node: NodeId, watcher: &BareJid) -> bool {
        let waiting = || self.owed.get(contact)?.get(&node);
        self.will_show(contact) && waiting().is_some_and(|waiting| waiting.contains(watcher))
    }

    pub(crate) fn owe(&mut self, contact: BareJid, node: NodeId, watcher: BareJid) {
        self.owed
            .entry(contact)
            .or_default()
            .entry(node)
            .or_default()
            .insert(watcher);
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Gathering { until } | Phase::Partial { until } => Some(until),
            Phase::Showing { next, .. } => Some(next),
            Phase::Certain => None,
        }
    }
}

impl Serving {
    /// Whether work has to wait for announcements: the recipient may have clients that are not
    /// known to be here or gone.
    pub(crate) fn is_too_early(&self, work: &Work) -> bool {
        if self.picture.is_settled() || work.kind != WorkKind::Route {
            return false;
        }
        let Some(user) = work.stanza.to.as_ref().map(Bare::bare) else {
            return false;
        };
        let mut standings = self.sessions.of_user(&user).map(|session| session.standing);
        if self.picture.complete {
            standings.any(|standing| standing == Standing::Presumed)
        } else {
            !standings.any(|standing| standing == Standing::Live)
        }
    }

    pub(crate) fn settle_if_announced(&mut self, cx: &mut Cx<'_>) {
        if self.picture.awaited.is_empty() && !self.picture.is_settled() {
            self.settle(cx);
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let missing = std::mem::take(&mut self.picture.awaited).len();
        self.picture.unheard = missing > 0;
        self.expect_presumed(cx, None);
        let (live, expected) = self.sessions.counts();
        cx.event(OwnerEvent::Settled {
            slot: cx.config.slot,
            live,
            expected,
            missing,
        });
        self.forget_told();
        self.show_portion(cx, None);
        self.go_on_all(cx);
    }

    /// Shows those who waited what there is so far, of the next contacts.
    fn show_portion(&mut self, cx: &mut Cx<'_>, after: Option<BareJid>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.picture.owed.range((from, Bound::Unbounded));
        let portion: Vec<_> = rest
            .take(PORTION)
            .map(|(contact, nodes)| (contact.clone(), nodes.clone()))
            .collect();
        let last = portion.last().map(|(contact, _)| contact.clone());
        self.picture.phase = if portion.len() < PORTION {
            Phase::Partial {
                until: self.picture.grace_over.max(cx.now),
            }
        } else {
            Phase::Showing {
                after: last,
                next: cx.now + PAUSE,
            }
        };
        self.answer(cx, portion, false);
    }

    fn answer(&mut self, cx: &mut Cx<'_>, portion: Vec<(BareJid, Waiting)>, full: bool) {
        let mut said = Answers::default();
        for (contact, nodes) in portion {
            // Newer than what was said until now, or it would be dropped.
            self.sight.presentity_mut(&contact).touch();
            for (node, watchers) in nodes {
                let may = |watcher: &BareJid| self.sight.sees(cx, &contact, node, watcher);
                let watchers: Vec<_> = watchers.into_iter().filter(may).map(Arc::new).collect();
                let batch = self.sight.answer(&contact, watchers, full);
                said.add(cx, node, batch);
            }
        }
        said.finish(cx);
    }

    pub(crate) fn wake_picture(&mut self, cx: &mut Cx<'_>) {
        match &mut self.picture.phase {
            Phase::Gathering { until } if *until <= cx.now => self.settle(cx),
            Phase::Showing { after, next } if *next <= cx.now => {
                let after = after.take();
                self.show_portion(cx, after);
            }
            Phase::Partial { until } if *until <= cx.now => self.complete_portion(cx),
            Phase::Gathering { .. }
            | Phase::Showing { .. }
            | Phase::Partial { .. }
            | Phase::Certain => (),
        }
    }

    /// Whoever is not here by now has gone: gives the answers that were owed, portion by portion.
    fn complete_portion(&mut self, cx: &mut Cx<'_>) {
        let owed = &mut self.picture.owed;
        let portion: Vec<_> = std::iter::from_fn(|| owed.pop_first())
            .take(PORTION)
            .collect();
        self.picture.phase = if portion.len() < PORTION {
            Phase::Certain
        } else {
            Phase::Partial {
                until: cx.now + PAUSE,
            }
        };
        self.answer(cx, portion, true);
        if self.picture.is_certain() {
            self.forget_choices(cx);
        }
    }
}
