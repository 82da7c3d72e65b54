//! Networks that are broken in part: two nodes that do not reach each other, one that is heard and does not hear, packets
//! that are lost, links that are reset, a client whose host has vanished.

mod needs_root {
    use std::time::Duration;

    use anyhow::Result;
    use muster_testkit::{
        Client, ClientOptions, Deployment, History, Library, Outcome, PacketFault, Plan, Raw,
        Writer, never, until,
    };
    use serde_json::json;

    /// The lease, 5 s without contact to a quorum until the streams are closed, and the way back.
    const TAKEOVER: Duration = Duration::from_secs(30);
    /// So long nothing may happen: many elections would fit.
    const QUIET: Duration = Duration::from_secs(4);

    /// Alice, whose node is broken, and Bob, who watches her from the other one.
    struct Scene {
        cluster: Deployment,
        alice: Client,
        bob: Client,
        home: String,
        peer: String,
        here: usize,
        there: usize,
    }

    impl Scene {
        fn new() -> Result<Self> {
            Self::with_grace(None)
        }

        fn with_grace(grace_seconds: Option<u32>) -> Result<Self> {
            let cluster = Deployment::start_with(&Plan {
                users: &["alice", "bob", "carol"],
                grace_seconds,
                ..Plan::default()
            })?;
            let ctl = cluster.any_ctl()?;
            let home = ctl.home_of(&cluster.user(0).jid)?;
            let peer = if home == "a" { "b" } else { "a" }.to_owned();
            let addresses = [cluster.c2s(&home)?, cluster.c2s(&peer)?];
            let start = |user: usize, from: &[&str]| -> Result<Client> {
                let mut client = cluster.client(
                    cluster.user(user),
                    &ClientOptions::new(Library::Slixmpp, from),
                )?;
                client.ready(0)?;
                Ok(client)
            };
            let mut alice = start(0, &addresses.each_ref().map(|a| &**a))?;
            let mut bob = start(1, &[&addresses[1]])?;
            alice.befriend(&mut bob)?;
            let (here, there) = (alice.mark(), bob.mark());
            Ok(Self {
                cluster,
                alice,
                bob,
                home,
                peer,
                here,
                there,
            })
        }

        /// Nobody is moved or disconnected, nobody seems to leave, and both can write.
        fn nothing_happens(&mut self, during: Duration) -> Result<()> {
            let ctl = self.cluster.any_ctl()?;
            let mut n = 0;
            never("something happened", during, || {
                n += 1;
                for client in [&mut self.alice, &mut self.bob] {
                    client.ask(json!({"do": "roster-set", "jid": format!("c{}@elsewhere.example", n % 50)}))?;
                }
                let mut seen = self.alice.since(self.here);
                seen.extend(self.bob.since(self.there));
                let odd = seen
                    .into_iter()
                    .find(|e| e.is("disconnected") || e.text("type") == "unavailable");
                Ok(odd.map(|event| format!("{event:?}")))
            })?;
            for node in [&self.home, &self.peer] {
                assert_eq!(ctl.owner_of(node)?.as_ref(), Some(node), "who serves");
                assert_eq!(ctl.state_of(node)?.0, "Normal", "{node}");
            }
            Ok(())
        }

        /// Nobody moved: what is said now is heard.
        fn both_hear(&mut self, word: &str) -> Result<()> {
            self.bob.chat(self.alice.jid(), word)?;
            self.alice
                .expect(self.here, "a message", |e| e.is_message(word))?;
            self.alice.chat(self.bob.jid(), word)?;
            self.bob
                .expect(self.there, "an answer", |e| e.is_message(word))?;
            Ok(())
        }

        fn nobody_seemed_to_leave(&self) -> Result<()> {
            never("false unavailable", Duration::from_secs(3), || {
                Ok(self
                    .bob
                    .since(self.there)
                    .into_iter()
                    .find(|e| e.is_presence("unavailable", self.alice.jid())))
            })
        }
    }

