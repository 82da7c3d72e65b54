//! The servers, as the work sees them.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::folder::Place;
use super::work::{Crowd, Scale, Sitting};
use super::{debian, muster, ours};

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// One node of Muster.
    Muster,
    /// A pair and its witness: three processes, everything is kept twice, half of the users on each node.
    MusterPair,
    /// Prosody, as Debian packages it.
    Prosody,
    /// ejabberd, as Debian packages it.
    Ejabberd,
    /// A program that only writes ready frames.
    Floor,
    /// One node of Muster, for how cost grows: its accounts apart, its bounds of contacts raised.
    #[value(skip)]
    MusterGrowing,
    /// The same with a pair.
    #[value(skip)]
    MusterPairGrowing,
    /// The pair and a third node.
    #[value(skip)]
    MusterTrioGrowing,
}

impl Kind {
    /// Its name in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Muster => "muster",
            Self::MusterPair => "muster-pair",
            Self::Prosody => "prosody",
            Self::Ejabberd => "ejabberd",
            Self::Floor => "floor",
            Self::MusterGrowing => "muster-growing",
            Self::MusterPairGrowing => "muster-pair-growing",
            Self::MusterTrioGrowing => "muster-trio-growing",
        }
    }
}

/// How to reach a running server.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Where clients come without TLS.
    pub(crate) plain: Vec<String>,
    /// Where they come with TLS.
    pub(crate) tls: Vec<String>,
    /// `starttls` or `direct`.
    pub(crate) tls_kind: &'static str,
    /// Whom clients have to trust.
    pub(crate) ca: PathBuf,
    /// All processes whose CPU time and memory count.
    pub(crate) pids: Vec<u32>,
}

/// A running server; dropped, it is killed.
pub(crate) trait Server {
    /// How to reach it.
    fn reach(&self) -> &Reach;
    /// Makes accounts; `None` when it has none to make or they come by in-band registration.
    fn import(&self, _csv: &str) -> Option<Result<()>> {
        None
    }
    /// Gives a crowd its contacts, where the server can be told at once; `None` when they are made by the protocol.
    fn befriend(&self, _crowd: Crowd) -> Option<Result<()>> {
        None
    }
    /// Changes a setting of Muster.
    fn set(&self, setting: &str) -> Result<()> {
        bail!("{setting}: this server has no such settings")
    }
    /// The command that empties a node of Muster.
    fn drain(&self, _node: &str, _per_second: u32) -> Option<String> {
        None
    }
    /// Whether accounts and contacts have to be made.
    fn has_accounts(&self) -> bool {
        true
    }
    /// Ends it in order, so that its data is whole the next time.
    fn end(self: Box<Self>) -> Result<()>;
}

/// Starts one.
///
/// # Errors
/// With what it said when it does not start.
pub(crate) fn start(
    kind: Kind,
    place: &Place,
    scale: &Scale,
    sitting: Sitting,
) -> Result<Box<dyn Server>> {
    match kind {
        Kind::Muster | Kind::MusterGrowing => muster::start(1, place),
        Kind::MusterPair | Kind::MusterPairGrowing => muster::start(2, place),
        Kind::MusterTrioGrowing => muster::start(3, place),
        Kind::Prosody | Kind::Ejabberd => debian::start(kind, place, &sitting.crowds(scale)),
        Kind::Floor => ours::start(place, sitting.crowd(scale)),
    }
}
