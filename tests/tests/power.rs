//! Nodes that die together or one after the other while clients write: what was acknowledged is there afterwards.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use muster_testkit::{
    ClientOptions, History, Library, Outcome, PATIENCE, Quickstart, never, until,
};
use muster_tests::{Couple, c2s, log_in, probe, write_under};

/// Acknowledged writes between two faults.
const SOME: u64 = 150;

fn nothing_is_lost(history: History) -> Result<()> {
    let verdict = history.check()?;
    ensure!(verdict.sets > 0 && verdict.messages > 0, "{verdict:?}");
    ensure!(verdict.lost.is_empty(), "{verdict:?}");
    Ok(())
}

fn owner_is(cluster: &Quickstart, home: &str, owner: &str) -> Result<()> {
    let ctl = cluster.ctl();
    until(
        &format!("{owner} serves the users of {home}"),
        3 * PATIENCE,
        // Nobody may answer yet.
        || {
            let now = ctl.owner_of(home).ok().flatten();
            Ok((now.as_deref() == Some(owner)).then_some(()))
        },
    )
}

#[test]
fn power_loss_of_all_three_under_load_loses_nothing_acknowledged() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let history = write_under(&cluster, &couple)?;
    let all = ["a", "b", "w"];
    for _ in 0..4 {
        history.goes_on(SOME)?;
        cluster.kill_all(&all)?;
        for node in all {
            cluster.restart(node)?;
        }
    }
    history.goes_on(SOME)?;
    nothing_is_lost(history)?;
    Ok(())
}

#[test]
fn owner_and_witness_die_one_after_the_other_and_nothing_is_lost() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let history = write_under(&cluster, &couple)?;
    for (first, second) in [(&*couple.home, "w"), ("w", &*couple.home)] {
        history.goes_on(SOME)?;
        cluster.kill(first)?;
        if first == couple.home {
            owner_is(&cluster, first, &couple.peer)?;
            history.goes_on(SOME)?;
        }
        cluster.kill(second)?;
        refuses_to_decide(&cluster, &couple)?;
        cluster.restart(first)?;
        history.goes_on(SOME)?;
        cluster.restart(second)?;
        cluster.come_home(&couple.home)?;
    }
    nothing_is_lost(history)?;
    Ok(())
}

/// The one that is left is no majority: it says so, serves nobody, and nobody gets in.
fn refuses_to_decide(cluster: &Quickstart, couple: &Couple) -> Result<()> {
    let left = cluster.node(&couple.peer)?;
    // Its own lease may outlive the others by a moment.
    until("it serves neither slot", PATIENCE, || {
        let metrics = probe(left, "/metrics")?;
        let slots = metrics
            .lines()
            .filter(|line| line.starts_with("muster_slot_owned{") && line.ends_with(" 0"));
        Ok((slots.count() == 2).then_some(()))
    })?;
    assert!(probe(left, "/readyz")?.contains("no quorum"));
    let client = cluster.client(
        &couple.bob,
        &ClientOptions::new(Library::Slixmpp, &[c2s(left)?]),
    )?;
    never("it decided alone", Duration::from_secs(2), || {
        Ok(client.since(0).into_iter().find(|e| e.is("ready")))
    })
}

#[test]
fn both_nodes_of_a_pair_die_and_who_does_not_come_back_is_no_ghost() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let history = write_under(&cluster, &couple)?;
    history.goes_on(SOME)?;
    drop(alice);
    let there = bob.mark();
    cluster.kill_all(&["a", "b"])?;
    for node in ["a", "b"] {
        cluster.restart(node)?;
    }
    history.goes_on(SOME)?;
    nothing_is_lost(history)?;
    bob.expect_within(there, "bob is back", 3 * PATIENCE, |e| e.is("ready"))?;
    // Two writers were alice and bob as well: what counts is what is shown when they have gone.
    let shown = bob.mark();
    never("a ghost", Duration::from_secs(3), || {
        Ok(bob
            .since(shown)
            .into_iter()
            .find(|e| e.is_presence("available", &couple.alice.jid)))
    })?;
    Ok(())
}

#[test]
fn a_node_in_a_crash_loop_disturbs_nobody_and_loses_nothing() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let there = bob.mark();
    let history = write_under(&cluster, &couple)?;
    history.goes_on(SOME)?;
    let log = cluster.folder().join(format!("{}-again.log", couple.home));
    // Each start is ended at another moment of it, the first one at once.
    for moment in [
        "",
        "for health and metrics",
        "link stands",
        "ha event=Heard",
        "for clients, STARTTLS",
        "protected: ",
    ] {
        cluster.kill(&couple.home)?;
        let before = fs::metadata(&log).map_or(0, |file| file.len());
        cluster.restart(&couple.home)?;
        until(&format!("{moment:?} is logged"), 3 * PATIENCE, || {
            let text = fs::read_to_string(&log)?;
            let new = text.get(usize::try_from(before)?..).unwrap_or_default();
            Ok(new.contains(moment).then_some(()))
        })?;
    }
    history.goes_on(SOME)?;
    cluster.come_home(&couple.home)?;
    history.goes_on(SOME)?;
    nothing_is_lost(history)?;
    assert!(!bob.since(there).iter().any(|e| e.is("disconnected")));
    Ok(())
}
