//! What is said of each event, with the names of nodes: a line for people, fields for machines.

use crate::node::NodeEvent;
use muster_admin::{AdminEvent, AlarmInfo, EventKind, show_settings};
use muster_cluster::{ClusterState, ControlEvent, HaReason};
use muster_ha::HaEvent;
use muster_owner::OwnerEvent;
use muster_types::{BareJid, Epoch, FullJid, GroupId, NodeId, SessionId, SlotId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// What events are put into words with.
pub(super) struct Known<'a> {
    /// This node.
    pub(super) here: NodeId,
    pub(super) now: &'a ClusterState,
    /// The state at the event before: what is removed has its name there.
    pub(super) before: &'a ClusterState,
}

impl Known<'_> {
    fn node(&self, id: NodeId) -> String {
        let node = self.now.node(id).or_else(|| self.before.node(id));
        node.map_or_else(|| id.to_string(), |node| node.name.clone())
    }

    fn nodes(&self, ids: &[NodeId]) -> String {
        let names: Vec<_> = ids.iter().map(|id| self.node(*id)).collect();
        names.join(", ")
    }

    fn group(&self, id: GroupId) -> String {
        let group = self.now.group(id).or_else(|| self.before.group(id));
        group.map_or_else(|| id.to_string(), |group| group.name.clone())
    }

    /// The node at which a slot's users are at home.
    fn home(&self, id: SlotId) -> String {
        let slot = self.now.slot(id).or_else(|| self.before.slot(id));
        slot.map_or_else(|| id.to_string(), |slot| self.node(slot.home))
    }
}

/// What is told of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    kind: EventKind,
    text: String,
    fields: BTreeMap<String, String>,
    local: bool,
}

impl Told {
    fn new(kind: EventKind, text: String) -> Self {
        Self {
            kind,
            text,
            fields: BTreeMap::new(),
            local: false,
        }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.fields.insert(name.to_owned(), value.to_string());
        self
    }

    /// About a node.
    fn node(name: &str, text: String) -> Self {
        Self::new(EventKind::Node, text).with("node", name)
    }

    /// About a slot.
    fn slot(known: &Known<'_>, slot: SlotId, text: String) -> Self {
        let told = Self::new(EventKind::Slot, text);
        told.with("slot", slot).with("home", known.home(slot))
    }

    /// Only this node knows of it.
    fn by(self, name: &str) -> Self {
        Self {
            local: true,
            ..self.with("by", name)
        }
    }

    /// The event, as it is told.
    pub(super) fn at(self, at: Timestamp) -> AdminEvent {
        let Self {
            kind,
            text,
            fields,
            local,
        } = self;
        AdminEvent {
            at,
            kind,
            text,
            fields,
            local,
        }
    }
}

/// What is told of an event; of some, nothing.
pub(super) fn describe(event: &NodeEvent, known: &Known<'_>) -> Option<Told> {
    match event {
        NodeEvent::Decided(event) => decided(event, known),
        NodeEvent::Owner(event) => of_owner(event, known),
        NodeEvent::Ha(event) => Some(of_ha(event, known).by(&known.node(known.here))),
        NodeEvent::Configured(words) => {
            let here = known.node(known.here);
            let told = Told::new(EventKind::Config, format!("{here}: {words}"));
            Some(told.with("node", &here).by(&here))
        }
        NodeEvent::Alarm { raised, alarm } => Some(of_alarm(*raised, alarm, known)),
    }
}

fn of_alarm(raised: bool, alarm: &AlarmInfo, known: &Known<'_>) -> Told {
    let here = known.node(known.here);
    let text = format!(
        "{here}: {} ({}): {}",
        alarm.name, alarm.severity, alarm.words
    );
    let told = Told::new(EventKind::Alarm, text).with("node", &here);
    let told = told
        .with("name", alarm.name)
        .with("severity", alarm.severity);
    let told = if raised {
        told.with("alarm", "raised").with("remedy", alarm.remedy)
    } else {
        told.with("alarm", "cleared")
    };
    told.by(&here)
}

