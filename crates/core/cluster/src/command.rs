//! What can be asked of the control log.

use crate::{
    AccountRow, Addresses, ApiClient, HaReason, HaState, Role, Setting, SoftwareVersion, TokenHash,
};
use muster_presence::source::Policy;
use muster_sasl::Verifiers;
use muster_types::{
    BareJid, Boot, DomainPart, Epoch, GroupId, LogIndex, NodeId, Origin, SlotId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One entry of the control log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// Names the proposal; applied once.
    pub origin: Origin,
    /// When it was proposed, for people and for the expiry of tokens.
    pub at: Timestamp,
    /// What is asked.
    #[serde(with = "versioned")]
    pub command: ControlCommand,
}

/// A command. New variants are added at the end, so that older entries stay readable.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ControlCommand {
    /// Makes the cluster with its first node. Outcome: [`Node`](crate::ControlOutcome::Node).
    Init {
        /// The cluster's id, a UUID.
        cluster: String,
        /// The first node.
        node: NewNode,
    },
    /// Takes a node in. Outcome: [`Node`](crate::ControlOutcome::Node).
    NodeJoin {
        /// The token it showed, now used up.
        token: TokenHash,
        /// The node.
        node: NewNode,
    },
    /// A node's addresses have changed.
    NodeAddressed {
        /// The node.
        node: NodeId,
        /// All its addresses.
        addresses: Addresses,
    },
    /// A node has started.
    NodeBooted {
        /// The node.
        node: NodeId,
        /// Its process start.
        boot: Boot,
        /// What it runs.
        version: SoftwareVersion,
        /// Where it can be reached.
        addresses: Addresses,
    },
    /// Gives the place of one node (its slot, its group) to another. No account moves.
    NodeReplace {
        /// The node that is gone.
        old: NodeId,
        /// A new node without a place.
        new: NodeId,
    },
    /// Removes a node, and its empty slot.
    NodeRemove {
        /// The node.
        node: NodeId,
    },
    /// Makes a group. Outcome: [`Group`](crate::ControlOutcome::Group).
    GroupCreate {
        /// Its name.
        name: String,
    },
    /// Removes an empty group.
    GroupRemove {
        /// The group.
        group: GroupId,
    },
    /// Puts a serving node into a group and makes its slot. Outcome:
    /// [`Slot`](crate::ControlOutcome::Slot).
    GroupAddNode {
        /// The group.
        group: GroupId,
        /// The node.
        node: NodeId,
    },
    /// Switches HA on. That the data has caught up is checked by the proposer.
    GroupEnableHa {
        /// The group.
        group: GroupId,
    },
    /// Switches HA off.
    GroupDisableHa {
        /// The group.
        group: GroupId,
    },
    /// The slot's Raft group has these voters now.
    SlotVotersChanged {
        /// The slot.
        slot: SlotId,
        /// The voters.
        voters: Vec<NodeId>,
    },
    /// A node has opened a slot.
    SlotOwned {
        /// The slot.
        slot: SlotId,
        /// The owner.
        node: NodeId,
        /// Its epoch.
        epoch: Epoch,
        /// How long nobody served the slot, as the owner measured it.
        gap: Option<Duration>,
    },
    /// Who should own a slot from now on.
    SlotDesire {
        /// The slot.
        slot: SlotId,
        /// The node, one of the slot's group.
        node: NodeId,
        /// Why.
        reason: HaReason,
    },
    /// A node's HA state has changed.
    HaTransition {
        /// The node.
        node: NodeId,
        /// Its state.
        state: HaState,
        /// Why.
        reason: HaReason,
    },
    /// A failed-over node has been healthy for so long. Zero: a beat was missed, and all that was counted
    /// is void.
    Healthy {
        /// The node.
        node: NodeId,
        /// For how long.
        accrued: Duration,
        /// [`Group::changes`](crate::Group::changes) at which it was counted.
        changes: u64,
    },
    /// Adds or updates accounts, at most [`ACCOUNT_ROWS_MAX`](crate::ACCOUNT_ROWS_MAX). Outcome:
    /// [`Accounts`](crate::ControlOutcome::Accounts).
    AccountsPut {
        /// The accounts.
        rows: Vec<AccountRow>,
        /// Whether accounts that exist get the row's password and name; else such a row is refused.
        update: bool,
    },
    /// Removes an account.
    AccountRemove {
        /// The account.
        jid: BareJid,
    },
    /// Sets a password.
    AccountPassword {
        /// The account.
        jid: BareJid,
        /// Made from the new password.
        verifiers: Verifiers,
    },
    /// Refuses logins to an account, or allows them again.
    AccountDisable {
        /// The account.
        jid: BareJid,
        /// Whether logins are refused.
        disabled: bool,
    },
    /// Hosts a domain.
    DomainAdd {
        /// The domain.
        domain: DomainPart,
    },
    /// Hosts a domain no more.
    DomainRemove {
        /// The domain.
        domain: DomainPart,
    },
    /// Changes settings, all or none.
    SettingsSet(Vec<Setting>),
    /// Makes a join token.
    TokenCreate {
        /// SHA-256 of its secret.
        hash: TokenHash,
        /// The role of the node it lets in.
        role: Role,
        /// When it ends.
        expires: Timestamp,
    },
    /// Withdraws a join token.
    TokenRemove {
        /// SHA-256 of its secret.
        hash: TokenHash,
    },
    /// Applies all of these, or none if one is refused. They cannot contain such a list.
    Together(Vec<Self>),
    /// The slot's owner has removed everything of an account that was removed.
    AccountPurged {
        /// The account.
        jid: BareJid,
        /// The entry that removed it.
        at: LogIndex,
    },
    /// Refused when anything changed in a group since it was looked at. Put before what was planned
    /// then: two nodes that break at once must not both act on the picture from before.
    GroupUnchanged {
        /// The group.
        group: GroupId,
        /// [`Group::changes`](crate::Group::changes) at the look.
        changes: u64,
    },
    /// The operator's unsafe takeover: in a pair without a third voter `by` serves the users of `node` from
    /// what it has of their data, and `node` is refused for ever. That it is silent is checked by the
    /// proposer.
    NodeOust {
        /// The node that is taken for lost.
        node: NodeId,
        /// Its peer.
        by: NodeId,
    },
    /// Presence is composed by this table from now on; `None` for the shipped one. That it is good is
    /// checked by the proposer.
    PresenceRulesSet {
        /// The table.
        text: Option<String>,
    },
    /// Decides something about a user's presence, or takes it back.
    AccountPolicy {
        /// The account.
        jid: BareJid,
        /// What.
        policy: Policy,
        /// Whether it holds.
        on: bool,
    },
    /// Lets a program publish and read presence.
    ApiClientCreate {
        /// Its name.
        name: String,
        /// What it may do, and the hash of its token.
        client: ApiClient,
    },
    /// Gives a program another token; the one it had is refused from then on.
    ApiClientRotate {
        /// Its name.
        name: String,
        /// SHA-256 of the new token.
        hash: TokenHash,
    },
    /// Refuses a program from now on.
    ApiClientRemove {
        /// Its name.
        name: String,
    },
    /// Nobody of a group goes home by itself any more, or may again.
    GroupHold {
        /// The group.
        group: GroupId,
        /// Whether they stay.
        held: bool,
    },
}

/// A node that is to enter the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// What it runs.
    pub version: SoftwareVersion,
    /// Its process start.
    pub boot: Boot,
}

/// One byte of version before each command in the log.
mod versioned {
    use super::ControlCommand;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    const VERSION: u8 = 1;

    pub(super) fn serialize<S: Serializer>(
        command: &ControlCommand,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (VERSION, command).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<ControlCommand, D::Error> {
        let (version, command) = <(u8, ControlCommand)>::deserialize(from)?;
        if version == VERSION {
            Ok(command)
        } else {
            Err(D::Error::custom(format_args!(
                "control command of version {version}: this program knows {VERSION}"
            )))
        }
    }
}
