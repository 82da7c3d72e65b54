//! The configuration that the node goes by now: another one takes its place while the node runs.

use super::Config;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct InForce(ArcSwap<Config>);

impl InForce {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(config)))
    }

    /// As it is now: who keeps it keeps what may be over.
    pub(crate) fn get(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// From here on everybody goes by `config`.
    pub(crate) fn put(&self, config: Config) {
        self.0.store(Arc::new(config));
    }
}
