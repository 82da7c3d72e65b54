//! Services of a living node that hang or fail: threads that stand still, a disk that hangs, a disk that is full, no file
//! descriptors left. And what a node says of itself: what it waits for at its start, how far its copies are.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use muster_testkit::{
    Ctl, Freezer, Library, Outcome, PATIENCE, Quickstart, SlowLink, free_port, never, until,
};
use muster_tests::{Couple, log_in};
use serde_json::{Value, json};

/// The delay of a critical service (10 s), and the way to the peer.
const GIVEN_UP: Duration = Duration::from_secs(20);
const NOT_RUNNING: &str = "Failed Over with Critical Services Not Running";
const BACKUP: &str = "Running in Backup Mode";
const DOWN: &str = "Critical Service Down";
/// The group of a quickstart.
const GROUP: &str = "main";

/// Waits until a node is in a state for a reason.
fn in_state(ctl: &Ctl, node: &str, state: &str, reason: &str) -> Outcome {
    until(&format!("{node} is {state} ({reason})"), GIVEN_UP, || {
        let is = ctl.state_of(node)?;
        Ok((is == (state.to_owned(), reason.to_owned())).then_some(()))
    })?;
    Ok(())
}

fn served_by(ctl: &Ctl, home: &str, owner: &str) -> Result<()> {
    until(&format!("{owner} serves {home}"), GIVEN_UP, || {
        Ok((ctl.owner_of(home)?.as_deref() == Some(owner)).then_some(()))
    })
}

#[test]
fn a_node_whose_router_and_shards_hang_gives_its_users_up_and_gets_them_back() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
    let ctl = cluster.ctl_of(peer);
    ctl.run(&["settings", "set", "fallback-delay=5s"])?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, peer)?;
    alice.befriend(&mut bob)?;
    let there = bob.mark();
    let frozen = Freezer::workers(cluster.node(home)?.pid)?;
    served_by(&ctl, home, peer)?;
    in_state(&ctl, home, NOT_RUNNING, DOWN)?;
    in_state(&ctl, peer, BACKUP, DOWN)?;
    let mut second = log_in(&cluster, Library::Aioxmpp, &couple.alice, peer)?;
    bob.chat(&couple.alice.jid, "over there?")?;
    second.expect(0, "a message", |e| e.is_message("over there?"))?;
    never("it goes home", Duration::from_secs(8), || {
        Ok(ctl.owner_of(home)?.filter(|owner| owner != peer))
    })?;
    drop(frozen);
    in_state(&ctl, home, "Failed Over", DOWN)?;
    served_by(&ctl, home, home)?;
    in_state(&ctl, home, "Normal", "")?;
    let gone = bob
        .since(there)
        .into_iter()
        .find(|event| event.is_presence("unavailable", &couple.alice.jid));
    assert!(gone.is_none(), "bob saw {gone:?}");
    Ok(())
}

#[test]
fn a_backup_whose_services_hang_gives_everything_back_at_once() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.clone(), couple.peer.clone());
    cluster.kill(&home)?;
    served_by(&cluster.ctl_of(&peer), &home, &peer)?;
    cluster.restart(&home)?;
    let ctl = cluster.ctl_of(&home);
    until("it is back", PATIENCE, || {
        Ok(ctl
            .state_of(&home)
            .is_ok_and(|(state, _)| state == "Failed Over")
            .then_some(()))
    })?;
    let frozen = Freezer::workers(cluster.node(&peer)?.pid)?;
    let auto = "Auto Recover Critical Service Down";
    in_state(&ctl, &home, "Backup Activated", auto)?;
    in_state(&ctl, &peer, "Failover Affected Services", auto)?;
    served_by(&ctl, &home, &home)?;
    served_by(&ctl, &peer, &home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &home)?;
    bob.ask(json!({"do": "ping"}))?;
    drop(frozen);
    in_state(&ctl, &peer, "Failed Over", DOWN)?;
    in_state(&ctl, &home, BACKUP, DOWN)
}

/// The rows of `get replication` for a node's copies.
fn copies(ctl: &Ctl, node: &str) -> Result<Vec<Value>> {
    let all = ctl.json(&["get", "replication"])?;
    let rows = all.as_array().context("no list")?;
    Ok(rows
        .iter()
        .filter(|row| row["node"] == node)
        .cloned()
        .collect())
}

