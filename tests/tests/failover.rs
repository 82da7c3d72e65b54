//! An operator moves a node's users away and back.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use muster_testkit::{Ctl, Library, Outcome, PATIENCE, Quickstart, UserFacts, never, until};
use muster_tests::{Couple, log_in};

/// As long as nothing has to happen: an automatic fallback would have come in far less.
const HELD: Duration = Duration::from_secs(3);

fn becomes(ctl: &Ctl, node: &str, state: &str, reason: &str) -> Result<()> {
    until(&format!("{node} is {state} ({reason})"), PATIENCE, || {
        let (is, why) = ctl.state_of(node)?;
        Ok((is == state && (reason.is_empty() || why == reason)).then_some(()))
    })
}

fn served_by(ctl: &Ctl, home: &str, owner: &str) -> Result<()> {
    until(
        &format!("the users of {home} are served by {owner}"),
        PATIENCE,
        || Ok((ctl.owner_of(home)?.as_deref() == Some(owner)).then_some(())),
    )
}

#[test]
fn an_operator_moves_users_away_and_home_and_nobody_is_disconnected() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let (here, there) = (alice.mark(), bob.mark());

    ctl.run(&["group", "failover", &couple.home])?;
    served_by(&ctl, &couple.home, &couple.peer)?;
    becomes(&ctl, &couple.home, "Idle", "Admin Request")?;
    becomes(
        &ctl,
        &couple.peer,
        "Running in Backup Mode",
        "Admin Request",
    )?;
    bob.chat(&couple.alice.jid, "moved?")?;
    alice.expect(here, "a message", |e| e.is_message("moved?"))?;

    ctl.run(&["group", "fallback", &couple.home])?;
    served_by(&ctl, &couple.home, &couple.home)?;
    for node in [&couple.home, &couple.peer] {
        becomes(&ctl, node, "Normal", "")?;
    }
    bob.chat(&couple.alice.jid, "home again?")?;
    alice.expect(here, "a message", |e| e.is_message("home again?"))?;

    for (client, mark) in [(&alice, here), (&bob, there)] {
        let gone: Vec<_> = client
            .since(mark)
            .into_iter()
            .filter(|e| e.is("disconnected") || e.text("type") == "unavailable")
            .collect();
        assert!(gone.is_empty(), "{} noticed: {gone:?}", client.jid());
    }
    Ok(())
}

#[test]
fn a_killed_node_that_is_back_goes_home_by_command() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    cluster.kill(&couple.home)?;
    served_by(&ctl, &couple.home, &couple.peer)?;
    cluster.restart(&couple.home)?;
    becomes(&ctl, &couple.home, "Failed Over", "")?;
    // Refused until its copy has caught up.
    until("the fallback is accepted", PATIENCE, || {
        Ok(ctl.run(&["group", "fallback", &couple.home]).ok())
    })?;
    served_by(&ctl, &couple.home, &couple.home)?;
    becomes(&ctl, &couple.home, "Normal", "")?;
    Ok(())
}

/// What is said of the way home of a node's users: the seconds until then, and what they wait for.
fn homing(ctl: &Ctl, node: &str) -> Result<(Option<u64>, String)> {
    let node = ctl.find("nodes", "name", node)?;
    let waits = node["fallback_waits"].as_str().unwrap_or_default();
    Ok((node["fallback_in_seconds"].as_u64(), waits.to_owned()))
}

#[test]
fn the_countdown_is_visible_and_can_be_held_kept_to_a_window_and_cancelled() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
    let ctl = cluster.ctl();
    assert_eq!(homing(&ctl, home)?, (None, String::new()), "at home");
    ctl.run(&["group", "fallback", home, "--hold"])?;
    ctl.run(&["settings", "set", "fallback-delay=3s"])?;
    cluster.kill(home)?;
    served_by(&ctl, home, peer)?;
    cluster.restart(home)?;
    becomes(&ctl, home, "Failed Over", "")?;
    until("the countdown is seen", PATIENCE, || {
        Ok(homing(&ctl, home)?.0.filter(|left| *left <= 3))
    })?;
    until("it is over", PATIENCE, || {
        Ok((homing(&ctl, home)?.0 == Some(0)).then_some(()))
    })?;
    // Held: it is over, and nobody goes home.
    let (_, waits) = homing(&ctl, home)?;
    assert!(waits.starts_with("held"), "{waits}");
    assert!(
        ctl.run(&["status"])?
            .contains(&format!("Fallback of {home}: in 0s, held"))
    );
    never("the users go home", HELD, || {
        Ok((ctl.owner_of(home)?.as_deref() != Some(peer)).then_some("moved"))
    })?;

    // A window that is not now keeps them too; the administration of users goes on meanwhile.
    let closed = closed_window();
    ctl.run(&["settings", "set", &format!("fallback-window={closed}")])?;
    until("the window is closed", PATIENCE, || {
        Ok(homing(&ctl, home)?.1.starts_with("held").then_some(()))
    })?;
    std::thread::sleep(HELD);
    ctl.run(&["group", "fallback", peer, "--release"])?;
    never("the users go home", HELD, || {
        Ok((ctl.owner_of(home)?.as_deref() != Some(peer)).then_some("moved"))
    })?;
    assert_eq!(homing(&ctl, home)?.1, format!("only at {closed} UTC"));
    let carol = UserFacts {
        jid: "carol-away@example.com".to_owned(),
        password: "a good secret".to_owned(),
    };
    ctl.add_user(&carol)?;
    let there = ctl.home_of(&carol.jid)?;
    assert!([home, peer].contains(&there.as_str()));
    log_in(&cluster, Library::Aioxmpp, &carol, peer)?;

    ctl.run(&["group", "fallback", home, "--cancel"])?;
    becomes(&ctl, home, "Idle", "Admin Request")?;
    ctl.run(&["settings", "set", "fallback-window=always"])?;
    never("the users go home", HELD, || {
        Ok((ctl.owner_of(home)?.as_deref() != Some(peer)).then_some("moved"))
    })?;
    let (_, why) = ctl.refused(&["group", "fallback", home, "--cancel"])?;
    assert!(why.contains("cannot cancel a fallback"), "{why}");
    ctl.run(&["group", "fallback", home, "--wait"])?;
    served_by(&ctl, home, home)?;
    Ok(())
}

/// A window of a minute that was over some hours ago.
fn closed_window() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let hour = now.map_or(0, |since| since.as_secs() / 3_600 % 24);
    let ago = (hour + 20) % 24;
    format!("{ago:02}:00-{ago:02}:01")
}

#[test]
fn a_failover_to_a_dead_peer_is_refused_and_says_why() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    cluster.kill(&couple.peer)?;
    let ctl = cluster.ctl();
    // Until the cluster has settled on what happened, the refusal says that the peer is not reachable.
    becomes(&ctl, &couple.home, "Running in Backup Mode", "Peer Down")?;
    let (_, why) = ctl.refused(&["group", "failover", &couple.home])?;
    assert!(why.contains("Running in Backup Mode"), "{why}");
    Ok(())
}

#[test]
fn status_says_in_words_whether_a_failure_would_be_survived() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let protected = ctl.run(&["status"])?;
    assert!(
        protected.contains("protected") && !protected.contains("not protected"),
        "{protected}"
    );
    cluster.kill("w")?;
    until("status says that the witness is missing", PATIENCE, || {
        let status = ctl.run(&["status"])?;
        Ok(status.contains("not protected").then_some(()))
    })?;
    Ok(())
}