fn decided(event: &ControlEvent, known: &Known<'_>) -> Option<Told> {
    Some(match event {
        ControlEvent::Outcome { .. } => return None,
        ControlEvent::NodeJoined(node) => of_node(known, *node, "has joined"),
        ControlEvent::NodeRemoved(node) => of_node(known, *node, "is removed"),
        ControlEvent::NodeAddressed(node) => of_node(known, *node, "has other addresses"),
        ControlEvent::NodeBooted { node, boot } => {
            of_node(known, *node, "has started").with("boot", boot.0)
        }
        ControlEvent::NodeReplaced { old, new } => {
            let (old, new) = (known.node(*old), known.node(*new));
            Told::node(&new, format!("{new} has the place of {old}")).with("old", old)
        }
        ControlEvent::NodeOusted { node, by } => {
            let (node, by) = (known.node(*node), known.node(*by));
            let words = format!("{by} has taken over the users of {node} without a quorum");
            Told::node(&node, words).with("taken_by", by)
        }
        ControlEvent::HaChanged { node, after, .. } => {
            of_node(known, *node, &format!("is {after}"))
                .with("state", after.state)
                .with("reason", after.reason)
        }
        ControlEvent::GroupCreated(group) => of_group(known, *group, "is made"),
        ControlEvent::GroupRemoved(group) => of_group(known, *group, "is removed"),
        ControlEvent::GroupHa { group, on } => {
            let words = if *on { "has" } else { "has no" };
            of_group(known, *group, &format!("{words} high availability")).with("ha", on)
        }
        ControlEvent::SlotCreated(slot) => of_slot(known, *slot, "have a slot"),
        ControlEvent::SlotRemoved(slot) => of_slot(known, *slot, "have no slot any more"),
        ControlEvent::SlotVotersChanged(slot) => voters(known, *slot),
        ControlEvent::SlotOwned {
            slot,
            node,
            epoch,
            gap,
        } => owned(known, *slot, (*node, *epoch), *gap),
        ControlEvent::SlotDesired { slot, node, reason } => {
            let node = known.node(*node);
            let words = format!("are to be served by {node}{}", bracketed(*reason));
            let told = of_slot(known, *slot, &words);
            told.with("node", node).with("reason", reason)
        }
        ControlEvent::AccountAdded(jid) => of_user(jid, "added"),
        ControlEvent::AccountChanged(jid) => of_user(jid, "changed"),
        ControlEvent::AccountRemoved { jid, .. } => of_user(jid, "removed"),
        ControlEvent::DomainAdded(domain) => of_domain(domain, "is hosted"),
        ControlEvent::DomainRemoved(domain) => of_domain(domain, "is hosted no more"),
        ControlEvent::GroupHeld { group, held } => {
            let words = if *held {
                "its users stay away until `musterctl group fallback NODE --release`"
            } else {
                "its users may go home by themselves again"
            };
            of_group(known, *group, words)
        }
        ControlEvent::SettingsChanged => of_settings(known),
        ControlEvent::ApiClientChanged { name, change } => {
            let text = format!("the API client {name} is {change}");
            let told = Told::new(EventKind::ApiClient, text);
            told.with("api_client", name).with("change", change)
        }
    })
}

fn of_node(known: &Known<'_>, node: NodeId, words: &str) -> Told {
    let name = known.node(node);
    Told::node(&name, format!("{name} {words}"))
}

fn of_group(known: &Known<'_>, group: GroupId, words: &str) -> Told {
    let name = known.group(group);
    Told::new(EventKind::Group, format!("group {name} {words}")).with("group", name)
}

fn of_user(jid: &BareJid, change: &str) -> Told {
    let text = format!("the account {jid} is {change}");
    let told = Told::new(EventKind::User, text);
    told.with("jid", jid).with("change", change)
}

fn of_domain(domain: &str, words: &str) -> Told {
    Told::new(EventKind::Domain, format!("{domain} {words}")).with("domain", domain)
}

/// The settings that have other values, each as a field.
fn of_settings(known: &Known<'_>) -> Told {
    let before = show_settings(known.before.settings());
    let changed: Vec<_> = show_settings(known.now.settings())
        .into_iter()
        .filter(|setting| !before.contains(setting))
        .collect();
    let words: Vec<_> = changed
        .iter()
        .map(|(name, value)| format!("{name} is {value}"))
        .collect();
    let text = if words.is_empty() {
        "settings are changed".to_owned()
    } else {
        words.join(", ")
    };
    let told = Told::new(EventKind::Setting, text);
    let with = |told: Told, (name, value)| told.with(name, value);
    changed.into_iter().fold(told, with)
}

fn of_slot(known: &Known<'_>, slot: SlotId, words: &str) -> Told {
    let text = format!("the users of {} {words}", known.home(slot));
    Told::slot(known, slot, text)
}

fn voters(known: &Known<'_>, slot: SlotId) -> Told {
    let voters = known.now.slot(slot).map(|slot| known.nodes(&slot.voters));
    let voters = voters.unwrap_or_default();
    of_slot(known, slot, &format!("have the voters {voters}")).with("voters", voters)
}

