//! Whose presence: one user's publications, numbered.

use crate::{Publication, Version};
use muster_types::{Epoch, ResourcePart, SessionId};
use std::collections::BTreeMap;

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
    resources: BTreeMap<ResourcePart, Publication>,
}

impl Presentity {
    /// A user nothing is known of, under the owner of `epoch`.
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            version: Version { epoch, seq: 0 },
            resources: BTreeMap::new(),
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
}
