//! Accounts and hosted domains.

use muster_sasl::Verifiers;
use muster_types::{BareJid, NodeId, SlotId};
use serde::{Deserialize, Serialize};

/// One user's account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The slot that holds the user's data.
    pub slot: SlotId,
    /// What passwords are checked against; the password itself is kept nowhere.
    pub verifiers: Verifiers,
    /// The user's display name.
    pub name: Option<String>,
    /// Whether logins are refused.
    pub disabled: bool,
}

/// A hosted domain. Its certificate is configuration of each node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Domain {}

/// One account to be added or updated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountRow {
    /// The address; its domain must be hosted.
    pub jid: BareJid,
    /// Made from the password by the proposer.
    pub verifiers: Verifiers,
    /// The home node; `None` lets the assignment mode choose.
    pub home: Option<NodeId>,
    /// Display name, at most [`Account::NAME_BYTES_MAX`] bytes.
    pub name: Option<String>,
}

impl Account {
    /// Longest display name in bytes.
    pub const NAME_BYTES_MAX: usize = 1023;
}

/// What came of the rows of one `AccountsPut`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountsReport {
    /// Accounts added.
    pub added: u32,
    /// Accounts updated.
    pub updated: u32,
    /// Rows that changed nothing: index in the command, and why.
    pub refused: Vec<(u32, RowRefusal)>,
}

/// Why one row of accounts was refused. The others went in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum RowRefusal {
    /// The account is there and the import does not update.
    #[error("account {jid} already exists")]
    Exists {
        /// The account.
        jid: BareJid,
    },
    /// An earlier account of this address was removed, and its data is not gone yet.
    #[error("account {jid} is still being removed: try again in a moment")]
    BeingRemoved {
        /// The account.
        jid: BareJid,
    },
    /// The address has no local part.
    #[error("{jid} names a domain, not a user")]
    NoUser {
        /// The address.
        jid: BareJid,
    },
    /// The domain is not hosted here.
    #[error("domain {domain} is not hosted by this cluster: add it first")]
    UnknownDomain {
        /// The domain.
        domain: String,
    },
    /// The home is no node that hosts users.
    #[error("node {node} hosts no users: it is unknown, a witness, or in no group")]
    NoSuchHome {
        /// The node asked for.
        node: NodeId,
    },
    /// The assignment mode is `none` and the row names no home.
    #[error("no home node given and the assignment mode is none")]
    HomeMissing,
    /// There is no slot to assign to.
    #[error("no node is in a group yet: create a group and add a node first")]
    NoSlot,
    /// An update names another home than the account has.
    #[error("account {jid} is homed on node {home}: an import does not move accounts")]
    Homed {
        /// The account.
        jid: BareJid,
        /// Its home.
        home: NodeId,
    },
    /// The display name is too long.
    #[error("the name is {bytes} bytes long, the limit is {limit}")]
    NameTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The cluster is full.
    #[error("the cluster holds {limit} accounts, its limit")]
    Full {
        /// The limit.
        limit: usize,
    },
}
