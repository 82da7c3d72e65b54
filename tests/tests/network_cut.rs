//! A node that lives but is cut from the others. Three hosts in network namespaces, deployed as `deploy/` says.

mod needs_root {
    use std::time::Duration;

    use muster_testkit::{ClientOptions, Deployment, Library, Outcome, PATIENCE, never, until};
    use serde_json::json;

    /// The lease, 5 s without contact to a quorum until the streams are closed, and the way back.
    const TAKEOVER: Duration = Duration::from_secs(20);

    #[test]
    fn cut_off_nodes_users_are_served_by_the_peer_and_watchers_see_nothing() -> Outcome {
        let cluster = Deployment::start(&["alice", "bob"])?;
        let ctl = cluster.ctl("w")?;
        let (alice, bob) = (cluster.user(0).clone(), cluster.user(1).clone());
        let home = ctl.home_of(&alice.jid)?;
        let peer = if home == "a" { "b" } else { "a" };
        let addresses = [cluster.c2s(&home)?, cluster.c2s(peer)?];
        let mut alice = cluster.client(
            &alice,
            &ClientOptions::new(Library::Slixmpp, &addresses.each_ref().map(|a| &**a)),
        )?;
        alice.ready(0)?;
        let mut bob = cluster.client(
            &bob,
            &ClientOptions::new(Library::Slixmpp, &[&addresses[1]]),
        )?;
        bob.ready(0)?;
        alice.befriend(&mut bob)?;
        let (here, there) = (alice.mark(), bob.mark());

        cluster.cut(&home)?;
        until("the peer serves", PATIENCE, || {
            Ok((ctl.owner_of(&home)?.as_deref() == Some(peer)).then_some(()))
        })?;
        // The cut-off node still has her socket, but must not acknowledge anything.
        let late = alice.tell(json!({"do": "roster-set", "jid": "late@elsewhere.example"}))?;
        alice.expect_within(here, "the cut-off node lets her go", TAKEOVER, |e| {
            e.is("disconnected")
        })?;
        alice.expect_within(here, "she is served by the peer", TAKEOVER, |e| {
            e.is("ready")
        })?;
        let lied = alice
            .since(here)
            .iter()
            .any(|e| e.is("reply") && e.value("id") == late && e.value("ok") == true);
        assert!(
            !lied
                || alice
                    .roster()?
                    .iter()
                    .any(|item| item["jid"] == "late@elsewhere.example")
        );
        bob.chat(alice.jid(), "cut off?")?;
        alice.expect(here, "a message", |e| e.is_message("cut off?"))?;

        cluster.heal(&home)?;
        until("the node is back", TAKEOVER, || {
            Ok((ctl.state_of(&home)?.0 == "Failed Over").then_some(()))
        })?;
        never("false unavailable", Duration::from_secs(5), || {
            Ok(bob
                .since(there)
                .into_iter()
                .find(|e| e.is_presence("unavailable", alice.jid())))
        })?;
        Ok(())
    }

    #[test]
    fn a_witness_that_is_cut_off_disturbs_nobody() -> Outcome {
        let cluster = Deployment::start(&["alice"])?;
        let address = cluster.c2s("a")?;
        let mut alice = cluster.client(
            cluster.user(0),
            &ClientOptions::new(Library::Aioxmpp, &[&address]),
        )?;
        alice.ready(0)?;
        let here = alice.mark();
        cluster.cut("w")?;
        for n in 0..20 {
            alice
                .ask(json!({"do": "roster-set", "jid": format!("contact{n}@elsewhere.example")}))?;
        }
        cluster.heal("w")?;
        assert!(!alice.since(here).iter().any(|e| e.is("disconnected")));
        Ok(())
    }
}