/// A node serves a slot. How long nobody did is not always known.
fn owned(
    known: &Known<'_>,
    slot: SlotId,
    (node, epoch): (NodeId, Epoch),
    gap: Option<Duration>,
) -> Told {
    let node = known.node(node);
    let mut words = format!("are served by {node}");
    if let Some(gap) = gap {
        words += &format!(", after {} ms without an owner", gap.as_millis());
    }
    let told = of_slot(known, slot, &words);
    let told = told.with("node", node).with("epoch", epoch.index());
    match gap {
        Some(gap) => told.with("gap_ms", gap.as_millis()),
        None => told,
    }
}

fn bracketed(reason: HaReason) -> String {
    match reason.label() {
        "" => String::new(),
        label => format!(" ({label})"),
    }
}

fn of_owner(event: &OwnerEvent, known: &Known<'_>) -> Option<Told> {
    let here = known.node(known.here);
    let told = match event {
        OwnerEvent::SessionUp { session, jid } => of_session(known, *session, jid, "is here"),
        OwnerEvent::SessionExpected { session, jid } => {
            of_session(known, *session, jid, "is expected back")
        }
        OwnerEvent::SessionDown { session, jid } => of_session(known, *session, jid, "has ended"),
        OwnerEvent::Opened {
            slot,
            epoch,
            warm,
            sessions,
        } => {
            let home = known.home(*slot);
            let text =
                format!("{here} begins with {sessions} known sessions of the users of {home}");
            let told = Told::slot(known, *slot, text).with("node", &here);
            told.with("epoch", epoch.index()).with("warm", warm)
        }
        OwnerEvent::Closed { slot, epoch } => {
            let text = format!("{here} serves the users of {} no more", known.home(*slot));
            let told = Told::slot(known, *slot, text).with("node", &here);
            told.with("epoch", epoch.index())
        }
        OwnerEvent::Settled { .. } | OwnerEvent::UserPurged { .. } => return None,
    };
    Some(told.by(&here))
}

fn of_session(known: &Known<'_>, session: SessionId, jid: &FullJid, words: &str) -> Told {
    Told::new(EventKind::Session, format!("{jid} {words}"))
        .with("session", session)
        .with("jid", jid)
        .with("node", known.node(session.node))
}

fn of_service(here: &str, service: &str, text: &str) -> Told {
    Told::node(here, format!("{here}: {text}")).with("service", service)
}

fn of_ha(event: &HaEvent, known: &Known<'_>) -> Told {
    let here = known.node(known.here);
    let home = |slot: &SlotId| known.home(*slot);
    match event {
        HaEvent::Silent(node) => {
            let name = known.node(*node);
            Told::node(&name, format!("{here} hears {name} no more"))
        }
        HaEvent::Heard(node) => {
            let name = known.node(*node);
            Told::node(&name, format!("{here} hears {name}"))
        }
        HaEvent::FallbackDue(node) => {
            let text = "was healthy long enough: its users go home";
            of_node(known, *node, text)
        }
        HaEvent::Opened {
            slot,
            epoch,
            why,
            before,
            gap,
        } => {
            let reason = why.reason();
            let (home, gap) = (home(slot), gap.as_millis());
            let text = format!(
                "{here} opens the slot of {home} after {gap} ms{}",
                bracketed(reason)
            );
            let told = Told::slot(known, *slot, text)
                .with("node", &here)
                .with("epoch", epoch.index())
                .with("gap_ms", gap)
                .with("reason", reason);
            match before {
                Some(before) => told.with("before", known.node(*before)),
                None => told,
            }
        }
        HaEvent::ServiceFailed { service, critical } => {
            let kind = if *critical { "critical " } else { "" };
            let text = format!("the {kind}service {service} has failed");
            of_service(&here, service, &text).with("critical", critical)
        }
        HaEvent::ServiceRecovered { service } => {
            of_service(&here, service, &format!("the service {service} is back"))
        }
        HaEvent::Stuck(slot) => {
            let home = home(slot);
            let text = format!("{here} does not let go of the users of {home}: they are taken");
            Told::slot(known, *slot, text)
        }
        HaEvent::HandingOver { slot, to } => {
            let to = known.node(*to);
            let text = format!("{here} hands the users of {} to {to}", home(slot));
            Told::slot(known, *slot, text).with("to", to)
        }
        HaEvent::TransferFailed { slot, to } => {
            let (to, home) = (known.node(*to), home(slot));
            let text = format!("handing the users of {home} to {to} failed; trying again");
            Told::slot(known, *slot, text).with("to", to)
        }
        HaEvent::MoveFailed { slot, to } => {
            let (to, home) = (known.node(*to), home(slot));
            let text = format!("moving the users of {home} to {to} failed: {here} serves them on");
            Told::slot(known, *slot, text).with("to", to)
        }
    }
}

#[cfg(test)]
#[path = "words_test.rs"]
pub(crate) mod words_test;
