//! A node's life beside its users: how it ends, what it tells the service manager, how it is replaced.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use muster_testkit::{
    Ctl, Library, Outcome, PATIENCE, Process, Quickstart, Signal, alive, free_ports, signal, until,
};
use muster_tests::{Couple, log_in};
use serde_json::{Value, json};

/// A hand-over does not wait until the peer has noticed anything (`peer-timeout` is 500 ms).
const HAND_OVER_MS: u64 = 450;

#[test]
fn a_node_that_is_told_to_end_hands_over_and_says_so() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let watch = ctl.watch()?;
    watch.listens(&ctl)?;
    let (here, there) = (alice.mark(), bob.mark());
    let pid = cluster.node(&couple.home)?.pid;
    signal(pid, Signal::Term)?;
    alice.expect(here, "the reason", |e| {
        e.is("stream-error") && e.text("condition") == "system-shutdown"
    })?;
    alice.expect(here, "alice is back", |e| e.is("ready"))?;
    let moved = watch.expect("the peer serves", |event| {
        event["kind"] == "slot" && event["fields"]["node"] == couple.peer && gap_ms(event).is_some()
    })?;
    let gap = gap_ms(&moved).unwrap_or(u64::MAX);
    assert!(gap < HAND_OVER_MS, "{moved}");
    until("the process ends", PATIENCE, || {
        Ok((!alive(pid)).then_some(()))
    })?;
    bob.chat(&couple.alice.jid, "still there?")?;
    alice.expect(here, "a message", |e| e.is_message("still there?"))?;
    let gone = bob
        .since(there)
        .into_iter()
        .find(|e| e.text("type") == "unavailable");
    assert!(gone.is_none(), "bob saw {gone:?}");
    Ok(())
}

fn gap_ms(event: &Value) -> Option<u64> {
    event["fields"]["gap_ms"].as_str()?.parse().ok()
}

#[test]
fn a_wiped_node_comes_back_under_a_new_id_and_takes_its_place() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (old, peer) = (couple.home.clone(), couple.peer.clone());
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &old)?;
    alice.ask(json!({"do": "roster-set", "jid": "carol@elsewhere.example", "name": "Carol"}))?;
    cluster.kill(&old)?;
    served_by(&ctl, &old, &peer)?;

    let new = format!("{old}2");
    fs::remove_dir_all(cluster.folder().join(&old))?;
    let file = cluster.folder().join(format!("{old}.toml"));
    let config = fs::read_to_string(&file)?;
    fs::write(
        &file,
        config.replace(&format!("name = \"{old}\""), &format!("name = \"{new}\"")),
    )?;
    cluster.restart(&old)?;
    let on_new = at_socket(&ctl, &cluster.folder().join(&old));
    let token = ctl.json(&["token", "create", "--role", "serving"])?;
    let token = token["token"].as_str().context("no token")?.to_owned();
    until("the empty node takes commands", PATIENCE, || {
        Ok(on_new.run(&["cluster", "join", &token]).ok())
    })?;
    let (_, why) =
        at_socket(&ctl, &cluster.folder().join("w")).refused(&["cluster", "join", &token])?;
    assert!(why.contains("belongs to a cluster"), "{why}");
    ctl.replace(&old, &new)?;
    assert_eq!(
        ctl.home_of(&couple.alice.jid)?,
        new,
        "accounts stay with the place"
    );

    // It gets the data by itself, and its users when they are sent home.
    until(
        "the new node is ready for its users",
        Duration::from_secs(60),
        || Ok(ctl.run(&["group", "fallback", &new]).ok()),
    )?;
    served_by(&ctl, &new, &new)?;
    until("all is normal", PATIENCE, || {
        Ok((ctl.state_of(&new)?.0 == "Normal").then_some(()))
    })?;
    let here = alice.mark();
    cluster.kill(&peer)?;
    served_by(&ctl, &peer, &new)?;
    alice.expect(here, "alice is back", |e| e.is("ready"))?;
    let roster = alice.roster()?;
    assert_eq!(roster[0]["name"], "Carol", "{roster:?}");
    Ok(())
}

fn served_by(ctl: &Ctl, home: &str, owner: &str) -> Result<()> {
    until(
        &format!("{owner} serves the users of {home}"),
        PATIENCE,
        || Ok((ctl.owner_of(home)?.as_deref() == Some(owner)).then_some(())),
    )
}

fn at_socket(ctl: &Ctl, data: &Path) -> Ctl {
    ctl.with_prefix(&[
        "--address",
        &format!("unix:{}", data.join("admin.sock").display()),
    ])
}