#[test]
fn replication_is_shown_with_its_lag_in_entries_bytes_and_seconds() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let is = |state: &'static str| {
        move |rows: Vec<Value>| {
            (rows.len() == 3 && rows.iter().all(|row| row["state"] == state)).then_some(rows)
        }
    };
    let follows = |row: &Value| row["state"] == "in step" || row["state"] == "leads";
    until("all copies are in step", PATIENCE, || {
        let rows = copies(&ctl, "w")?;
        Ok((rows.len() == 3 && rows.iter().all(follows)).then_some(()))
    })?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    cluster.pause("w")?;
    for n in 0..10 {
        alice.ask(json!({"do": "roster-set", "jid": format!("contact{n}@elsewhere.example")}))?;
    }
    // Every node tells the same, whoever leads.
    for node in ["a", "b"] {
        let rows = until("w is missed", PATIENCE, || {
            Ok(is("unreachable")(copies(&cluster.ctl_of(node), "w")?))
        })?;
        let written = |row: &&Value| row["home"] == couple.home.as_str();
        let row = rows.iter().find(written).context("no row of the slot")?;
        let at_least = |name: &str, least: f64| row[name].as_f64().is_some_and(|is| is >= least);
        assert!(
            at_least("lag_entries", 10.0)
                && at_least("lag_bytes", 200.0)
                && at_least("lag_seconds", 0.5),
            "{row}"
        );
    }
    let text = ctl.run(&["get", "replication"])?;
    assert!(
        text.contains("unreachable") && text.contains("SECONDS"),
        "{text}"
    );
    cluster.resume("w")?;
    until("w has caught up", PATIENCE, || {
        let rows = copies(&ctl, "w")?;
        let nothing = |row: &Value| row["lag_entries"] == 0 && row["lag_bytes"] == 0;
        Ok((rows.len() == 3 && rows.iter().all(|row| follows(row) && nothing(row))).then_some(()))
    })?;
    Ok(())
}

#[test]
fn the_first_node_of_a_cluster_waits_a_bounded_time_and_says_what_it_waits_for() -> Outcome {
    let mut cluster = Quickstart::start()?;
    for node in ["a", "b", "w"] {
        cluster.kill(node)?;
    }
    let begun = Instant::now();
    cluster.restart("a")?;
    let ctl = cluster.ctl_of("a");
    until("the alarm is raised", PATIENCE, || {
        let words = ctl.alarm("StartDelayed").ok().flatten();
        Ok(words.filter(|words| words.contains("the start is delayed")))
    })?;
    assert!(
        ctl.run(&["status"])?
            .contains("ALARM StartDelayed (warning): the start is delayed")
    );
    let log = cluster.folder().join("a-again.log");
    let waited = until("it takes clients", Duration::from_secs(30), || {
        let opened = fs::read_to_string(&log)?.contains("for clients, STARTTLS");
        Ok(opened.then(|| begun.elapsed()))
    })?;
    assert!(waited > Duration::from_secs(10), "{waited:?}");
    for node in ["b", "w"] {
        cluster.restart(node)?;
    }
    until("the alarm is over", PATIENCE, || {
        Ok(ctl.alarm("StartDelayed")?.is_none().then_some(()))
    })?;
    in_state(&ctl, "a", "Normal", "")?;
    in_state(&ctl, "b", "Normal", "")?;
    let text = fs::read_to_string(&log)?;
    assert!(
        text.contains("has caught up"),
        "the all-clear is in the log"
    );
    Ok(())
}

/// Waits until a node says that its services run.
fn services_run(cluster: &Quickstart, node: &str) -> Outcome {
    until("its services run", PATIENCE, || {
        let services = cluster.ctl_of(node).json(&["get", "services"])?;
        let services = services.as_array().context("no list")?.clone();
        let run = services.iter().all(|service| service["state"] == "running");
        Ok((services.len() == 6 && run).then_some(()))
    })?;
    Ok(())
}

/// Lets the other nodes reach a node, which does not run now, through a slow link.
fn slow_down(cluster: &Quickstart, node: &str, bytes_a_second: u64) -> Result<SlowLink> {
    let file = cluster.folder().join(format!("{node}.toml"));
    let config = fs::read_to_string(&file)?;
    let (before, link) = config.split_once("[link]\n").context("no [link]")?;
    let known = (link.split('"').nth(1)).context("no address")?.to_owned();
    let listen = format!("127.0.0.1:{}", free_port()?);
    let link = link.replacen(&known, &listen, 1);
    fs::write(
        &file,
        format!("{before}[link]\nadvertise = \"{known}\"\n{link}"),
    )?;
    let (known, listen) = (known.parse()?, listen.parse()?);
    until("its port is free", PATIENCE, || {
        Ok(SlowLink::start(known, listen, bytes_a_second).ok())
    })
}

