//! What a watcher was shown of a contact, and what an owner's news make of it.

use muster_presence::Version;
use muster_stanza::{Encoded, PresenceType, Stanza};
use muster_types::FullJid;
use std::sync::{Arc, OnceLock};

/// The presence of one resource, serialised once for everybody who sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) from: Arc<FullJid>,
    /// Made when it is first shown: much of what a new owner says again is not.
    encoded: OnceLock<Encoded>,
    stanza: Stanza,
}

impl Seen {
    pub(crate) fn new(from: Arc<FullJid>, stanza: Stanza) -> Arc<Self> {
        let encoded = OnceLock::new();
        Arc::new(Self {
            from,
            encoded,
            stanza,
        })
    }

    /// Its bytes, the same for everybody who sees it here. A shard that shows it at the same time as another one waits
    /// for a microsecond.
    pub(crate) fn encoded(&self) -> Encoded {
        self.encoded.get_or_init(|| self.stanza.encode()).clone()
    }

    /// The same resource, gone.
    pub(crate) fn gone(&self) -> Arc<Self> {
        let stanza = Stanza::presence(PresenceType::Unavailable).with_from((*self.from).clone());
        Self::new(Arc::clone(&self.from), stanza)
    }

    pub(crate) fn is_available(&self) -> bool {
        self.stanza.presence_type() == Some(PresenceType::Available)
    }
}

/// What a watcher was last shown of a contact.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) version: Option<Version>,
    /// In the order of the resources.
    pub(crate) available: Vec<Arc<Seen>>,
}

/// An owner's news of a contact.
pub(crate) struct Step {
    pub(crate) version: Version,
    pub(crate) news: Vec<Arc<Seen>>,
    /// It is all there is.
    pub(crate) full: bool,
    /// It was asked for: what is the same as before is not shown again.
    pub(crate) answer: bool,
}

/// What news come to for a watcher.
pub(crate) struct Outcome {
    pub(crate) shown: Arc<Shown>,
    pub(crate) changes: Vec<Arc<Seen>>,
}

impl Shown {
    /// A resource's presence; the one that is shown already, if that is the same.
    pub(crate) fn seen(&self, new: &Arc<Seen>) -> Arc<Seen> {
        let known = self.available.iter().find(|known| known.from == new.from);
        let same = known.filter(|known| known.stanza == new.stanza);
        Arc::clone(same.unwrap_or(new))
    }

    /// What a watcher is shown who was shown this; `None` if it is no news to it. What comes to the
    /// same as `last` is kept once.
    pub(crate) fn after(&self, step: &Step, last: &Arc<Self>) -> Option<Outcome> {
        let newest = |known: Version| known > step.version || known == step.version && !step.full;
        // News may have come between the request of a watcher and its complete answer, which is
        // no newer then.
        if self.version.is_some_and(newest) {
            return None;
        }
        // A new owner says again what the old one said: watchers see nothing of a takeover.
        let another_owner = |known: Version| known.epoch != step.version.epoch;
        let again = step.answer || step.full || self.version.is_some_and(another_owner);
        let mut shown = Self {
            version: Some(step.version),
            available: self.available.clone(),
        };
        let mut changes = if step.full {
            shown.gone(&step.news)
        } else {
            Vec::new()
        };
        changes.extend(shown.update(&step.news, again));
        let shown = if shown.is(last) {
            Arc::clone(last)
        } else {
            shown.available.shrink_to_fit();
            Arc::new(shown)
        };
        Some(Outcome { shown, changes })
    }

    fn is(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.available.iter(), other.available.iter());
        self.version == other.version
            && ours.len() == theirs.len()
            && ours.zip(theirs).all(|(one, two)| Arc::ptr_eq(one, two))
    }

    /// Some resources are news; answers what is to be shown. A resource never shown cannot go;
    /// with `again`, what is the same as before is not shown again.
    fn update(&mut self, news: &[Arc<Seen>], again: bool) -> Vec<Arc<Seen>> {
        let mut changes = Vec::new();
        for new in news {
            // By their resources, so that who was shown the same holds it in the same order.
            let before = self
                .available
                .binary_search_by(|old| old.from.cmp(&new.from));
            match (before, new.is_available()) {
                (Ok(at), true) if again && self.available[at].stanza == new.stanza => {
                    self.available[at] = Arc::clone(new);
                    continue;
                }
                (Ok(at), true) => self.available[at] = Arc::clone(new),
                (Err(at), true) => self.available.insert(at, Arc::clone(new)),
                (Ok(at), false) => drop(self.available.remove(at)),
                (Err(_), false) => continue,
            }
            changes.push(Arc::clone(new));
        }
        changes
    }

    /// Drops the resources that are not in `all` there is; answers their unavailables.
    fn gone(&mut self, all: &[Arc<Seen>]) -> Vec<Arc<Seen>> {
        let is_missing = |old: &mut Arc<Seen>| !all.iter().any(|new| new.from == old.from);
        self.available
            .extract_if(.., is_missing)
            .map(|old| old.gone())
            .collect()
    }
}
