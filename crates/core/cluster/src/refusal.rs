//! Why a command was refused, in words for the operator.

use crate::{HaState, SoftwareVersion};
use muster_types::{BareJid, GroupId, NodeId, SlotId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a command changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// A second `Init`.
    #[error("the cluster {cluster} already exists")]
    AlreadyInitialised {
        /// Its id.
        cluster: String,
    },
    /// Anything before `Init`.
    #[error("there is no cluster yet: run `musterctl cluster init` on the first node")]
    NotInitialised,
    /// Not 1 to 128 of letters, digits, `_`, `-`.
    #[error("{name:?} is no valid name: use 1 to 128 letters, digits, _ or -")]
    InvalidName {
        /// The name given.
        name: String,
    },
    /// A second node of this name.
    #[error("node {name} already exists")]
    NodeExists {
        /// The name.
        name: String,
    },
    /// A second group of this name.
    #[error("group {name} already exists")]
    GroupExists {
        /// The name.
        name: String,
    },
    /// No node of this id.
    #[error("there is no node {node}")]
    NoSuchNode {
        /// The id.
        node: NodeId,
    },
    /// The node was removed or replaced.
    #[error("node {node} does not belong to the cluster any more")]
    NotMember {
        /// The node.
        node: NodeId,
    },
    /// No group of this id.
    #[error("there is no group {group}")]
    NoSuchGroup {
        /// The id.
        group: GroupId,
    },
    /// No slot of this id.
    #[error("there is no slot {slot}")]
    NoSuchSlot {
        /// The id.
        slot: SlotId,
    },
    /// The token is unknown to this cluster.
    #[error("the join token is not known to this cluster: make one with `musterctl token create`")]
    UnknownToken,
    /// The token was used.
    #[error("the join token was already used by node {by}: make a new one")]
    TokenUsed {
        /// The node.
        by: NodeId,
    },
    /// The token has expired.
    #[error("the join token has expired: make a new one")]
    TokenExpired,
    /// The token is for the other role.
    #[error("the join token is for a {allowed} node, not for a {asked} node")]
    TokenRole {
        /// What it allows.
        allowed: crate::Role,
        /// What was asked.
        asked: crate::Role,
    },
    /// The same token twice.
    #[error("this token already exists")]
    TokenExists,
    /// Too many of something.
    #[error("the cluster holds {limit} {what}, its limit")]
    TooMany {
        /// Of what, in the plural.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// A witness where a serving node is needed.
    #[error("node {node} is a witness and cannot be in a group")]
    Witness {
        /// The node.
        node: NodeId,
    },
    /// The node is in no group.
    #[error("node {node} is in no group")]
    NoGroup {
        /// The node.
        node: NodeId,
    },
    /// The node is in a group already.
    #[error("node {node} is already in group {group}")]
    InGroup {
        /// The node.
        node: NodeId,
        /// The group's name.
        group: String,
    },
    /// A third node for a group.
    #[error("group {group} already has two nodes")]
    GroupFull {
        /// The group's name.
        group: String,
    },
    /// Removing a group with nodes.
    #[error("group {group} still has nodes: remove them first")]
    GroupNotEmpty {
        /// The group's name.
        group: String,
    },
    /// HA for a group that is no pair.
    #[error("group {group} has {nodes} node(s), high availability needs two: add a node")]
    NotAPair {
        /// The group's name.
        group: String,
        /// How many it has.
        nodes: usize,
    },
    /// HA without a third voter.
    #[error("group {group} has no third voter: add a witness, or a node in another group")]
    NoThirdVoter {
        /// The group's name.
        group: String,
    },
    /// The pair's software differs.
    #[error(
        "the nodes of group {group} cannot work together ({first}; {second}): upgrade the older one"
    )]
    VersionsDiffer {
        /// The group's name.
        group: String,
        /// The first node's version.
        first: SoftwareVersion,
        /// The second node's.
        second: SoftwareVersion,
    },
    /// HA is off where it is needed.
    #[error("high availability is not enabled for group {group}")]
    HaOff {
        /// The group's name.
        group: String,
    },
    /// HA is on where it must be off.
    #[error("high availability is enabled for group {group}: disable it first")]
    HaOn {
        /// The group's name.
        group: String,
    },
    /// The group's users are not all at home.
    #[error("users of node {home} are served by another node: fall back first")]
    AwayFromHome {
        /// The home node.
        home: NodeId,
    },
    /// The backup's own users are served elsewhere.
    #[error("node {node} cannot take users over: its own are served by its peer")]
    BackupIsFailedOver {
        /// The node.
        node: NodeId,
    },
    /// A slot asked to go to a node outside its group.
    #[error("node {node} is not in the group of slot {slot}")]
    NotInGroup {
        /// The node.
        node: NodeId,
        /// The slot.
        slot: SlotId,
    },
    /// The last serving node.
    #[error("node {node} is the last serving node: removing it would end the cluster")]
    LastNode {
        /// The node.
        node: NodeId,
    },
    /// The node still has users.
    #[error("node {node} is home to {accounts} account(s): remove them, or use `node replace`")]
    HasAccounts {
        /// The node.
        node: NodeId,
        /// How many.
        accounts: u64,
    },
    /// A group would lose its third voter.
    #[error(
        "group {group} needs node {node} as third voter: add another witness or disable high availability"
    )]
    NeededAsVoter {
        /// The node.
        node: NodeId,
        /// The group's name.
        group: String,
    },
    /// The replacement has the other role, or a place of its own.
    #[error("node {new} cannot replace node {old}: it must be a new {role} node in no group")]
    CannotReplace {
        /// The node to be replaced.
        old: NodeId,
        /// The replacement.
        new: NodeId,
        /// The role it must have.
        role: crate::Role,
    },
    /// Replacing the only copy of a slot's data.
    #[error("node {node} has the only copy of its users' data: it cannot be replaced")]
    OnlyCopy {
        /// The node.
        node: NodeId,
    },
    /// A recorded owner that is older than the one known.
    #[error("slot {slot} has a newer owner")]
    StaleOwner {
        /// The slot.
        slot: SlotId,
    },
    /// Healthy time that was counted before something changed.
    #[error("node {node} or its peer changed its state: the healthy time starts again")]
    StaleHealth {
        /// The node.
        node: NodeId,
    },
    /// A second domain of this name.
    #[error("domain {domain} already exists")]
    DomainExists {
        /// The name.
        domain: String,
    },
    /// The domain is not hosted.
    #[error("domain {domain} is not hosted by this cluster")]
    NoSuchDomain {
        /// The name.
        domain: String,
    },
    /// A second API client of this name.
    #[error("API client {name} already exists: remove it, or give it another token with `rotate`")]
    ApiClientExists {
        /// The name.
        name: String,
    },
    /// No API client of this name.
    #[error("there is no API client {name}")]
    NoSuchApiClient {
        /// The name.
        name: String,
    },
    /// The domain still has users.
    #[error("domain {domain} has {accounts} account(s): remove them first")]
    DomainHasAccounts {
        /// The name.
        domain: String,
        /// How many.
        accounts: u64,
    },
    /// No such account.
    #[error("there is no account {jid}")]
    NoSuchAccount {
        /// The address.
        jid: BareJid,
    },
    /// A setting outside its range.
    #[error("{name} must be between {min:?} and {max:?}")]
    SettingOutOfRange {
        /// The setting.
        name: String,
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Commands within commands.
    #[error("commands to be applied together cannot contain such a list")]
    Nested,
    /// The node has no HA state that allows this.
    #[error("node {node} is in state {state}: it cannot {action} now")]
    WrongState {
        /// The node.
        node: NodeId,
        /// Its state.
        state: HaState,
        /// What was asked: `fail over`, `fall back`, `recover`, `cancel a fallback`.
        action: String,
    },
    /// The node that should receive the users is not heard.
    #[error("node {node} is not reachable: it cannot receive the users")]
    PeerDown {
        /// The node.
        node: NodeId,
    },
    /// The node that should receive the users lacks data.
    #[error("node {node} has not caught up with the users' data: try again when it has")]
    PeerBehind {
        /// The node.
        node: NodeId,
    },
    /// A plan made on an older picture of a group.
    #[error("something changed in group {group} meanwhile: look again before you decide")]
    GroupChanged {
        /// The group's name.
        group: String,
    },
    /// A start that is on record already, or a later one is.
    #[error("node {node} has said already that it has started")]
    BootKnown {
        /// The node.
        node: NodeId,
    },
    /// An unsafe takeover where a safe one exists.
    #[error(
        "group {group} has a third voter, so no unsafe takeover is needed: with high availability a \
         quorum decides by itself who serves (`musterctl group failover` does it by hand), and without \
         it `musterctl group enable-ha {group}` as soon as both nodes run"
    )]
    HasThirdVoter {
        /// The group's name.
        group: String,
    },
    /// A node of the group was taken over, and nobody has its place yet.
    #[error(
        "node {node} was taken over by force and has no successor yet: bring in a new node, then \
         `musterctl node replace`"
    )]
    Ousted {
        /// The node.
        node: NodeId,
    },
    /// More contacts or watchers than a roster holds.
    #[error(
        "{name} must be 0 to {max}: a roster goes to a client in one piece, so others would feel a user with more"
    )]
    MoreThanARoster {
        /// The setting.
        name: String,
        /// The most.
        max: u32,
    },
    /// A time of day that is none, or that never is.
    #[error("a time of day is HH:MM-HH:MM with two different times from 00:00 to 23:59")]
    NoWindow,
}
