//! Disks that are full or lie.

mod needs_root {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;

    use anyhow::{Context, Result};
    use muster_testkit::{Deployment, History, Outcome, PATIENCE, Plan, Writer, until};

    /// Acknowledged writes before and after the fault.
    const SOME: u64 = 100;
    const DISK_MIB: u32 = 24;

    /// Takes all the room that is left; returns the file to remove.
    fn fill(folder: &Path) -> Result<std::path::PathBuf> {
        let path = folder.join("everything-else");
        let mut file = File::create(&path)?;
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(path)
    }

    #[test]
    fn a_node_with_a_full_disk_ends_and_says_why_and_the_peer_serves() -> Outcome {
        let mut cluster = Deployment::start_with(&Plan {
            users: &["alice", "bob", "carol"],
            small_disk: Some(("a", DISK_MIB)),
            ..Plan::default()
        })?;
        let ctl = cluster.any_ctl()?;
        let mut users = (0..2).map(|n| cluster.user(n).clone());
        let user = users
            .find(|user| ctl.home_of(&user.jid).is_ok_and(|home| home == "a"))
            .context("a has no user")?;
        let writer = Writer {
            user,
            reader: cluster.user(2).clone(),
            addresses: vec![cluster.c2s("a")?, cluster.c2s("b")?],
        };
        let history = History::start(&cluster.trust()?, vec![writer]);
        history.goes_on(SOME)?;
        let rest = fill(&cluster.folder().join("a"))?;
        until("the node has ended", 3 * PATIENCE, || {
            Ok(cluster.ended("a")?.is_some().then_some(()))
        })?;
        let code = cluster.ended("a")?;
        let said = cluster.log("a")?;
        assert_eq!(code, Some(Some(74)), "{said}");
        for word in ["No space left", "free"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
        cluster.served_by("a", "b")?;
        history.goes_on(SOME)?;

        // With room again it comes back with what it has, and gets the rest.
        fs::remove_file(rest)?;
        cluster.restart("a")?;
        cluster.come_home("a")?;
        history.goes_on(SOME)?;
        let verdict = history.check()?;
        assert!(verdict.lost.is_empty(), "{verdict:?}");
        Ok(())
    }
}
