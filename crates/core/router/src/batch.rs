//! What an owner says of a presentity, made ready once for all shards of a node.

use crate::shown::Seen;
use muster_envelope::PresenceBatch;
use muster_presence::Version;
use muster_types::{BareJid, Shards};
use std::sync::Arc;

/// One presentity's news, for everybody who sees it: a presence is serialised once, by the shard that shows it first.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) presentity: BareJid,
    pub(crate) version: Version,
    /// A presence for each resource.
    pub(crate) resources: Vec<Arc<Seen>>,
    /// It is all there is.
    pub(crate) full: bool,
}

/// News for the watchers of one shard.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) news: Arc<News>,
    pub(crate) watchers: Vec<Arc<BareJid>>,
}

impl From<PresenceBatch> for Batch {
    fn from(batch: PresenceBatch) -> Self {
        let presentity = batch.presentity;
        let seen = batch.resources.into_iter().map(|one| {
            let from = presentity.with_resource(&one.resource);
            Seen::new(Arc::new(from), one.stanza)
        });
        let resources = seen.collect();
        let news = News {
            resources,
            presentity,
            version: batch.version,
            full: batch.full,
        };
        Self {
            news: Arc::new(news),
            watchers: batch.watchers,
        }
    }
}

impl Batch {
    /// The same news for the watchers of each shard; nothing for one without.
    pub(crate) fn cut(self, shards: Shards) -> Vec<Option<Self>> {
        let mut parts = vec![None; shards.count()];
        if shards == Shards::ONE {
            return vec![Some(self)];
        }
        for watcher in self.watchers {
            if let Some(part) = parts.get_mut(usize::from(shards.of_user(&watcher).0)) {
                let part = part.get_or_insert_with(|| Self {
                    news: Arc::clone(&self.news),
                    watchers: Vec::new(),
                });
                part.watchers.push(watcher);
            }
        }
        parts
    }
}
