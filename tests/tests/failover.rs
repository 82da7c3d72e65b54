//! An operator moves a node's users away and back.

use anyhow::Result;
use muster_testkit::{Ctl, Library, Outcome, PATIENCE, Quickstart, until};
use muster_tests::{Couple, log_in};

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
