//! Nodes come and go while clients write.

mod needs_root {
    use std::time::Duration;

    use anyhow::Result;
    use muster_testkit::{Deployment, History, Outcome, Plan, Writer, until};

    /// Acknowledged writes between two steps.
    const SOME: u64 = 50;
    /// A new node gets a copy first.
    const STEP: Duration = Duration::from_secs(60);

    /// One writer for each of the pair, at the node that lives through the test first.
    fn write(cluster: &Deployment) -> Result<History> {
        let writer = |user: usize, reader: usize, nodes: [&str; 2]| -> Result<Writer> {
            Ok(Writer {
                user: cluster.user(user).clone(),
                reader: cluster.user(reader).clone(),
                addresses: vec![cluster.c2s(nodes[0])?, cluster.c2s(nodes[1])?],
            })
        };
        let writers = vec![writer(0, 2, ["a", "b"])?, writer(1, 3, ["b", "a"])?];
        Ok(History::start(&cluster.trust()?, writers))
    }

    fn plan(hosts: &'static [&'static str]) -> Plan<'static> {
        Plan {
            users: &["alice", "bob", "carol", "dave"],
            hosts,
            ..Plan::default()
        }
    }

    #[test]
    fn a_witness_comes_later_and_another_takes_its_vote_while_clients_write() -> Outcome {
        let mut cluster = Deployment::start_with(&plan(&["a", "b"]))?;
        let ctl = cluster.ctl("a")?;
        let history = write(&cluster)?;
        history.goes_on(SOME)?;
        assert!(ctl.run(&["status"])?.contains("not protected"));
        cluster.add("w")?;
        cluster.protect()?;
        cluster.is_protected()?;
        history.goes_on(SOME)?;

        let (_, why) = ctl.refused(&["node", "remove", "w"])?;
        assert!(why.contains("third voter"), "{why}");
        cluster.add("v")?;
        history.goes_on(SOME)?;
        until("the first witness may go", STEP, || {
            Ok(ctl.run(&["node", "remove", "w"]).ok())
        })?;
        cluster.kill("w")?;
        cluster.is_protected()?;
        history.goes_on(SOME)?;

        // The new one's vote counts.
        cluster.kill("a")?;
        cluster.served_by("a", "b")?;
        history.goes_on(SOME)?;
        cluster.restart("a")?;
        cluster.come_home("a")?;
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        Ok(())
    }

    #[test]
    fn nodes_are_added_removed_and_replaced_while_clients_write() -> Outcome {
        let mut cluster = Deployment::start_with(&plan(&["a", "b", "w"]))?;
        let ctl = cluster.ctl("a")?;
        let history = write(&cluster)?;
        history.goes_on(SOME)?;

        // One more, in a group of its own, and away again.
        cluster.add("d")?;
        ctl.run(&["group", "create", "west"])?;
        ctl.run(&["group", "add-node", "west", "d"])?;
        history.goes_on(SOME)?;
        ctl.run(&["node", "remove", "d"])?;
        history.goes_on(SOME)?;

        // One dies for good, and a new one gets its place.
        cluster.kill("b")?;
        cluster.served_by("b", "a")?;
        cluster.add("c")?;
        ctl.replace("b", "c")?;
        history.goes_on(SOME)?;
        cluster.come_home("c")?;
        cluster.is_protected()?;
        history.goes_on(SOME)?;
        cluster.kill("a")?;
        cluster.served_by("a", "c")?;
        cluster.restart("a")?;
        cluster.come_home("a")?;
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        Ok(())
    }

    #[test]
    fn each_node_of_a_pair_without_a_witness_serves_its_own_users_alone() -> Outcome {
        let mut cluster = Deployment::start_with(&plan(&["a", "b"]))?;
        let ctl = cluster.ctl("a")?;
        let (_, why) = ctl.refused(&["group", "enable-ha", "east"])?;
        assert!(why.contains("no third voter"), "{why}");
        let status = ctl.run(&["status"])?;
        assert!(status.contains("not protected"), "{status}");
        let history = write(&cluster)?;
        let homes = [0, 1].map(|user| ctl.home_of(&cluster.user(user).jid));
        for home in homes {
            let left = home?;
            let dead = if left == "a" { "b" } else { "a" };
            let writer = usize::from(ctl.home_of(&cluster.user(0).jid)? != left);
            history.goes_on(SOME)?;
            cluster.kill(dead)?;
            history.goes_on_for(writer, SOME)?;
            cluster.restart(dead)?;
            history.goes_on(SOME)?;
            until("all is as it was", STEP, || Ok(ctl.run(&["status"]).ok()))?;
        }
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        Ok(())
    }
}
