//! Whose presence: one user's publications, numbered.

use crate::compose::{self, Explanation, Reports};
use crate::overlay::Overlay;
use crate::rules::{DeviceState, Rules};
use crate::source::{Policies, Report, Source};
use crate::{Publication, Version};
use muster_types::{Epoch, Instant, ResourcePart, SessionId, SortedMap};
use std::borrow::Cow;

/// What a publication meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    /// The client was not available before (RFC 6121 §4.2). `shown` is true when watchers already
    /// see this resource: the client came back within its grace time.
    Initial {
        /// Whether a publication of the resource was in place.
        shown: bool,
    },
    /// An available client said something else.
    Changed {
        /// The priority it had until now.
        before: i8,
    },
}

/// One user's presence as its owner knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Presentity {
    version: Version,
    resources: SortedMap<ResourcePart, Publication>,
    /// Most users have none.
    sources: Option<Box<Sources>>,
}

/// What is said about a user by others than its clients, and what that amounts to.
#[derive(Clone, Debug, PartialEq, Default)]
struct Sources {
    policies: Policies,
    reports: Reports,
    overlay: Overlay,
    /// A client's "do not disturb" counts as the user's choice, and a client says it.
    dnd_is_manual: bool,
}

impl Sources {
    /// What the sources say, with what a client says that counts as a choice: it stands before any other choice of
    /// the user but the same, and but to be hidden, for as long as the client says so.
    fn counted<'a>(
        &self,
        rules: &Rules,
        now: Instant,
        mut devices: impl Iterator<Item = &'a Publication>,
    ) -> Cow<'_, Reports> {
        let chosen = devices
            .find(|device| self.dnd_is_manual && device.state == DeviceState::DoNotDisturb)
            .and_then(|device| compose::chosen_by(device, rules))
            .filter(|chosen| !self.is_chosen_before(rules, now, chosen));
        match chosen {
            Some(chosen) => {
                let mut reports = self.reports.clone();
                reports.insert(Source::Manual, chosen);
                Cow::Owned(reports)
            }
            None => Cow::Borrowed(&self.reports),
        }
    }

    /// Whether the user has made a choice otherwise that stands before that of a client.
    fn is_chosen_before(&self, rules: &Rules, now: Instant, chosen: &Report<Instant>) -> bool {
        let own = self.reports.get(&Source::Manual);
        let mut own = own.into_iter().flat_map(|report| report.current(now));
        own.any(|span| {
            chosen.spans.iter().any(|chosen| chosen.says == span.says)
                || compose::hides(rules, &span.says)
        })
    }
}

/// What composing anew came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recomposed {
    /// What watchers saw until now, if they are to see something else.
    pub before: Option<Overlay>,
    /// When to compose again, whatever happens until then.
    pub next: Option<Instant>,
}

