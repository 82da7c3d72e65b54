//! Applying a command: on a draft that is thrown away if the command is refused.

mod accounts;
mod admin;
mod api_clients;
mod groups;
mod ha;
mod nodes;
mod slots;

use crate::records::{self, Table, outcome_key};
use crate::{ClusterState, ControlCommand, ControlEvent, ControlOutcome, Proposal, Refusal};
use muster_types::{LoadError, LogIndex, Replicated, Timestamp, Writes};

/// What a command may come to.
type Applied = Result<ControlOutcome, Refusal>;

/// A command at work.
struct Draft {
    state: ClusterState,
    index: LogIndex,
    at: Timestamp,
    writes: Writes,
    events: Vec<ControlEvent>,
}

impl Replicated for ClusterState {
    type Command = Proposal;
    type Event = ControlEvent;

    fn apply(
        &mut self,
        index: LogIndex,
        proposal: Proposal,
        writes: &mut Writes,
    ) -> Vec<ControlEvent> {
        let Proposal {
            origin,
            at,
            command,
        } = proposal;
        if let Some(outcome) = self.outcomes.of(origin).cloned() {
            return vec![ControlEvent::Outcome { origin, outcome }];
        }
        let mut draft = Draft {
            state: self.clone(),
            index,
            at,
            writes: Writes::new(),
            events: Vec::new(),
        };
        let (outcome, happened) = match draft.run(command) {
            Ok(outcome) => {
                *self = draft.state;
                writes.append(&mut draft.writes);
                (outcome, draft.events)
            }
            Err(refusal) => (ControlOutcome::Refused(refusal), Vec::new()),
        };
        writes.push(Table::Outcome.put(&outcome_key(index), &(origin, &outcome)));
        if let Some(dropped) = self.outcomes.keep(index, origin, outcome.clone()) {
            writes.push(Table::Outcome.remove(&outcome_key(dropped)));
        }
        let mut events = vec![ControlEvent::Outcome { origin, outcome }];
        events.extend(happened);
        events
    }

    fn load(records: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, LoadError> {
        records::load(records)
    }

    fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        records::records(self)
    }
}

impl Draft {
    fn run(&mut self, command: ControlCommand) -> Applied {
        let ControlCommand::Together(commands) = command else {
            return self.one(command);
        };
        for command in commands {
            self.one(command)?;
        }
        Ok(ControlOutcome::Done)
    }

    /// One command, sent to the file of its kind.
    fn one(&mut self, command: ControlCommand) -> Applied {
        use ControlCommand as C;
        if self.state.cluster().is_none() && !matches!(command, C::Init { .. }) {
            return Err(Refusal::NotInitialised);
        }
        match command {
            C::Init { cluster, node } => self.init(cluster, node),
            C::NodeJoin { token, node } => self.node_join(token, node),
            C::NodeAddressed { node, addresses } => self.node_addressed(node, addresses),
            C::NodeBooted {
                node,
                boot,
                version,
                addresses,
            } => self.node_booted(node, boot, version, addresses),
            C::NodeReplace { old, new } => self.node_replace(old, new),
            C::NodeRemove { node } => self.node_remove(node),
            C::NodeOust { node, by } => self.node_oust(node, by),
            C::GroupCreate { name } => self.group_create(name),
            C::GroupRemove { group } => self.group_remove(group),
            C::GroupAddNode { group, node } => self.group_add_node(group, node),
            C::GroupEnableHa { group } => self.group_enable_ha(group),
            C::GroupHold { group, held } => self.group_hold(group, held),
            C::GroupDisableHa { group } => self.group_disable_ha(group),
            C::SlotVotersChanged { slot, voters } => self.slot_voters(slot, voters),
            C::SlotOwned {
                slot,
                node,
                epoch,
                gap,
            } => self.slot_owned(slot, (node, epoch), gap),
            C::SlotDesire { slot, node, reason } => self.slot_desire(slot, node, reason),
            C::HaTransition {
                node,
                state,
                reason,
            } => self.ha_transition(node, state, reason),
            C::Healthy {
                node,
                accrued,
                changes,
            } => self.healthy(node, accrued, changes),
            C::GroupUnchanged { group, changes } => self.group_unchanged(group, changes),
            C::AccountsPut { rows, update } => self.accounts_put(rows, update),
            C::AccountRemove { jid } => self.account_remove(jid),
            C::AccountPurged { jid, at } => self.account_purged(&jid, at),
            C::AccountPassword { jid, verifiers } => self.account_password(jid, verifiers),
            C::AccountDisable { jid, disabled } => self.account_disable(jid, disabled),
            C::DomainAdd { domain } => self.domain_add(domain),
            C::DomainRemove { domain } => self.domain_remove(domain),
            C::SettingsSet(settings) => self.settings_set(settings),
            C::AccountPolicy { jid, policy, on } => self.account_policy(jid, policy, on),
            C::PresenceRulesSet { text } => self.presence_rules_set(text),
            C::ApiClientCreate { name, client } => self.api_client_create(name, client),
            C::ApiClientRotate { name, hash } => self.api_client_rotate(name, hash),
            C::ApiClientRemove { name } => self.api_client_remove(name),
            C::TokenCreate {
                hash,
                role,
                expires,
            } => self.token_create(hash, role, expires),
            C::TokenRemove { hash } => self.token_remove(hash),
            C::Together(_) => Err(Refusal::Nested),
        }
    }
}
