//! A node's disk: when what was written is durable, and what goes wrong with it.

use crate::exec::sleep;
use crate::plan::Mistake;
use crate::sim::sim;
use muster_store::Disk;
use muster_types::NodeId;
use std::io;
use std::time::Duration;

/// How a disk behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flaws {
    /// How much longer a sync takes.
    pub(crate) slow: Duration,
    /// The next sync fails.
    pub(crate) fails: bool,
    pub(crate) full: bool,
}

/// Answers barriers, one sync after the other, like the store's own thread.
pub(crate) async fn flush(node: NodeId, disk: Disk) {
    loop {
        disk.requested().await;
        let sync = disk.begin();
        let flaws = flaws(node);
        let takes = sim().draw(|rng| rng.micros(100..1_500));
        sleep(takes + flaws.slow).await;
        let outcome = if flaws.full {
            Err(io::ErrorKind::StorageFull.into())
        } else if flaws.fails {
            Err(io::Error::other("input/output error"))
        } else {
            if sim().plan.mistake != Some(Mistake::LyingDisk) {
                disk.settle(&sync);
            }
            Ok(())
        };
        disk.end(sync, outcome);
    }
}

fn flaws(node: NodeId) -> Flaws {
    let sim = sim();
    let nodes = sim.nodes.borrow();
    nodes.get(&node).map(|node| node.flaws).unwrap_or_default()
}

/// The process is gone: what was not synced is lost but for a prefix.
pub(crate) fn crash(disk: &Disk) {
    let sim = sim();
    if sim.plan.mistake == Some(Mistake::TornDisk) {
        disk.tear(0);
    }
    disk.crash(|written| match sim.draw(|rng| rng.below(3)) {
        0 => 0,
        1 => written,
        _ => sim.draw(|rng| rng.index(written + 1)),
    });
}