impl Presentity {
    /// A user nothing is known of, under the owner of `epoch`.
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            version: Version { epoch, seq: 0 },
            resources: SortedMap::new(),
            sources: None,
        }
    }

    /// Which state this is.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Makes the state newer than everything sent so far, without changing it: for a watcher whose
    /// permission changed.
    pub const fn touch(&mut self) {
        self.version.seq += 1;
    }

    /// Takes what a resource publishes.
    pub fn publish(&mut self, resource: ResourcePart, publication: Publication) -> Published {
        self.touch();
        let session = publication.session;
        match self.resources.insert(resource, publication) {
            Some(old) if old.session == session => Published::Changed {
                before: old.priority,
            },
            old => Published::Initial {
                shown: old.is_some(),
            },
        }
    }

    /// Drops what a resource published; `None` when it published nothing.
    pub fn retract(&mut self, resource: &ResourcePart) -> Option<Publication> {
        let gone = self.resources.remove(resource)?;
        self.touch();
        Some(gone)
    }

    /// Marks whether the client behind a publication of `session` is expected back. Watchers see
    /// no difference, so the version stays. Returns whether there is such a publication.
    pub fn set_expected(
        &mut self,
        resource: &ResourcePart,
        session: SessionId,
        expected: bool,
    ) -> bool {
        match self.resources.get_mut(resource) {
            Some(publication) if publication.session == session => {
                publication.expected = expected;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The publication of one resource.
    pub fn publication(&self, resource: &ResourcePart) -> Option<&Publication> {
        self.resources.get(resource)
    }

    /// All publications in the order of their resources.
    pub fn publications(&self) -> impl Iterator<Item = (&ResourcePart, &Publication)> {
        self.resources.iter()
    }

    /// The clients that are here: not the ones expected back.
    pub fn living(&self) -> impl Iterator<Item = (&ResourcePart, &Publication)> {
        self.resources
            .iter()
            .filter(|(_, publication)| !publication.expected)
    }

    /// Whether nobody of this user is available.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// What watchers see of the clients.
    pub fn overlay(&self) -> &Overlay {
        const PLAIN: &Overlay = &Overlay::AsItCame;
        self.sources
            .as_ref()
            .map_or(PLAIN, |sources| &sources.overlay)
    }

    /// What the sources beside the clients say.
    pub fn reports(&self) -> impl Iterator<Item = &Report<Instant>> {
        self.sources
            .iter()
            .flat_map(|sources| sources.reports.values())
    }

    /// Takes what a source says; without a span it says nothing any more. To be
    /// [composed](Self::recompose) afterwards.
    pub fn report(&mut self, report: Report<Instant>) {
        if report.spans.is_empty() {
            self.forget(&report.source);
        } else {
            let reports = &mut self.sources.get_or_insert_default().reports;
            reports.insert(report.source.clone(), report);
        }
    }

    /// What the administrator has decided.
    pub fn policies(&self) -> Policies {
        self.sources
            .as_ref()
            .map_or_else(Policies::default, |sources| sources.policies)
    }

    /// Takes what the administrator has decided. To be [composed](Self::recompose) afterwards.
    pub fn set_policies(&mut self, policies: Policies) {
        if !policies.is_empty() {
            self.sources.get_or_insert_default().policies = policies;
        } else if let Some(sources) = &mut self.sources {
            sources.policies = policies;
        }
    }

    /// Lets a client's "do not disturb" count as the user's own choice, or not. To be
    /// [composed](Self::recompose) afterwards.
    pub fn set_dnd_is_manual(&mut self, on: bool) {
        if on && self.says_dnd() {
            self.sources.get_or_insert_default().dnd_is_manual = true;
        } else if let Some(sources) = &mut self.sources {
            sources.dnd_is_manual = false;
        }
    }

    /// Whether a client says "do not disturb".
    pub fn says_dnd(&self) -> bool {
        let mut devices = self.resources.values();
        devices.any(|device| device.state == DeviceState::DoNotDisturb)
    }

    /// Whether a source says something.
    pub fn has_report(&self, source: &Source) -> bool {
        let sources = self.sources.as_ref();
        sources.is_some_and(|sources| sources.reports.contains_key(source))
    }

    /// A source says nothing any more.
    fn forget(&mut self, source: &Source) {
        if let Some(sources) = &mut self.sources {
            sources.reports.remove(source);
        }
    }

    /// Composes what is said by now. Watchers are to be told by the caller; the version stays.
    pub fn recompose(&mut self, now: Instant, rules: &Rules) -> Recomposed {
        let Some(sources) = &mut self.sources else {
            return Recomposed {
                before: None,
                next: None,
            };
        };
        let devices = self.resources.values();
        sources.reports.retain(|_, report| report.forget_past(now));
        let reports = sources.counted(rules, now, devices.clone());
        let said = (sources.policies, &*reports);
        let overlay = compose::overlay(rules, now, devices, said, &sources.overlay);
        drop(reports);
        let before = std::mem::replace(&mut sources.overlay, overlay);
        let before = (before != sources.overlay).then_some(before);
        if sources.reports.is_empty() && sources.policies.is_empty() && !sources.dnd_is_manual {
            self.sources = None;
        }
        let next = self.next_change(now, rules);
        Recomposed { before, next }
    }

    /// When what is said may amount to something else by itself next.
    pub fn next_change(&self, now: Instant, rules: &Rules) -> Option<Instant> {
        let changes = self.reports().map(|report| report.next_change(now));
        let devices = self.resources.values();
        let idle = devices.map(|device| device.next_change(now, rules));
        changes.chain(idle).flatten().min()
    }

    /// Why the user is shown as it is.
    pub fn explain(&self, now: Instant, rules: &Rules) -> Explanation {
        let none = Sources::default();
        let sources = self.sources.as_deref().unwrap_or(&none);
        let reports = sources.counted(rules, now, self.resources.values());
        let said = (sources.policies, &*reports);
        let mut why = compose::explain(rules, now, self.resources.iter(), said);
        if let Cow::Owned(_) = reports {
            let replaced = sources.reports.get(&Source::Manual);
            why.said
                .extend(replaced.into_iter().flat_map(compose::replaced));
        }
        why
    }

    /// Whether nothing but its clients says, or said when it was last composed, anything about the user.
    pub const fn is_plain(&self) -> bool {
        self.sources.is_none()
    }
}
