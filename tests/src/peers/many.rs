//! As many users as one process may have connections here: all at once on one node, and on a pair of which one node dies, or is emptied.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::context;
use super::folder::Place;
use super::load::Load;
use super::server::{Kind, start};
use super::work::{self, Crowd, Scale, Sitting, crowd};

/// 20,000 files are allowed here.
const MANY: Crowd = crowd("many", 19_000, 50);
/// To see whether it works.
const FEW: Crowd = crowd("few", 400, 10);
/// How many clients a second are sent away by a drain.
const PER_SECOND: u32 = 2_000;
/// For one login, and until one has seen all contacts.
const PATIENCE: &str = "180s";

/// What happens to them.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// All leave one node in order, and come back at once.
    OneNode,
    /// One node of a pair is killed, and its users come to the other.
    PairLosesOne,
    /// One node of a pair is emptied by an operator, and its users come to the other.
    PairDrainsOne,
}

impl What {
    /// All of it.
    pub(crate) const ALL: [Self; 3] = [Self::OneNode, Self::PairLosesOne, Self::PairDrainsOne];

    /// Its name in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneNode => "one node",
            Self::PairLosesOne => "a pair loses a node",
            Self::PairDrainsOne => "a pair drains a node",
        }
    }
}

/// Measures one.
///
/// # Errors
/// With what the server or `muster-load` said.
pub(crate) fn measure(load: &Load, dir: &Path, quick: bool, what: What) -> Result<Value> {
    let crowd = if quick { FEW } else { MANY };
    let kind = match what {
        What::OneNode => Kind::Muster,
        What::PairLosesOne | What::PairDrainsOne => Kind::MusterPair,
    };
    let place = Place::of(dir, kind, "many")?;
    let begin = || start(kind, &place, &Scale::FULL, Sitting::Storm);
    let mut server = begin()?;
    if work::gather(load, server.as_ref(), &place, crowd)? {
        server.end()?;
        server = begin()?;
    }
    let contacts = crowd.contacts.to_string();
    let mut words = vec!["--contacts", &contacts, "--timeout", PATIENCE];
    let mut pids = server.reach().pids.clone();
    let victim = (what == What::PairLosesOne).then(|| pids.remove(1).to_string());
    if let Some(victim) = &victim {
        words.extend(["--kill", victim]);
    }
    let emptying = server
        .drain("b", PER_SECOND)
        .filter(|_| what == What::PairDrainsOne);
    if let Some(command) = &emptying {
        words.extend(["--run", command]);
    }
    let before = context::busy(&pids)?;
    let storm = load.watch("storm", server.as_ref(), crowd, true, &words)?;
    let others_busy = before.others_until_now()?;
    match what {
        What::OneNode | What::PairDrainsOne => server.end()?,
        // One of its processes is dead already.
        What::PairLosesOne => drop(server),
    }
    Ok(json!({
        "what": what.name(), "users": crowd.users, "contacts": crowd.contacts, "others_busy": others_busy, "storm": storm,
    }))
}
