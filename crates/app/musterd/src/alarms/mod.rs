//! What is wrong with this node, from when it begins until it is over: told in the log, to watchers, by `status` and as
//! a metric. What there is to be told stands in [`muster_telemetry::alarms`].

mod expiry;
mod space;
mod watch;

use crate::node::NodeEvent;
use crate::shared::wall;
use muster_admin::AlarmInfo;
use muster_telemetry::alarms::{self, Alarm, Severity};
use muster_telemetry::{gauge, metrics};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
pub(crate) use watch::keep;

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
    pub(crate) fn raise(&self, alarm: &'static Alarm, words: String) {
        self.raise_as(alarm, alarm.severity, words);
    }

    /// The same, as bad as `severity` says. One that becomes worse, or better, is told again.
    pub(crate) fn raise_as(&self, alarm: &'static Alarm, severity: Severity, words: String) {
        let mut raised = self.raised();
        let since = match raised.get_mut(alarm.name) {
            Some(standing) if standing.severity == severity.label() => {
                standing.words = words;
                return;
            }
            Some(standing) => standing.since,
            None => wall(),
        };
        let info = AlarmInfo {
            name: alarm.name,
            severity: severity.label(),
            since,
            words,
            remedy: alarm.remedy,
        };
        tracing::warn!(alarm = alarm.name, %severity, remedy = alarm.remedy, "{}", info.words);
        raised.insert(alarm.name, info.clone());
        drop(raised);
        self.tell(true, info);
    }

    /// It is over.
    pub(crate) fn clear(&self, alarm: &'static Alarm, words: &str) {
        let gone = self.raised().remove(alarm.name);
        if let Some(mut info) = gone {
            tracing::info!(alarm = alarm.name, "{words}");
            words.clone_into(&mut info.words);
            self.tell(false, info);
        }
    }

    /// All that stand, the worst first.
    pub(crate) fn all(&self) -> Vec<AlarmInfo> {
        let mut all: Vec<_> = self.raised().values().cloned().collect();
        let rank = |info: &AlarmInfo| {
            Severity::ALL
                .iter()
                .position(|s| s.label() == info.severity)
        };
        all.sort_by_key(|info| std::cmp::Reverse(rank(info)));
        all
    }

    /// The words of one, while it stands.
    pub(crate) fn words(&self, alarm: &'static Alarm) -> Option<String> {
        self.raised().get(alarm.name).map(|info| info.words.clone())
    }

    /// Brings the gauges up to date. One that can become worse has one for each severity.
    pub(crate) fn gauge(&self) {
        let raised = self.raised();
        for alarm in alarms::table() {
            let standing = raised.get(alarm.name).map(|info| info.severity);
            for severity in Severity::ALL {
                let label = severity.label();
                if severity >= alarm.severity {
                    gauge!(metrics::ALARM, "alarm" => alarm.name, "severity" => label)
                        .set(u8::from(standing == Some(label)));
                }
            }
        }
    }

    fn tell(&self, raised: bool, alarm: AlarmInfo) {
        // Nobody may be watching.
        let _ = self.events.send(NodeEvent::Alarm { raised, alarm });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_when_it_begins_when_it_becomes_worse_and_when_it_is_over() {
        let events = broadcast::Sender::new(16);
        let mut heard = events.subscribe();
        let given = Alarms::new(events);
        let alarm = &alarms::CERTIFICATE_EXPIRES;
        given.raise(alarm, "in 30 days".to_owned());
        given.raise(alarm, "in 29 days".to_owned());
        assert_eq!(given.words(alarm).as_deref(), Some("in 29 days"));
        given.raise_as(alarm, Severity::Critical, "in 1 day".to_owned());
        given.raise(&alarms::FAILOVER, "at b".to_owned());
        let all: Vec<_> = given.all().iter().map(|info| info.name).collect();
        assert_eq!(all, [alarm.name, alarms::FAILOVER.name], "the worst first");
        assert!(!given.all()[0].remedy.is_empty());
        given.clear(alarm, "renewed");
        given.clear(alarm, "renewed");
        let mut told = Vec::new();
        while let Ok(NodeEvent::Alarm { raised, alarm }) = heard.try_recv() {
            told.push((raised, alarm.severity, alarm.words));
        }
        let told: Vec<_> = told.iter().map(|(r, s, w)| (*r, *s, w.as_str())).collect();
        let expected = [
            (true, "warning", "in 30 days"),
            (true, "critical", "in 1 day"),
            (true, "warning", "at b"),
            (false, "critical", "renewed"),
        ];
        assert_eq!(told, expected);
    }
}