#[test]
fn a_node_that_is_behind_takes_no_clients_until_it_has_caught_up_and_the_others_serve() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.clone(), couple.peer.clone());
    let ctl = cluster.ctl_of(&peer);
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &peer)?;
    cluster.kill(&home)?;
    let slow = slow_down(&cluster, &home, 100_000)?;
    served_by(&ctl, &home, &peer)?;
    let name = "x".repeat(1_000);
    for n in 0..1_500 {
        let jid = format!("contact{}@elsewhere.example", n % 100);
        bob.tell(json!({"do": "roster-set", "jid": jid, "name": name}))?;
    }
    bob.ask(json!({"do": "roster-set", "jid": "last@elsewhere.example"}))?;
    cluster.restart(&home)?;
    let here = cluster.ctl_of(&home);
    // At first it may not even have heard who leads.
    until("the alarm says that it is catching up", GIVEN_UP, || {
        let words = here.alarm("StartDelayed").ok().flatten();
        let catching_up = |words: &String| {
            words.contains("the start is delayed") && words.contains("catching up")
        };
        Ok(words.filter(catching_up).map(drop))
    })?;
    let log = cluster.folder().join(format!("{home}-again.log"));
    let takes_clients =
        || -> Result<bool> { Ok(fs::read_to_string(&log)?.contains("for clients, STARTTLS")) };
    assert!(!takes_clients()?, "it is behind");
    // The others serve its users, and say so.
    assert_eq!(ctl.alarm("StartDelayed")?, None);
    let words = ctl.alarm("Failover")?.unwrap_or_default();
    assert!(
        words.contains(&format!("the users of {home} too")),
        "{words}"
    );
    let mut alice = log_in(&cluster, Library::Aioxmpp, &couple.alice, &peer)?;
    alice.ask(json!({"do": "roster-set", "jid": "carol@elsewhere.example"}))?;
    slow.set(100_000_000);
    until("it takes clients", GIVEN_UP, || {
        Ok(takes_clients()?.then_some(()))
    })?;
    assert_eq!(here.alarm("StartDelayed")?, None);
    in_state(&ctl, &home, "Failed Over", "Initialization")
}

#[test]
fn when_the_services_of_both_nodes_hang_the_pair_is_in_failed_mode_and_an_operator_recovers_it()
-> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl_of("w");
    let frozen = Freezer::workers(cluster.node("a")?.pid)?;
    in_state(&ctl, "a", NOT_RUNNING, DOWN)?;
    let also = Freezer::workers(cluster.node("b")?.pid)?;
    for node in ["a", "b"] {
        in_state(&ctl, node, "Running in Failed Mode", DOWN)?;
    }
    drop((frozen, also));
    for node in ["a", "b"] {
        services_run(&cluster, node)?;
    }
    ctl.run(&["group", "recover", GROUP])?;
    for node in ["a", "b"] {
        in_state(&ctl, node, "Normal", "")?;
        served_by(&ctl, node, node)?;
    }
    Ok(())
}

#[test]
fn users_are_not_taken_back_by_a_node_whose_services_do_not_run() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
    let ctl = cluster.ctl_of(peer);
    ctl.run(&["group", "failover", home])?;
    in_state(&ctl, home, "Idle", "Admin Request")?;
    let frozen = Freezer::workers(cluster.node(home)?.pid)?;
    until("the services are missed", GIVEN_UP, || {
        let log = fs::read_to_string(cluster.folder().join(format!("{home}.log")))?;
        Ok(log.contains("a critical service has failed").then_some(()))
    })?;
    in_state(&ctl, home, "Idle", "Admin Request")?;
    ctl.run(&["group", "fallback", home])?;
    for node in [home, peer] {
        let reason = "Start of Critical Services Failed";
        in_state(&ctl, node, "Running in Failed Mode", reason)?;
    }
    served_by(&ctl, home, peer)?;
    drop(frozen);
    services_run(&cluster, home)?;
    ctl.run(&["group", "recover", GROUP])?;
    served_by(&ctl, home, home)?;
    in_state(&ctl, home, "Normal", "")
}

mod needs_root {
    use super::*;
    use muster_testkit::{Volume, alive};
    use std::path::Path;
    use std::process::Command;

    /// Less than the delay of the critical service `store`.
    const STANDSTILL: Duration = Duration::from_secs(5);

