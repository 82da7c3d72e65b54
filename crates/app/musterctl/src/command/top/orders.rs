//! What an operator may order, and the command that does the same.

use crate::cli::{Move, Wait};
use crate::command::group;
use crate::connect::Connector;
use crate::output::Format;
use std::time::Duration;

/// What can be done with the users of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// They go to its peer.
    Failover,
    /// They go home.
    Fallback,
}

/// Something to be done for one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Order {
    pub(super) deed: Deed,
    /// The node's name.
    pub(super) node: String,
    /// The node at which the users are at home: a backup may be named too.
    pub(super) home: String,
}

impl Order {
    /// The command line that does the same.
    pub(super) fn command(&self) -> String {
        let word = match self.deed {
            Deed::Failover => "failover",
            Deed::Fallback => "fallback",
        };
        format!("musterctl group {word} {}", self.node)
    }

    /// What is asked before it is done.
    pub(super) fn question(&self) -> String {
        let home = &self.home;
        match self.deed {
            Deed::Failover => format!("Move the users of {home} to its peer?"),
            Deed::Fallback => format!("Bring the users of {home} home?"),
        }
    }

    /// Does it; returns what the node answers, as `musterctl` would print it.
    pub(super) async fn carry_out(self, connector: &Connector) -> Result<String, String> {
        let wait = Wait {
            wait: false,
            timeout: Duration::ZERO,
        };
        let (deed, node) = (self.deed, self.node);
        let wanted = Move { node, wait };
        let answer = match deed {
            Deed::Failover => group::failover(connector, wanted).await,
            Deed::Fallback => group::bring_home(connector, wanted).await,
        };
        match answer {
            Ok(answer) => Ok(answer.format(Format::Table).trim_end().to_owned()),
            Err(failure) => Err(failure.to_string()),
        }
    }
}
