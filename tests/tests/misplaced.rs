//! A client that logs in on another node than the one that serves its user.

use muster_testkit::{Library, Outcome, Quickstart, Raw, UserFacts, plain};
use muster_tests::{Couple, c2s, log_in};

#[test]
fn a_misplaced_client_is_sent_to_the_node_that_serves_its_user() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    cluster
        .reconfigure(|text| text.replace("[c2s]\n", "[c2s]\nmisplaced = \"see-other-host\"\n"))?;
    let home = c2s(cluster.node(&couple.home)?)?.to_owned();
    let peer = c2s(cluster.node(&couple.peer)?)?.to_owned();

    // It begins at the peer.
    let alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    let seen = alice.since(0);
    let sent = seen.iter().find(|e| e.is("stream-error"));
    assert_eq!(
        sent.map(|e| e.text("host")),
        Some(home.as_str()),
        "{seen:?}"
    );
    let connected = seen.iter().find(|e| e.is("connected"));
    assert_eq!(
        connected.map(|e| e.text("address")),
        Some(home.as_str()),
        "{seen:?}"
    );

    // Who does not know the password learns nothing.
    let stranger = UserFacts {
        password: "mistaken".to_owned(),
        ..couple.alice.clone()
    };
    let mut raw = Raw::connect_starttls(&peer, &cluster.trust()?)?;
    raw.open(&cluster.facts().domain)?;
    raw.send(plain(&stranger, ""))?;
    let answer = raw.read_until("</failure>")?;
    assert!(
        answer.contains("not-authorized") && !answer.contains(&home),
        "{answer}"
    );

    // When her node is dead, the peer is where she belongs.
    cluster.kill(&couple.home)?;
    let mut again = cluster.client(
        &couple.alice,
        &muster_tests::from_node(&cluster, Library::Aioxmpp, &couple.peer)?,
    )?;
    assert_eq!(again.ready(0)?.text("address"), peer);
    Ok(())
}
