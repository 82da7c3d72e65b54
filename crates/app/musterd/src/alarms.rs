//! What is wrong with this node, from when it begins until it is over: told in the log, to watchers and by
//! `status`.

use crate::node::NodeEvent;
use crate::shared::wall;
use muster_admin::AlarmInfo;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// The alarms of one node, by name.
pub(crate) struct Alarms {
    raised: Mutex<BTreeMap<&'static str, AlarmInfo>>,
    events: broadcast::Sender<NodeEvent>,
}

impl Alarms {
    /// Watchers hear of them by `events`.
    pub(crate) fn new(events: broadcast::Sender<NodeEvent>) -> Self {
        Self {
            raised: Mutex::default(),
            events,
        }
    }

    fn raised(&self) -> MutexGuard<'_, BTreeMap<&'static str, AlarmInfo>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is wrong. Of an alarm that stands already only the words change.
    pub(crate) fn raise(&self, name: &'static str, words: String) {
        let mut raised = self.raised();
        if let Some(alarm) = raised.get_mut(name) {
            alarm.words = words;
            return;
        }
        tracing::warn!(alarm = name, "{words}");
        let alarm = AlarmInfo {
            since: wall(),
            words: words.clone(),
        };
        raised.insert(name, alarm);
        drop(raised);
        self.tell(true, words);
    }

    /// It is over.
    pub(crate) fn clear(&self, name: &'static str, words: &str) {
        if self.raised().remove(name).is_some() {
            tracing::info!(alarm = name, "{words}");
            self.tell(false, words.to_owned());
        }
    }

    /// All that stand.
    pub(crate) fn all(&self) -> Vec<AlarmInfo> {
        self.raised().values().cloned().collect()
    }

    /// The words of one, while it stands.
    pub(crate) fn words(&self, name: &str) -> Option<String> {
        self.raised().get(name).map(|alarm| alarm.words.clone())
    }

    fn tell(&self, raised: bool, words: String) {
        // Nobody may be watching.
        let _ = self.events.send(NodeEvent::Alarm { raised, words });
    }
}
