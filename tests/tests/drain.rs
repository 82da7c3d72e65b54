//! A node is emptied before somebody works on it, and all nodes are restarted one after the other: nothing that was
//! acknowledged is lost, and nobody is seen offline who is not.

use anyhow::{Context, Result};
use muster_testkit::{
    Ctl, Library, Options, Outcome, PATIENCE, Quickstart, Raw, Signal, alive, signal, until,
};
use muster_tests::{Couple, c2s, log_in, probe, write_under};

fn served_by(ctl: &Ctl, home: &str, owner: &str) -> Result<()> {
    let what = format!("the users of {home} are served by {owner}");
    until(&what, PATIENCE, || {
        Ok((ctl.owner_of(home)?.as_deref() == Some(owner)).then_some(()))
    })
}

/// How many clients a node has.
fn clients(cluster: &Quickstart, node: &str) -> Result<u64> {
    let metrics = probe(cluster.node(node)?, "/metrics")?;
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("muster_connections "));
    Ok(line.context("the number of connections")?.trim().parse()?)
}

#[test]
fn a_drained_node_is_empty_nobody_is_seen_offline_and_an_abort_brings_all_home() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, peer)?;
    alice.befriend(&mut bob)?;
    let (here, there) = (alice.mark(), bob.mark());

    // Of itself only, and not by another.
    let (_, why) = cluster.ctl_of(peer).refused(&["node", "drain", home])?;
    assert!(why.contains("name its address"), "{why}");

    let done = ctl.run(&["node", "drain", home])?;
    assert!(
        done.contains(&format!("{home} is empty: 1 clients went")),
        "{done}"
    );
    assert_eq!(ctl.owner_of(home)?.as_deref(), Some(peer));
    assert_eq!(clients(&cluster, home)?, 0);
    assert!(
        Raw::connect(c2s(cluster.node(home)?)?).is_err(),
        "{home} takes clients"
    );
    let drained = cluster.ctl_of(home);
    let words = drained.alarm("NodeDrained")?.unwrap_or_default();
    assert!(words.contains("--abort"), "{words}");
    assert!(probe(cluster.node(home)?, "/readyz")?.contains("drained"));
    alice.ready(here)?;
    bob.chat(&couple.alice.jid, "moved?")?;
    alice.expect(here, "a message", |e| e.is_message("moved?"))?;

    // The other one is the last that could serve them.
    let (_, why) = ctl.refused(&["node", "drain", peer])?;
    assert!(why.contains("Running in Backup Mode"), "{why}");

    let over = ctl.run(&["node", "drain", home, "--abort"])?;
    assert!(over.contains("its users go home"), "{over}");
    served_by(&ctl, home, home)?;
    until("the node takes clients", PATIENCE, || {
        Ok(Raw::connect(c2s(cluster.node(home)?)?).ok())
    })?;
    assert_eq!(drained.alarm("NodeDrained")?, None);
    let (_, why) = ctl.refused(&["node", "drain", home, "--pause"])?;
    assert!(why.contains("is not being drained"), "{why}");
    let gone = bob.since(there);
    let gone = gone
        .iter()
        .find(|e| e.is_presence("unavailable", &couple.alice.jid));
    assert!(gone.is_none(), "bob saw {gone:?}");
    Ok(())
}

#[test]
fn a_drain_has_a_pace_and_can_be_paused() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, trust) = (couple.home.as_str(), cluster.trust()?);
    let address = c2s(cluster.node(home)?)?.to_owned();
    let mut sessions = Vec::new();
    for n in 0..20 {
        sessions.push(Raw::login(
            &address,
            &trust,
            &couple.alice,
            &format!("r{n}"),
        )?);
    }
    assert_eq!(clients(&cluster, home)?, 20);
    let ctl = cluster.ctl();
    let _draining = ctl.start(&["node", "drain", home, "--rate", "5"])?;
    until("some have gone", PATIENCE, || {
        Ok((clients(&cluster, home)? <= 18).then_some(()))
    })?;
    let paused = ctl.json(&["node", "drain", home, "--pause"])?;
    assert_eq!(paused["paused"], true, "{paused}");
    // Who was told to go before the pause may still be going.
    let settled = until("nobody goes any more", PATIENCE, || {
        let before = clients(&cluster, home)?;
        std::thread::sleep(std::time::Duration::from_secs(1));
        Ok((clients(&cluster, home)? == before).then_some(before))
    })?;
    assert!(settled > 0, "the pause came too late to show anything");
    let gone = sessions
        .iter_mut()
        .map(|raw| raw.read_some().unwrap_or_default());
    let told: Vec<_> = gone
        .filter(|text| text.contains("system-shutdown"))
        .collect();
    assert_eq!(told.len() as u64, 20 - settled);
    ctl.run(&["node", "drain", home, "--resume"])?;
    until("all have gone", PATIENCE, || {
        Ok((clients(&cluster, home)? == 0).then_some(()))
    })?;
    Ok(())
}

#[test]
fn the_last_node_that_could_serve_the_users_is_not_drained() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
    cluster.kill(peer)?;
    let ctl = cluster.ctl();
    served_by(&ctl, peer, home)?;
    let (_, why) = ctl.refused(&["node", "drain", home])?;
    assert!(why.contains("Running in Backup Mode"), "{why}");
    let alice = Raw::login(
        c2s(cluster.node(home)?)?,
        &cluster.trust()?,
        &couple.alice,
        "still",
    );
    assert!(alice.is_ok(), "the node takes clients as before");
    Ok(())
}

#[test]
fn a_rolling_restart_of_all_nodes_loses_nothing_and_nobody_is_seen_offline() -> Outcome {
    let mut cluster = Quickstart::start_with(Options {
        users: 8,
        ..Options::default()
    })?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let others: Vec<_> = cluster.facts().users.iter().skip(4).cloned().collect();
    let [carol, dave] = [0, 1].map(|n| others.get(n).cloned());
    let (carol, dave) = carol.zip(dave).context("two more users")?;
    let mut carol = log_in(&cluster, Library::Slixmpp, &carol, "a")?;
    let mut dave = log_in(&cluster, Library::Slixmpp, &dave, "b")?;
    carol.befriend(&mut dave)?;
    let history = write_under(&cluster, &couple)?;
    let marks = (carol.mark(), dave.mark());
    for node in ["a", "b", "w"] {
        ctl.run(&["node", "drain", node])?;
        history.goes_on(3)?;
        let pid = cluster.node(node)?.pid;
        signal(pid, Signal::Term)?;
        until(
            "the node ends",
            PATIENCE,
            || Ok((!alive(pid)).then_some(())),
        )?;
        history.goes_on(3)?;
        cluster.restart(node)?;
        if node == "w" {
            until("the users are protected again", PATIENCE, || {
                let status = ctl.run(&["status"])?;
                Ok((!status.contains("not protected")).then_some(()))
            })?;
        } else {
            cluster.come_home(node)?;
        }
        history.goes_on(3)?;
    }
    carol.chat(dave.jid(), "all restarted")?;
    dave.expect(marks.1, "a message", |e| e.is_message("all restarted"))?;
    for (client, mark, other) in [(&carol, marks.0, dave.jid()), (&dave, marks.1, carol.jid())] {
        let seen = client.since(mark);
        let gone = seen.iter().find(|e| e.is_presence("unavailable", other));
        assert!(gone.is_none(), "{} saw {gone:?}", client.jid());
    }
    let verdict = history.check()?;
    assert!(verdict.sets > 0 && verdict.messages > 0, "{verdict:?}");
    Ok(())
}
