//! Personal eventing (XEP-0163) between nodes.

use muster_stanza::Stanza;
use muster_types::{BareJid, LogIndex, SessionId};
use serde::{Deserialize, Serialize};

/// What became of one node of a user's account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemNews {
    /// The node: only clients that ask for it by `NODE+notify` get the message.
    pub node: String,
    /// The notification; `from` is the user and `to` is absent.
    pub message: Stanza,
    /// The entry of the slot's log that changed the node; 0 for what stands in no log.
    pub at: LogIndex,
}

/// A client asks by its capabilities to be notified of nodes: what is there already it is told at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskItems {
    /// The session.
    pub session: SessionId,
    /// Its user.
    pub watcher: BareJid,
    /// The nodes.
    pub nodes: Vec<String>,
    /// Of whom; all of the receiving slot.
    pub contacts: Vec<BareJid>,
}
