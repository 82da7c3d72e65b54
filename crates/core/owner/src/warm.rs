//! The warm copy: what a replica that does not serve knows of the owner's soft state.

use muster_envelope::{ToPeer, WarmUpdate};
use muster_presence::Idle;
use muster_presence::source::{Report, Source};
use muster_stanza::Stanza;
use muster_types::{BareJid, Epoch, FullJid, Instant, NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An owner is asked to begin again at most this often.
const RESYNC_PAUSE: Duration = Duration::from_secs(1);

/// A session as the owner last described it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WarmSession {
    pub(crate) jid: FullJid,
    pub(crate) presence: Option<Stanza>,
    /// For how long it has not been used, on this node's clock.
    pub(crate) idle: Option<Idle>,
    pub(crate) interested: bool,
    /// Until when its client is expected back, on this node's clock: a new owner is no reason to wait
    /// longer. `None` while it is here.
    pub(crate) expected: Option<Instant>,
}

/// What is copied of an owner's soft state.
#[derive(Clone, Default, Debug, PartialEq)]
pub(crate) struct Copied {
    pub(crate) sessions: BTreeMap<SessionId, WarmSession>,
    /// What sources other than clients say about users, on this node's clock.
    pub(crate) reports: BTreeMap<(BareJid, Source), Report<Instant>>,
}

/// Whom to ask to begin again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resync {
    pub(crate) owner: NodeId,
    pub(crate) epoch: Epoch,
}

/// The copy, fed by numbered steps.
#[derive(Default, Debug)]
pub(crate) struct WarmCopy {
    epoch: Epoch,
    /// The number of the step that comes next; `None` until the owner begins.
    next: Option<u64>,
    complete: bool,
    copied: Copied,
    /// Reports that were copied before the owner began again and have not been said since. Sessions are
    /// announced by their nodes too, but nobody else knows these.
    unsaid: BTreeSet<(BareJid, Source)>,
    asked: Option<Instant>,
    /// Of a node that served last itself: when whoever is not known here has had the time to come
    /// back.
    grace_over: Option<Instant>,
}

impl WarmCopy {
    /// What an owner knew that has stopped serving. Good as a hint, but not complete: the next
    /// owner changes things.
    pub(crate) fn of_former_owner(copied: Copied, grace_over: Instant) -> Self {
        Self {
            copied,
            grace_over: Some(grace_over),
            ..Self::default()
        }
    }

    /// The same when it goes on serving under a new epoch.
    pub(crate) fn handed_to_self(copied: Copied, grace_over: Instant) -> Self {
        Self {
            complete: true,
            ..Self::of_former_owner(copied, grace_over)
        }
    }

    /// Takes a step of the owner of `epoch`. Returns whom to ask to begin again if a step is
    /// missing.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        owner: NodeId,
        epoch: Epoch,
        step: ToPeer,
    ) -> Option<Resync> {
        if epoch < self.epoch {
            return None;
        }
        self.outdate(epoch);
        let seq = match step {
            ToPeer::Begin { seq } => {
                self.copied.sessions.clear();
                self.unsaid = self.copied.reports.keys().cloned().collect();
                self.complete = false;
                self.next = seq.checked_add(1);
                return None;
            }
            ToPeer::Update { seq, .. } | ToPeer::Complete { seq } => seq,
            ToPeer::Resync => return None,
        };
        if self.next != Some(seq) {
            return self.gap(now, owner);
        }
        self.next = seq.checked_add(1);
        match step {
            ToPeer::Update { update, .. } => self.update(now, *update),
            ToPeer::Complete { .. } => self.complete(now),
            ToPeer::Begin { .. } | ToPeer::Resync => (),
        }
        None
    }

    fn gap(&mut self, now: Instant, owner: NodeId) -> Option<Resync> {
        self.next = None;
        self.complete = false;
        if self
            .asked
            .is_some_and(|asked| now.since(asked) < RESYNC_PAUSE)
        {
            return None;
        }
        self.asked = Some(now);
        Some(Resync {
            owner,
            epoch: self.epoch,
        })
    }

    fn update(&mut self, now: Instant, update: WarmUpdate) {
        match update {
            WarmUpdate::Session {
                session,
                jid,
                presence,
                idle_ms,
                interested,
                expected_ms,
            } => {
                self.copied.sessions.insert(
                    session,
                    WarmSession {
                        jid,
                        presence,
                        idle: idle_ms.map(|age| Idle::of(now, Duration::from_millis(age))),
                        interested,
                        expected: expected_ms.map(|left| now + Duration::from_millis(left.into())),
                    },
                );
            }
            WarmUpdate::Gone { session } => {
                self.copied.sessions.remove(&session);
            }
            WarmUpdate::Report { user, report } => {
                self.forget_past(now, &user);
                let key = (user, report.source.clone());
                self.unsaid.remove(&key);
                if report.spans.is_empty() {
                    self.copied.reports.remove(&key);
                } else {
                    self.copied.reports.insert(key, report.kept(now));
                }
            }
        }
    }

    /// The owner does not say what is over: the copy of a user's reports is as bounded as the owner's.
    fn forget_past(&mut self, now: Instant, user: &BareJid) {
        let reports = &mut self.copied.reports;
        let first = (user.clone(), Source::Manual);
        let of_user = reports.range_mut(first..);
        let of_user = of_user.take_while(|((of, _), _)| of == user);
        let past: Vec<_> = of_user
            .filter_map(|(key, report)| (!report.forget_past(now)).then(|| key.clone()))
            .collect();
        for key in past {
            reports.remove(&key);
        }
    }

    fn complete(&mut self, now: Instant) {
        self.complete = true;
        for key in std::mem::take(&mut self.unsaid) {
            self.copied.reports.remove(&key);
        }
        let reports = &mut self.copied.reports;
        reports.retain(|_, report| report.forget_past(now));
    }

    /// Another owner than the copy's has opened: what is copied may be out of date.
    pub(crate) fn outdate(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.next = None;
            self.complete = false;
            self.grace_over = None;
        }
    }

    /// When whoever is not known here has had the time to come back, if nobody else has served since
    /// this was first waited for.
    pub(crate) const fn grace_over(&self) -> Option<Instant> {
        self.grace_over
    }

    /// Whether its times are those of the last owner: whom it expects nobody can have met since.
    pub(crate) const fn is_current(&self) -> bool {
        self.complete || self.next.is_some() || self.grace_over.is_some()
    }

    /// Whether nothing the owner said is missing.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    #[cfg(test)]
    pub(crate) const fn copied(&self) -> &Copied {
        &self.copied
    }

    pub(crate) fn into_copied(self) -> Copied {
        self.copied
    }
}
