//! The warm copy: what the owner of a slot tells its other replicas of its soft state.

use muster_presence::source::{FromNow, Report};
use muster_stanza::Stanza;
use muster_types::{BareJid, FullJid, SessionId};
use serde::{Deserialize, Serialize};

/// One numbered step of the soft state. A replica that sees a gap says so and gets everything again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPeer {
    /// The whole soft state begins: forget what came before.
    Begin {
        /// The number of this step.
        seq: u64,
    },
    /// One change.
    Update {
        /// The number of this step.
        seq: u64,
        /// The change.
        update: Box<WarmUpdate>,
    },
    /// The whole was said; from here on the copy is complete.
    Complete {
        /// The number of this step.
        seq: u64,
    },
    /// From a replica to the owner: begin again.
    Resync,
}

/// One change of the owner's soft state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WarmUpdate {
    /// A session is bound, or published anew.
    Session {
        /// The session.
        session: SessionId,
        /// Its address.
        jid: FullJid,
        /// Its last available presence.
        presence: Option<Stanza>,
        /// For how many milliseconds it has not been used, if it said so.
        idle_ms: Option<u64>,
        /// Whether it is interested in roster pushes.
        interested: bool,
        /// For how many milliseconds its client is still expected back, if its node or its connection
        /// was lost.
        expected_ms: Option<u32>,
    },
    /// A session has ended.
    Gone {
        /// The session.
        session: SessionId,
    },
    /// All that one source other than a client says about a user.
    Report {
        /// The user.
        user: BareJid,
        /// What it says; without a span it says nothing any more.
        report: Report<FromNow>,
    },
}