    #[test]
    fn two_nodes_that_do_not_reach_each_other_both_go_on_serving() -> Outcome {
        let mut scene = Scene::new()?;
        scene.cluster.part(&scene.home, &scene.peer)?;
        scene.nothing_happens(QUIET)?;
        for node in [&scene.home, &scene.peer] {
            scene.cluster.mend_packets(node)?;
        }
        scene.both_hear("in contact again")?;
        scene.nobody_seemed_to_leave()?;
        Ok(())
    }

    #[test]
    fn a_node_cut_from_the_witness_only_goes_on_serving() -> Outcome {
        let mut scene = Scene::new()?;
        scene.cluster.part(&scene.home, "w")?;
        scene.nothing_happens(QUIET)?;
        scene.both_hear("without the witness")?;
        for node in [&scene.home, "w"] {
            scene.cluster.mend_packets(node)?;
        }
        scene.nothing_happens(Duration::from_secs(1))?;
        Ok(())
    }

    #[test]
    fn reset_links_are_a_hint_and_no_failover() -> Outcome {
        let mut scene = Scene::new()?;
        let home = scene.home.clone();
        let links_up = |scene: &Scene| -> Result<usize> {
            Ok(scene.cluster.log(&home)?.matches("link up").count())
        };
        for _ in 0..3 {
            let before = links_up(&scene)?;
            scene
                .cluster
                .break_packets(&home, &PacketFault::ResetLinks)?;
            until("the links were made anew", TAKEOVER, || {
                Ok((links_up(&scene)? >= before + 2).then_some(()))
            })?;
            scene.cluster.mend_packets(&home)?;
        }
        scene.nothing_happens(Duration::from_secs(2))?;
        scene.both_hear("still here")?;
        Ok(())
    }

    #[test]
    fn one_packet_in_twenty_is_lost_and_nobody_notices() -> Outcome {
        let mut scene = Scene::new()?;
        let writer = Writer {
            user: scene.cluster.user(1).clone(),
            reader: scene.cluster.user(2).clone(),
            addresses: vec![scene.cluster.c2s(&scene.home)?],
        };
        for node in ["a", "b", "w"] {
            scene.cluster.break_packets(node, &PacketFault::Loss(5))?;
        }
        let history = History::start(&scene.cluster.trust()?, vec![writer]);
        scene.nothing_happens(2 * QUIET)?;
        history.goes_on(20)?;
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        scene.both_hear("over a bad line")?;
        scene.nobody_seemed_to_leave()?;
        Ok(())
    }

    /// Whatever the node thinks, the other two decide, and what it acknowledged is there.
    fn one_way(break_it: impl Fn(&Scene) -> Result<()>) -> Result<()> {
        let mut scene = Scene::new()?;
        let (home, peer) = (scene.home.clone(), scene.peer.clone());
        let writer = Writer {
            user: scene.cluster.user(0).clone(),
            reader: scene.cluster.user(2).clone(),
            addresses: vec![scene.cluster.c2s(&home)?, scene.cluster.c2s(&peer)?],
        };
        let history = History::start(&scene.cluster.trust()?, vec![writer]);
        history.goes_on(50)?;
        break_it(&scene)?;
        let ctl = scene.cluster.ctl("w")?;
        until("the peer serves", TAKEOVER, || {
            Ok((ctl.owner_of(&home)?.as_ref() == Some(&peer)).then_some(()))
        })?;
        history.goes_on(50)?;
        scene
            .alice
            .expect_within(scene.here, "she is served by the peer", TAKEOVER, |e| {
                e.is("ready")
            })?;
        scene.both_hear("one way")?;
        for node in ["a", "b", "w"] {
            scene.cluster.mend_packets(node)?;
        }
        scene.cluster.come_home(&home)?;
        history.goes_on(20)?;
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        scene.nobody_seemed_to_leave()
    }

