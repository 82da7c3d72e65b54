//! Nodes far from each other: 80 ms and 200 ms there and back, with the profile `wan`.

mod needs_root {
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result};
    use muster_testkit::{
        Client, ClientOptions, Deployment, History, Library, Outcome, Plan, Writer, never,
    };
    use serde_json::Value;

    /// What the project promises for 80 ms.
    const TAKEOVER: Duration = Duration::from_secs(3);
    /// So long nobody may be taken over in every change; `cargo xtask prove far` watches for an hour.
    const WATCHED_S: u64 = 15;
    const SOME: u64 = 12;

    struct Scene {
        cluster: Deployment,
        history: History,
        home: String,
        peer: String,
    }

    impl Scene {
        /// A cluster at a distance, with clients that write.
        fn at(round_trip: Duration) -> Result<Self> {
            let cluster = Deployment::start_with(&Plan {
                users: &["alice", "bob", "carol", "dave"],
                profile: Some("wan"),
                round_trip,
                ..Plan::default()
            })?;
            let ctl = cluster.any_ctl()?;
            let home = ctl.home_of(&cluster.user(0).jid)?;
            let peer = if home == "a" { "b" } else { "a" }.to_owned();
            let addresses = [cluster.c2s(&peer)?, cluster.c2s(&home)?];
            let writer = |user: usize, reader: usize| Writer {
                user: cluster.user(user).clone(),
                reader: cluster.user(reader).clone(),
                addresses: addresses.to_vec(),
            };
            let history = History::start(&cluster.trust()?, vec![writer(0, 2), writer(1, 3)]);
            history.goes_on(SOME)?;
            Ok(Self {
                cluster,
                history,
                home,
                peer,
            })
        }

        fn client(&self, user: usize, from: &[&str]) -> Result<Client> {
            let addresses = from
                .iter()
                .map(|node| self.cluster.c2s(node))
                .collect::<Result<Vec<_>>>()?;
            let addresses: Vec<_> = addresses.iter().map(|address| &**address).collect();
            let mut client = self.cluster.client(
                self.cluster.user(user),
                &ClientOptions::new(Library::Slixmpp, &addresses),
            )?;
            client.ready(0)?;
            Ok(client)
        }

        /// The epoch of every slot: it changes with each owner.
        fn epochs(&self) -> Result<Vec<Value>> {
            let slots = self.cluster.any_ctl()?.json(&["get", "slots"])?;
            let slots = slots.as_array().context("get slots prints no list")?;
            Ok(slots.iter().map(|slot| slot["epoch"].clone()).collect())
        }
    }

    #[test]
    fn at_80_ms_a_killed_nodes_users_are_served_within_3_s_and_nothing_is_lost() -> Outcome {
        let mut scene = Scene::at(Duration::from_millis(80))?;
        let (home, peer) = (scene.home.clone(), scene.peer.clone());
        let mut alice = scene.client(0, &[&home, &peer])?;
        let mut bob = scene.client(1, &[&peer])?;
        alice.befriend(&mut bob)?;
        let (here, there) = (alice.mark(), bob.mark());
        // Alice's writer is connected to the living node. One answer may have been on its way.
        let begun = Instant::now();
        scene.cluster.kill(&home)?;
        scene.history.goes_on_for(0, 2)?;
        let took = begun.elapsed();
        assert!(took < TAKEOVER, "{took:?}");
        alice.expect(here, "alice is back", |e| e.is("ready"))?;
        bob.chat(alice.jid(), "far away?")?;
        alice.expect(here, "a message", |e| e.is_message("far away?"))?;
        scene.history.goes_on(SOME)?;
        scene.cluster.restart(&home)?;
        scene.cluster.come_home(&home)?;
        scene.history.goes_on(SOME)?;
        let verdict = scene.history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        let mut seen = bob.since(there).into_iter();
        let gone = seen.find(|e| e.is_presence("unavailable", alice.jid()));
        assert!(gone.is_none(), "{gone:?}");
        Ok(())
    }

    #[test]
    fn at_200_ms_nobody_is_taken_over_without_a_reason() -> Outcome {
        let scene = Scene::at(Duration::from_millis(200))?;
        let before = scene.epochs()?;
        assert!(before.iter().all(Value::is_u64), "{before:?}");
        let watched = std::env::var("MUSTER_FAR_SECONDS");
        let watched = watched.map_or(Ok(WATCHED_S), |seconds| seconds.parse())?;
        never("a false failover", Duration::from_secs(watched), || {
            let now = scene.epochs()?;
            Ok((now != before).then_some(now))
        })?;
        scene.history.goes_on(SOME)?;
        let verdict = scene.history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        Ok(())
    }
}
