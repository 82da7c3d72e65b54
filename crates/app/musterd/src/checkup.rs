//! What `musterctl doctor` asks a node: what it stands on, whether that will do, and what to do if not.

use crate::config::Role;
use crate::open_files;
use crate::raft_thread::{Rank, USUAL};
use crate::shared::Shared;
use muster_admin::{CheckInfo, Verdict};
use muster_link::PeerStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A disk that takes longer for one sync makes everybody wait who changes something.
const SYNC_SLOW: Duration = Duration::from_millis(100);
/// Nobody waits longer for a disk to answer.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// Looks at everything.
pub(crate) async fn run(shared: Arc<Shared>) -> Vec<CheckInfo> {
    let mut checks = vec![open_files(&shared), raft_thread(shared.raft_rank)];
    checks.push(quorum(shared.reaches_quorum()));
    checks.push(links(&shared));
    checks.push(disk(&shared).await);
    let alarms = shared.alarms.all();
    checks.extend(
        (alarms.into_iter()).map(|alarm| CheckInfo::bad("alarm", Verdict::Warn, alarm.words, "")),
    );
    checks
}

fn open_files(shared: &Shared) -> CheckInfo {
    const NAME: &str = "open-files";
    let files = open_files::limit();
    if shared.config().role == Role::Witness {
        return CheckInfo::pass(
            NAME,
            format!("{files} may be open, and no clients come here"),
        );
    }
    let wanted = shared.config().c2s.clients_max;
    match open_files::places(wanted, files) {
        (_, None) => CheckInfo::pass(
            NAME,
            format!("{files} may be open, enough for c2s.clients_max={wanted}"),
        ),
        (fit, Some(_)) => CheckInfo::bad(
            NAME,
            Verdict::Warn,
            format!("{files} may be open: room for {fit} clients, c2s.clients_max is {wanted}"),
            open_files::remedy(wanted, fit),
        ),
    }
}

fn raft_thread(rank: Rank) -> CheckInfo {
    const NAME: &str = "raft-thread";
    match rank {
        Rank::RealTime | Rank::Favoured => {
            CheckInfo::pass(NAME, format!("goes before others ({rank})"))
        }
        Rank::Usual => CheckInfo::bad(NAME, Verdict::Warn, USUAL[0], USUAL[1]),
    }
}

fn quorum(reached: bool) -> CheckInfo {
    const NAME: &str = "quorum";
    if reached {
        CheckInfo::pass(
            NAME,
            "a majority of the voters of the control log is in contact",
        )
    } else {
        CheckInfo::bad(
            NAME,
            Verdict::Fail,
            "no majority of the voters of the control log is in contact: nothing can be changed",
            "start the other nodes, or mend the network between them",
        )
    }
}

fn links(shared: &Shared) -> CheckInfo {
    let state = shared.cluster_state();
    let named = |peer: &PeerStatus| {
        let node = state.node(peer.node);
        node.map_or_else(|| peer.address.clone(), |node| node.name.to_string())
    };
    let peers = shared.peers();
    let broken = peers.iter().filter(|peer| !(peer.raft && peer.data));
    let broken: Vec<_> = broken
        .map(|peer| {
            let problem = peer.problem.as_deref().unwrap_or("no connection stands");
            format!("{} at {}: {problem}", named(peer), peer.address)
        })
        .collect();
    links_of(peers.len(), &broken)
}

fn links_of(peers: usize, broken: &[String]) -> CheckInfo {
    const NAME: &str = "links";
    if broken.is_empty() {
        return CheckInfo::pass(NAME, format!("{peers} other nodes are connected"));
    }
    CheckInfo::bad(
        NAME,
        Verdict::Fail,
        broken.join("; "),
        "check that the node runs and that its link port is open from here",
    )
}

/// How long one sync takes.
async fn disk(shared: &Shared) -> CheckInfo {
    let begun = Instant::now();
    let (done, synced) = tokio::sync::oneshot::channel();
    shared.store.barrier(move |result| {
        // Nobody waits for ever.
        let _ = done.send(result);
    });
    let synced = tokio::time::timeout(SYNC_WAIT, synced).await;
    let result = synced.map(|done| done.unwrap_or_else(|lost| Err(std::io::Error::other(lost))));
    disk_of(result.ok(), begun.elapsed())
}

fn disk_of(result: Option<std::io::Result<()>>, duration: Duration) -> CheckInfo {
    const NAME: &str = "disk";
    let took = format!("a sync takes {} ms", duration.as_millis());
    match result {
        None => CheckInfo::bad(
            NAME,
            Verdict::Fail,
            format!("no sync within {} s", SYNC_WAIT.as_secs()),
            "the disk of the data folder stands still: look at the kernel's log and at what else writes to it",
        ),
        Some(Err(error)) => CheckInfo::bad(
            NAME,
            Verdict::Fail,
            error.to_string(),
            "this node will end; mend the disk, then start it",
        ),
        Some(Ok(())) if duration > SYNC_SLOW => CheckInfo::bad(
            NAME,
            Verdict::Warn,
            took,
            "everybody who changes something waits for it: give the data folder a faster disk, or one of its own",
        ),
        Some(Ok(())) => CheckInfo::pass(NAME, took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_should_be_says_what_to_do() {
        let slow = SYNC_SLOW + Duration::from_millis(1);
        let failed = || Some(Err(std::io::Error::other("no space left")));
        for (check, verdict, words) in [
            (disk_of(Some(Ok(())), SYNC_SLOW), Verdict::Pass, "100 ms"),
            (disk_of(Some(Ok(())), slow), Verdict::Warn, "101 ms"),
            (disk_of(failed(), slow), Verdict::Fail, "no space left"),
            (
                disk_of(None, SYNC_WAIT),
                Verdict::Fail,
                "no sync within 10 s",
            ),
            (raft_thread(Rank::RealTime), Verdict::Pass, "real-time"),
            (raft_thread(Rank::Favoured), Verdict::Pass, "favoured"),
            (raft_thread(Rank::Usual), Verdict::Warn, "busy host"),
            (quorum(true), Verdict::Pass, "in contact"),
            (quorum(false), Verdict::Fail, "no majority"),
            (links_of(2, &[]), Verdict::Pass, "2 other nodes"),
            (
                links_of(2, &["b at h:1: refused".into()]),
                Verdict::Fail,
                "b at h:1: refused",
            ),
        ] {
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.words.contains(words), "{check:?}");
            assert_eq!(
                check.remedy.is_empty(),
                verdict == Verdict::Pass,
                "{check:?}"
            );
        }
    }
}
