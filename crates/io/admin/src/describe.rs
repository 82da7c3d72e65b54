//! Commands in words, for the trail of acts: what they are about, and no secret.

use crate::resolve;
use muster_cluster::{ClusterState, ControlCommand, Slot};
use muster_types::{GroupId, NodeId, SlotId};

/// Accounts of one batch that are named.
const NAMED: usize = 20;

/// What a command does, and to whom.
pub(crate) fn command(state: &ClusterState, command: &ControlCommand) -> String {
    use ControlCommand as C;
    let node = |id: &NodeId| resolve::name_of(state, *id);
    let group = |id: &GroupId| {
        let group = state.group(*id).map(|group| group.name.clone());
        group.unwrap_or_else(|| id.to_string())
    };
    let home = |id: &SlotId| state.slot(*id).map(|slot: &Slot| slot.home);
    match command {
        C::Together(all) => {
            let all = all.iter().map(|one| self::command(state, one));
            let all: Vec<_> = all.filter(|words| !words.is_empty()).collect();
            all.join(", ")
        }
        // A condition of what stands beside it.
        C::GroupUnchanged { .. } => String::new(),
        C::Init { node, .. } | C::NodeJoin { node, .. } => format!("node {}", node.name),
        C::NodeAddressed { node: id, .. } | C::NodeBooted { node: id, .. } => {
            format!("node {}", node(id))
        }
        C::NodeReplace { old, new } => format!("node {} for {}", node(new), node(old)),
        C::NodeRemove { node: id } | C::Healthy { node: id, .. } => format!("node {}", node(id)),
        C::NodeOust { node: id, by } => format!("node {}, by {}", node(id), node(by)),
        C::GroupCreate { name } => format!("group {name}"),
        C::GroupRemove { group: id }
        | C::GroupEnableHa { group: id }
        | C::GroupDisableHa { group: id } => format!("group {}", group(id)),
        C::GroupHold { group: id, held } => {
            let words = if *held { "held" } else { "not held" };
            format!("group {}: {words}", group(id))
        }
        C::GroupAddNode {
            group: id,
            node: added,
        } => format!("group {}: node {}", group(id), node(added)),
        C::SlotDesire { slot, node: to, .. } => {
            let home = home(slot).map_or_else(|| slot.to_string(), |home| node(&home));
            format!("the users of {home} to {}", node(to))
        }
        C::HaTransition {
            node: id, state, ..
        } => format!("{} becomes {state}", node(id)),
        C::SlotVotersChanged { slot, .. } | C::SlotOwned { slot, .. } => format!("slot {slot}"),
        _ => of_others(command),
    }
}

/// What is about no node.
fn of_others(command: &ControlCommand) -> String {
    use ControlCommand as C;
    match command {
        C::AccountsPut { rows, .. } => {
            let named: Vec<_> = rows
                .iter()
                .take(NAMED)
                .map(|row| row.jid.as_str())
                .collect();
            let more = rows.len().saturating_sub(NAMED);
            let more = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            format!("{}{more}", named.join(", "))
        }
        C::AccountRemove { jid }
        | C::AccountPassword { jid, .. }
        | C::AccountPurged { jid, .. } => jid.to_string(),
        C::AccountDisable { jid, disabled } => {
            format!(
                "{jid}: logins {}",
                if *disabled { "refused" } else { "allowed" }
            )
        }
        C::AccountPolicy { jid, policy, on } => {
            format!(
                "{jid}: {} {}",
                policy.label(),
                if *on { "on" } else { "off" }
            )
        }
        C::DomainAdd { domain } | C::DomainRemove { domain } => format!("domain {domain}"),
        C::SettingsSet(settings) => {
            let all: Vec<_> = settings
                .iter()
                .map(|setting| format!("{setting:?}"))
                .collect();
            all.join(", ")
        }
        C::TokenCreate { role, .. } => format!("for a {role:?} node").to_lowercase(),
        C::TokenRemove { .. } => String::new(),
        C::PresenceRulesSet { text: None } => "the shipped table".to_owned(),
        C::PresenceRulesSet { text: Some(text) } => format!("a table of {} bytes", text.len()),
        C::ApiClientCreate { name, .. }
        | C::ApiClientRotate { name, .. }
        | C::ApiClientRemove { name } => format!("program {name}"),
        // Said above.
        _ => String::new(),
    }
}