#[test]
fn a_node_started_twice_on_a_copied_folder_is_refused() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let name = couple.home.clone();
    cluster.kill(&name)?;
    let (from, to) = (cluster.folder().join(&name), cluster.folder().join("copy"));
    let copied = Command::new("cp").arg("-a").args([&from, &to]).status()?;
    assert!(copied.success());
    served_by(&cluster.ctl(), &name, &couple.peer)?;
    cluster.restart(&name)?;
    cluster.come_home(&name)?;

    let config = fs::read_to_string(cluster.folder().join(format!("{name}.toml")))?;
    let first = free_ports(10)?;
    let mut ports = first..;
    let mut copy = String::new();
    for line in config.lines() {
        let listens = line.starts_with("listen");
        let port = ports.next().context("a port")?;
        copy += &if listens && line.contains('[') {
            format!(
                "{} = [\"127.0.0.1:{port}\"]\n",
                line.split(' ').next().unwrap_or_default()
            )
        } else if listens {
            format!("listen = \"127.0.0.1:{port}\"\n")
        } else if line.starts_with("data_dir") {
            "data_dir = \"copy\"\n".to_owned()
        } else {
            format!("{line}\n")
        };
    }
    let file = cluster.folder().join("copy.toml");
    fs::write(
        &file,
        copy.replace("listen_plaintext", "# listen_plaintext"),
    )?;
    let program = cluster.node(&name)?.argv[0].clone();
    let log = cluster.folder().join("copy-process.log");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(&file)
        .stderr(fs::File::create(&log)?);
    let mut process = Process::start(&mut command)?;
    let code = process.wait(PATIENCE)?;
    let said = fs::read_to_string(&log)?;
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains("two nodes with one id") && said.contains("node replace"),
        "{said}"
    );
    assert!(!said.contains("serving slot"), "the copy served: {said}");

    // The real one goes on.
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    alice.ask(json!({"do": "ping"}))?;
    assert_eq!(cluster.ctl().owner_of(&name)?, Some(name.clone()));
    Ok(())
}

#[test]
fn a_node_with_a_damaged_store_ends_and_says_what_to_do() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let name = couple.home.clone();
    cluster.kill(&name)?;
    served_by(&cluster.ctl(), &name, &couple.peer)?;
    let db = cluster.folder().join(&name).join("store/db");
    let length = fs::metadata(&db)?.len();
    let half = usize::try_from(length / 2)?;
    let whole = fs::read(&db)?;
    for (what, bytes) in [
        ("nothing but zeros", vec![0; whole.len()]),
        ("its end is missing", whole[..half].to_vec()),
    ] {
        fs::write(&db, bytes)?;
        let (program, arguments) = cluster.node(&name)?.argv.split_first().context("argv")?;
        let log = cluster.folder().join("damaged.log");
        let mut command = Command::new(program);
        command.args(arguments).stderr(fs::File::create(&log)?);
        let code = Process::start(&mut command)?.wait(PATIENCE)?;
        let said = fs::read_to_string(&log)?;
        assert_eq!(code, Some(74), "{what}: {said}");
        assert!(said.contains("node replace"), "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
    }
    // The others do not care.
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    alice.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn the_service_manager_is_told_and_the_log_is_json_when_asked_for() -> Outcome {
    let cluster = Quickstart::start()?;
    let name = "w";
    cluster.kill(name)?;
    let socket = cluster.folder().join("notify.sock");
    let manager = UnixDatagram::bind(&socket)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let (program, arguments) = cluster.node(name)?.argv.split_first().context("argv")?;
    let log = cluster.folder().join("json.log");
    let mut command = Command::new(program);
    command.args(arguments).args(["--log-format", "json"]);
    command
        .env("NOTIFY_SOCKET", &socket)
        .stderr(fs::File::create(&log)?);
    let mut process = Process::start(&mut command)?;
    told(&manager, "READY=1")?;
    signal(process.pid(), Signal::Term)?;
    told(&manager, "STOPPING=1")?;
    process.wait(PATIENCE)?;
    let text = fs::read_to_string(&log)?;
    assert!(!text.is_empty());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let at = line["timestamp"].as_str().unwrap_or_default();
        assert!(at.contains('T') && at.ends_with('Z'), "{line}");
    }
    Ok(())
}

/// Reads what the service manager is sent until it is this.
fn told(manager: &UnixDatagram, wanted: &str) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = manager
            .recv(&mut buffer)
            .with_context(|| format!("no {wanted} came"))?;
        let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if said.lines().any(|line| line == wanted) {
            return Ok(());
        }
        if said.is_empty() {
            bail!("an empty notice");
        }
    }
}