    #[test]
    fn a_node_whose_disk_hangs_gives_its_users_up_and_is_back_with_the_disk() -> Outcome {
        let mut cluster = Quickstart::start()?;
        let couple = Couple::of(&cluster)?;
        let (home, peer) = (couple.home.clone(), couple.peer.clone());
        let ctl = cluster.ctl_of(&peer);
        cluster.kill(&home)?;
        served_by(&ctl, &home, &peer)?;
        let disk = Volume::on_image(&cluster.folder().join(&home), 256)?;
        cluster.restart(&home)?;
        cluster.come_home(&home)?;
        let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &home)?;
        disk.freeze()?;
        let failure = "Database Failure";
        in_state(&ctl, &home, NOT_RUNNING, failure)?;
        in_state(&ctl, &peer, BACKUP, failure)?;
        served_by(&ctl, &home, &peer)?;
        // She is still connected to the node whose disk hangs, and her writes are safe.
        alice.ask(json!({"do": "roster-set", "jid": "carol@elsewhere.example"}))?;
        disk.thaw()?;
        in_state(&ctl, &home, "Failed Over", failure)
    }

    #[test]
    fn disks_that_stand_still_for_seconds_cost_no_owner_its_lease_and_delay_no_presence() -> Outcome
    {
        let mut cluster = Quickstart::start()?;
        let couple = Couple::of(&cluster)?;
        let mut disks = Vec::new();
        for node in ["w", &couple.peer, &couple.home] {
            cluster.kill(node)?;
            disks.push(Volume::on_image(&cluster.folder().join(node), 256)?);
            cluster.restart(node)?;
            cluster.come_home(&couple.home)?;
            cluster.come_home(&couple.peer)?;
        }
        let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
        let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
        alice.befriend(&mut bob)?;
        let lapses = |log: &Path| -> Result<usize> {
            Ok(fs::read_to_string(log)?.matches("lease lost").count())
        };
        let before = lapses(&cluster.log())?;
        let (here, there) = (alice.mark(), bob.mark());
        for disk in &disks {
            disk.freeze()?;
        }
        // Nobody can tell her yet that it is durable.
        let contact = "carol@elsewhere.example";
        alice.tell(json!({"do": "roster-set", "jid": contact}))?;
        let until = Instant::now() + STANDSTILL;
        let mut shown = 0;
        while Instant::now() < until {
            shown += 1;
            let status = format!("still here {shown}");
            alice.ask(json!({"do": "presence", "status": status}))?;
            bob.expect_within(there, "her presence", Duration::from_secs(1), |event| {
                event.is_presence("available", &couple.alice.jid) && event.text("status") == status
            })?;
        }
        let early = alice.since(here);
        assert!(
            !early.iter().any(|event| event.is("roster-push")),
            "{early:?}"
        );
        for disk in &disks {
            disk.thaw()?;
        }
        let roster = alice.roster()?;
        assert!(
            roster.iter().any(|item| item["jid"] == contact),
            "{roster:?}"
        );
        assert!(shown > 1);
        assert_eq!(lapses(&cluster.log())?, before, "leases were lost");
        let mut seen = bob.since(there).into_iter();
        let gone = seen.find(|event| event.is_presence("unavailable", &couple.alice.jid));
        assert!(gone.is_none(), "{gone:?}");
        Ok(())
    }

    #[test]
    fn a_node_whose_disk_is_full_says_so_and_ends_and_its_users_are_served() -> Outcome {
        let mut cluster = Quickstart::start()?;
        let couple = Couple::of(&cluster)?;
        let (home, peer) = (couple.home.clone(), couple.peer.clone());
        let ctl = cluster.ctl_of(&peer);
        cluster.kill(&home)?;
        served_by(&ctl, &home, &peer)?;
        let disk = Volume::in_memory(&cluster.folder().join(&home), 16)?;
        cluster.restart(&home)?;
        cluster.come_home(&home)?;
        let pid = cluster.node(&home)?.pid;
        let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &peer)?;
        disk.fill()?;
        let mut n = 0;
        until("the disk is missed", Duration::from_secs(60), || {
            n += 1;
            let contact = format!("contact{}@elsewhere.example", n % 100);
            let name = "a name ".repeat(100);
            bob.tell(json!({"do": "roster-set", "jid": contact, "name": name}))?;
            Ok((!alive(pid)).then_some(()))
        })?;
        let failure = "Database Failure";
        in_state(&ctl, &home, NOT_RUNNING, failure)?;
        in_state(&ctl, &peer, BACKUP, failure)?;
        served_by(&ctl, &home, &peer)?;
        let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &peer)?;
        alice.ask(json!({"do": "roster-set", "jid": "carol@elsewhere.example"}))?;
        disk.empty()?;
        cluster.restart(&home)?;
        in_state(&ctl, &home, "Failed Over", "Initialization")
    }

    #[test]
    fn a_node_that_can_take_no_connection_gives_its_users_up() -> Outcome {
        let cluster = Quickstart::start()?;
        let couple = Couple::of(&cluster)?;
        let (home, peer) = (couple.home.as_str(), couple.peer.as_str());
        let ctl = cluster.ctl_of(peer);
        let pid = cluster.node(home)?.pid;
        let open_files = |soft: &str| -> Result<()> {
            let limit = format!("--nofile={soft}:");
            let status = Command::new("prlimit")
                .args(["--pid", &pid.to_string(), &limit])
                .status()
                .context("starting prlimit")?;
            anyhow::ensure!(status.success(), "prlimit {limit}");
            Ok(())
        };
        open_files("8")?;
        in_state(&ctl, home, NOT_RUNNING, DOWN)?;
        served_by(&ctl, home, peer)?;
        open_files("1024")?;
        in_state(&ctl, home, "Failed Over", DOWN)
    }
}
