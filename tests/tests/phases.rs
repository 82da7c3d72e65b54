//! A second failure in the middle of a takeover or of a fallback: each of the two nodes dies at the moment each phase is
//! seen. A relay makes the way between the nodes 20 ms long, so that a phase lasts long enough to be met.

mod needs_root {
    use std::time::Duration;

    use anyhow::{Result, ensure};
    use muster_testkit::{Deployment, History, Outcome, Plan, Watch, Writer};
    use serde_json::Value;

    const ROUND_TRIP: Duration = Duration::from_millis(20);
    /// Acknowledged writes before each fault.
    const SOME: u64 = 20;

    struct Scene {
        cluster: Deployment,
        watch: Watch,
        history: History,
        home: String,
        peer: String,
    }

    impl Scene {
        fn new() -> Result<Self> {
            let cluster = Deployment::start_with(&Plan {
                users: &["alice", "bob", "carol", "dave"],
                round_trip: ROUND_TRIP,
                ..Plan::default()
            })?;
            let ctl = cluster.any_ctl()?;
            let home = ctl.home_of(&cluster.user(0).jid)?;
            let peer = if home == "a" { "b" } else { "a" }.to_owned();
            let watch = ctl.watch()?;
            watch.listens(&ctl)?;
            let addresses = [cluster.c2s(&peer)?, cluster.c2s(&home)?];
            let writer = |user: usize, reader: usize| Writer {
                user: cluster.user(user).clone(),
                reader: cluster.user(reader).clone(),
                addresses: addresses.to_vec(),
            };
            let writers = vec![writer(0, 2), writer(1, 3)];
            let history = History::start(&cluster.trust()?, writers);
            Ok(Self {
                watch,
                history,
                home,
                peer,
                cluster,
            })
        }

        /// Kills a node when a phase is seen; `AT` and `TO` in its words stand for the home node and the peer.
        fn kill_at(&mut self, mark: usize, victim: &str, phase: &str) -> Result<()> {
            let words = phase.replace("AT", &self.home).replace("TO", &self.peer);
            self.watch.expect_since(mark, &words, |event: &Value| {
                event["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(&words))
            })?;
            self.cluster.kill(victim)
        }

        /// Everybody is back, and everything as it was.
        fn repair(&mut self, dead: &[&str]) -> Result<()> {
            for node in dead {
                self.cluster.restart(node)?;
            }
            self.history.goes_on(SOME)?;
            for node in [&self.home, &self.peer] {
                self.cluster.come_home(node)?;
            }
            self.cluster.is_protected()
        }

        fn nothing_is_lost(self) -> Result<()> {
            let verdict = self.history.check()?;
            ensure!(verdict.sets > 0 && verdict.messages > 0, "{verdict:?}");
            ensure!(verdict.lost.is_empty(), "{verdict:?}");
            Ok(())
        }
    }

    #[test]
    fn the_second_node_dies_in_every_phase_of_a_takeover_and_nothing_is_lost() -> Outcome {
        let mut scene = Scene::new()?;
        let (home, peer) = (scene.home.clone(), scene.peer.clone());
        for phase in [
            "TO hears AT no more",
            "TO opens the slot of AT",
            "the users of AT are to be served by TO",
            "TO is Running in Backup Mode",
        ] {
            scene.history.goes_on(SOME)?;
            let mark = scene.watch.mark();
            scene.cluster.kill(&home)?;
            scene.kill_at(mark, &peer, phase)?;
            scene.repair(&[&home, &peer])?;
        }
        scene.nothing_is_lost()?;
        Ok(())
    }

    #[test]
    fn either_node_dies_in_every_phase_of_a_fallback_and_nothing_is_lost() -> Outcome {
        let mut scene = Scene::new()?;
        let (home, peer) = (scene.home.clone(), scene.peer.clone());
        for phase in [
            "AT is Taking Back",
            "TO serves the users of AT no more",
            "AT opens the slot of AT",
            "TO is Normal",
        ] {
            for victim in [&home, &peer] {
                scene.history.goes_on(SOME)?;
                let ctl = scene.cluster.any_ctl()?;
                ctl.run(&["group", "failover", &home])?;
                scene.cluster.served_by(&home, &peer)?;
                let mark = scene.watch.mark();
                muster_testkit::until("the fallback begins", Duration::from_secs(60), || {
                    Ok(ctl.run(&["group", "fallback", &home]).ok())
                })?;
                scene.kill_at(mark, victim, phase)?;
                scene.repair(&[victim])?;
            }
        }
        scene.nothing_is_lost()?;
        Ok(())
    }
}