    #[test]
    fn a_node_that_hears_nobody_is_taken_over_and_comes_back() -> Outcome {
        one_way(|scene| {
            for other in [&scene.peer, "w"] {
                let deaf = PacketFault::DeafTo(other.to_owned());
                scene.cluster.break_packets(&scene.home, &deaf)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    #[test]
    fn a_node_that_nobody_hears_is_taken_over_and_comes_back() -> Outcome {
        one_way(|scene| {
            for other in [&scene.peer, "w"] {
                let deaf = PacketFault::DeafTo(scene.home.clone());
                scene.cluster.break_packets(other, &deaf)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    #[test]
    fn a_cut_off_node_closes_clients_and_listeners_and_opens_them_when_it_has_caught_up() -> Outcome
    {
        let mut scene = Scene::new()?;
        let (home, peer) = (scene.home.clone(), scene.peer.clone());
        let own = scene.cluster.c2s(&home)?;
        scene.cluster.cut(&home)?;
        let gone = scene
            .alice
            .expect_within(scene.here, "she is let go", TAKEOVER, |e| {
                e.is("stream-error") || e.is("disconnected")
            })?;
        assert_eq!(gone.text("condition"), "system-shutdown", "{gone:?}");
        until("the listener is closed", TAKEOVER, || {
            Ok(Raw::connect(&own).is_err().then_some(()))
        })?;
        scene
            .alice
            .expect_within(scene.here, "she is served by the peer", TAKEOVER, |e| {
                e.is("ready")
            })?;
        let word = json!({"do": "roster-set", "jid": "meanwhile@elsewhere.example"});
        scene.alice.ask(word)?;
        scene.cluster.heal(&home)?;
        until("the listener is open", TAKEOVER, || {
            Ok(Raw::connect(&own).is_ok().then_some(()))
        })?;
        // Whoever gets in there is told what was decided meanwhile.
        let mut carol = scene.cluster.client(
            scene.cluster.user(0),
            &ClientOptions {
                resource: Some("second".to_owned()),
                ..ClientOptions::new(Library::Slixmpp, &[&own])
            },
        )?;
        carol.ready(0)?;
        let roster = carol.roster()?;
        let there = |jid: &str| roster.iter().any(|item| item["jid"] == jid);
        assert!(there("meanwhile@elsewhere.example"), "{roster:?}");
        scene.cluster.come_home(&home)?;
        assert_eq!(scene.cluster.any_ctl()?.owner_of(&peer)?, Some(peer));
        scene.nobody_seemed_to_leave()?;
        Ok(())
    }

    #[test]
    fn a_client_whose_host_vanished_becomes_unavailable_in_time_and_once() -> Outcome {
        /// What is sent to a client must be acknowledged within a minute; then the grace begins.
        const NOTICED: Duration = Duration::from_secs(90);
        let mut scene = Scene::with_grace(Some(2))?;
        let resource = "vanished";
        let full = format!("{}/{resource}", scene.alice.jid());
        let mut raw = Raw::login(
            &scene.cluster.c2s(&scene.home)?,
            &scene.cluster.trust()?,
            scene.cluster.user(0),
            resource,
        )?;
        raw.send("<presence/>")?;
        scene.bob.expect(scene.there, "presence", |e| {
            e.is_presence("available", &full)
        })?;
        let vanished = PacketFault::LostClient(raw.local_address()?);
        scene.cluster.break_packets(&scene.home, &vanished)?;
        scene.bob.chat(&full, "are you there?")?;
        let leaves = |e: &muster_testkit::Event| e.is_presence("unavailable", &full);
        scene
            .bob
            .expect_within(scene.there, "unavailable", NOTICED, leaves)?;
        never(
            "a second time, or somebody else",
            Duration::from_secs(2),
            || {
                let seen = scene.bob.since(scene.there);
                let gone = seen.iter().filter(|e| e.text("type") == "unavailable");
                let count = gone.count();
                Ok((count != 1).then_some(count))
            },
        )?;
        // Her other client is not concerned.
        scene.both_hear("who is there?")?;
        Ok(())
    }
}
