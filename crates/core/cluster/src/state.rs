//! The state and how it is read. It changes only by `apply`.

use crate::outcomes::Outcomes;
use crate::{
    Account, ApiClient, Domain, Group, JoinToken, Node, PresenceRules, Role, Settings, Slot,
    TokenHash,
};
use imbl::{OrdMap, OrdSet};
use muster_presence::source::Policies;
use muster_types::{BareJid, GroupId, LogIndex, NodeId, SlotId};
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Everything the control log decides. Cloning shares the tables, so a snapshot for each command
/// costs next to nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ClusterState {
    pub(crate) meta: Meta,
    pub(crate) settings: Settings,
    pub(crate) presence_rules: PresenceRules,
    pub(crate) nodes: OrdMap<NodeId, Node>,
    pub(crate) groups: OrdMap<GroupId, Group>,
    pub(crate) slots: OrdMap<SlotId, Slot>,
    pub(crate) domains: OrdMap<String, Domain>,
    pub(crate) accounts: OrdMap<BareJid, Arc<Account>>,
    /// Accounts that were removed and whose data the slot still holds.
    pub(crate) removals: OrdMap<BareJid, Removal>,
    /// What is decided about users' presence; of most nothing.
    pub(crate) policies: OrdMap<BareJid, Policies>,
    pub(crate) tokens: OrdMap<TokenHash, JoinToken>,
    /// Programs with tokens, by name.
    pub(crate) api_clients: OrdMap<String, ApiClient>,
    /// Their names by the hashes of their tokens; kept along with them, not stored.
    pub(crate) api_client_names: OrdMap<TokenHash, String>,
    /// Healthy time of failed-over nodes, counted at the present `changes` of their group.
    pub(crate) healthy: OrdMap<NodeId, Duration>,
    pub(crate) outcomes: Outcomes,
    /// Counted along with `accounts`, not stored.
    pub(crate) counts: Counts,
    /// The accounts whose logins are refused; kept along with `accounts`, not stored.
    pub(crate) disabled: OrdSet<BareJid>,
}

/// What is left of an account that was removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Removal {
    /// The slot that holds its data.
    pub(crate) slot: SlotId,
    /// The entry that removed it: tells it from an earlier and a later one of the same address.
    pub(crate) at: LogIndex,
}

/// The cluster's id and the ids given out so far; they are never given out again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) cluster: Option<String>,
    pub(crate) last_node: NodeId,
    pub(crate) last_group: GroupId,
    pub(crate) last_slot: SlotId,
}

/// How many accounts there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) by_slot: OrdMap<SlotId, u64>,
    pub(crate) by_domain: OrdMap<String, u64>,
}

impl ClusterState {
    /// The cluster's id, once `Init` is applied.
    pub fn cluster(&self) -> Option<&str> {
        self.meta.cluster.as_deref()
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// By which rules presence is composed.
    pub const fn presence_rules(&self) -> &PresenceRules {
        &self.presence_rules
    }

    /// A node by id, members or not.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All nodes that ever were, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The nodes that belong to the cluster now, by id.
    pub fn members(&self) -> impl Iterator<Item = &Node> {
        self.nodes().filter(|node| node.is_member())
    }

    /// A member by name.
    pub fn node_named(&self, name: &str) -> Option<&Node> {
        self.members().find(|node| node.name == name)
    }

    /// A group by id.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// A group by name.
    pub fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups().find(|group| group.name == name)
    }

    /// The group a node is in.
    pub fn group_of(&self, node: NodeId) -> Option<&Group> {
        self.groups().find(|group| group.nodes.contains(&node))
    }

    /// The other node of a node's group.
    pub fn peer_of(&self, node: NodeId) -> Option<NodeId> {
        self.group_of(node)?.peer_of(node)
    }

    /// The pair that a node is in, if nobody could vote as a third: each of its two nodes serves its own
    /// users alone.
    pub fn lone_pair(&self, node: NodeId) -> Option<&Group> {
        let group = self.group_of(node)?;
        let lone = !group.ha && group.nodes.len() == Group::NODES_MAX;
        (lone && self.third_voters(group).is_empty()).then_some(group)
    }

    /// The node that has taken a node's users over without a quorum, if one has.
    pub fn ousted_by(&self, node: NodeId) -> Option<NodeId> {
        self.node(node)?.ousted_by()
    }

