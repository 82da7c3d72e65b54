//! A node whose clock runs fast. Three hosts in network namespaces, deployed as `deploy/` says.

mod needs_root {
    use std::time::Duration;

    use muster_testkit::{ClientOptions, Ctl, Deployment, Library, Outcome, Plan, until};
    use serde_json::json;

    /// Comparing for three windows of 3 s, the delay of the service, and the move.
    const FOUND: Duration = Duration::from_secs(30);
    const NOT_RUNNING: &str = "Failed Over with Critical Services Not Running";

    fn state_is(ctl: &Ctl, node: &str, state: &str) -> Outcome {
        until(&format!("{node} is {state}"), FOUND, || {
            Ok((ctl.state_of(node)?.0 == state).then_some(()))
        })?;
        Ok(())
    }

    fn says(ctl: &Ctl, words: &str) -> Outcome {
        until(&format!("an alarm says {words}"), FOUND, || {
            let alarms = ctl.json(&["status"])?["alarms"].to_string();
            Ok(alarms.contains(words).then_some(()))
        })?;
        Ok(())
    }

    #[test]
    fn a_node_whose_clock_runs_20_percent_fast_gives_its_users_up_and_says_why() -> Outcome {
        let mut cluster = Deployment::start_with(&Plan {
            fast_clock: Some(("a", "1.2")),
            ..Plan::default()
        })?;
        let peers = cluster.ctl("b")?;
        peers.run(&["settings", "set", "fallback-delay=5s"])?;
        let ctl = cluster.ctl("a")?;
        let addresses = [cluster.c2s("a")?, cluster.c2s("b")?];
        let both = addresses.each_ref().map(|address| &**address);
        let mut alice = cluster.client(
            cluster.user(0),
            &ClientOptions::new(Library::Slixmpp, &both),
        )?;
        alice.ready(0)?;
        let mut bob = cluster.client(
            cluster.user(1),
            &ClientOptions::new(Library::Slixmpp, &both[1..]),
        )?;
        bob.ready(0)?;
        alice.befriend(&mut bob)?;
        let (here, there) = (alice.mark(), bob.mark());

        state_is(&peers, "a", NOT_RUNNING)?;
        assert_eq!(peers.state_of("a")?.1, "Critical Service Down");
        says(
            &ctl,
            "this node's clock runs 20 % faster than those of its peers",
        )?;
        says(&peers, "out of step with this node's: a 20 % faster")?;
        says(
            &cluster.ctl("w")?,
            "out of step with this node's: a 20 % faster",
        )?;
        let services = ctl.json(&["get", "services"])?;
        let mut services = services.as_array().into_iter().flatten();
        let clock = services.find(|service| service["name"] == "clock");
        assert_eq!(clock.map(|clock| &clock["state"]), Some(&json!("failed")));
        until("the peer serves", FOUND, || {
            Ok((peers.owner_of("a")?.as_deref() == Some("b")).then_some(()))
        })?;
        bob.chat(alice.jid(), "what time is it?")?;
        alice.expect(here, "a message", |e| e.is_message("what time is it?"))?;
        alice.ask(json!({"do": "roster-set", "jid": "watchmaker@elsewhere.example"}))?;

        // The clock is set right, which takes a restart here; her client finds the peer.
        cluster.set_clock("a", None)?;
        cluster.kill("a")?;
        cluster.restart("a")?;
        state_is(&peers, "a", "Normal")?;
        until("the peers have no alarm", FOUND, || {
            Ok(peers.alarm("ClockOutOfStep")?.is_none().then_some(()))
        })?;
        let gone = bob.since(there);
        let gone = gone
            .iter()
            .find(|e| e.is_presence("unavailable", alice.jid()));
        assert!(gone.is_none(), "bob saw {gone:?}");
        Ok(())
    }
}