    /// A slot by id.
    pub fn slot(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// All slots, by id.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    /// The slot whose home is `node`.
    pub fn slot_of_home(&self, node: NodeId) -> Option<&Slot> {
        self.slots().find(|slot| slot.home == node)
    }

    /// Whether a domain is hosted; `domain` as normalised by `muster_types::DomainPart`.
    pub fn hosts(&self, domain: &str) -> bool {
        self.domains.contains_key(domain)
    }

    /// The hosted domains, by name.
    pub fn domains(&self) -> impl Iterator<Item = (&str, &Domain)> {
        self.domains
            .iter()
            .map(|(name, domain)| (name.as_str(), domain))
    }

    /// An account.
    pub fn account(&self, jid: &BareJid) -> Option<&Account> {
        self.accounts.get(jid).map(Arc::as_ref)
    }

    /// The slot that holds a user's data.
    pub fn account_slot(&self, jid: &BareJid) -> Option<SlotId> {
        self.account(jid).map(|account| account.slot)
    }

    /// The accounts after `last` (from the first one on, if `None`), by address: for pages.
    pub fn accounts_after<'a>(
        &'a self,
        last: Option<&BareJid>,
    ) -> impl Iterator<Item = (&'a BareJid, &'a Account)> + use<'a> {
        let from = last.cloned().map_or(Bound::Unbounded, Bound::Excluded);
        self.accounts
            .range::<_, BareJid>((from, Bound::Unbounded))
            .map(|(jid, account)| (jid, account.as_ref()))
    }

    /// How many accounts there are.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// How many accounts a slot holds.
    pub fn slot_accounts(&self, slot: SlotId) -> u64 {
        self.counts.by_slot.get(&slot).copied().unwrap_or_default()
    }

    /// How many accounts a domain has.
    pub fn domain_accounts(&self, domain: &str) -> u64 {
        self.counts
            .by_domain
            .get(domain)
            .copied()
            .unwrap_or_default()
    }

    /// The account removed first of those whose data a slot still holds, and the entry that removed it:
    /// the slot's owner removes the data, one account after the other, and reports each by
    /// `AccountPurged`.
    pub fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, &BareJid)> {
        let of_slot = self.removals.iter().filter(|(_, left)| left.slot == slot);
        of_slot
            .map(|(jid, left)| (left.at, jid))
            .min_by_key(|(at, _)| *at)
    }

    /// How many removed accounts a slot still holds data of.
    pub fn removal_count(&self, slot: SlotId) -> usize {
        let left = self.removals.values();
        left.filter(|left| left.slot == slot).count()
    }

    /// Whether a user may have no sessions: the account is disabled, or was removed and its data is not
    /// gone yet.
    pub fn is_barred(&self, jid: &BareJid) -> bool {
        self.disabled.contains(jid) || self.is_being_removed(jid)
    }

    /// All such users of a slot.
    pub fn barred(&self, slot: SlotId) -> impl Iterator<Item = &BareJid> {
        let disabled = self.disabled.iter();
        let disabled = disabled.filter(move |jid| self.account_slot(jid) == Some(slot));
        let removed = self.removals.iter();
        let removed = removed.filter(move |(_, left)| left.slot == slot);
        disabled.chain(removed.map(|(jid, _)| jid))
    }

    /// What is decided about a user's presence.
    pub fn policies(&self, jid: &BareJid) -> Policies {
        self.policies.get(jid).copied().unwrap_or_default()
    }

    /// The users of a slot about whose presence something is decided.
    pub fn restricted(&self, slot: SlotId) -> impl Iterator<Item = (&BareJid, Policies)> {
        let all = self.policies.iter();
        let of_slot = all.filter(move |(jid, _)| self.account_slot(jid) == Some(slot));
        of_slot.map(|(jid, policies)| (jid, *policies))
    }

    /// Whether a slot still holds data of a removed account.
    pub fn is_being_removed(&self, jid: &BareJid) -> bool {
        self.removals.contains_key(jid)
    }

    /// The join tokens, used and expired ones included.
    pub fn tokens(&self) -> impl Iterator<Item = (&TokenHash, &JoinToken)> {
        self.tokens.iter()
    }

    /// The programs with tokens, by name; those whose time is over included.
    pub fn api_clients(&self) -> impl Iterator<Item = (&str, &ApiClient)> {
        let all = self.api_clients.iter();
        all.map(|(name, client)| (name.as_str(), client))
    }

    /// The program whose token has this hash, and its name.
    pub fn api_client_of(&self, hash: &TokenHash) -> Option<(&str, &ApiClient)> {
        let name = self.api_client_names.get(hash)?;
        Some((name, self.api_clients.get(name)?))
    }

    /// How long a failed-over node has been healthy, as the control leader last logged it.
    pub fn healthy(&self, node: NodeId) -> Duration {
        self.healthy.get(&node).copied().unwrap_or_default()
    }

    /// The nodes that can be a group's third voter: witnesses first, then serving nodes of other
    /// groups, each by id.
    pub fn third_voters(&self, group: &Group) -> Vec<NodeId> {
        let others = || {
            self.members()
                .filter(|node| !group.nodes.contains(&node.id))
        };
        let witnesses = others().filter(|node| node.role == Role::Witness);
        let serving = others().filter(|node| node.serves() && self.group_of(node.id).is_some());
        witnesses.chain(serving).map(|node| node.id).collect()
    }
}
