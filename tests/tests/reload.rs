//! A configuration that changes while the node runs: by a file that is saved, by SIGHUP, by `musterctl config apply`.
//! Nobody who is connected notices; a bad file changes nothing.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use muster_testkit::{
    Ctl, Freezer, Library, Outcome, PATIENCE, Process, Quickstart, Raw, Signal, Trust, UserFacts,
    signal, until, write_certificate,
};
use muster_tests::{Couple, c2s, log_in};
use serde_json::Value;

/// What a node says to a service manager while it lives.
const ALIVE: &str = "WATCHDOG=1";
/// Longer than the service manager of the test waits for that.
const SILENCE: Duration = Duration::from_millis(1_500);

/// Adds lines to the configuration of a node, as an editor saves a file.
fn append(cluster: &Quickstart, node: &str, lines: &str) -> Result<()> {
    let file = cluster.folder().join(format!("{node}.toml"));
    let text = fs::read_to_string(&file)?;
    replace(&file, &format!("{text}\n{lines}\n"))
}

fn replace(file: &Path, text: &str) -> Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(&beside, file).with_context(|| file.display().to_string())
}

fn raised(ctl: &Ctl, name: &str, words: &str) -> Result<()> {
    until(
        &format!("the alarm {name} says {words:?}"),
        PATIENCE,
        || {
            let said = ctl.alarm(name)?;
            Ok(said.filter(|said| said.contains(words)).map(drop))
        },
    )
}

fn cleared(ctl: &Ctl, name: &str) -> Result<()> {
    until(&format!("the alarm {name} is over"), PATIENCE, || {
        Ok(ctl.alarm(name)?.is_none().then_some(()))
    })
}

/// Whether a node lets one more session of a user in.
fn gets_in(cluster: &Quickstart, trust: &Trust, node: &str, user: &UserFacts) -> Result<()> {
    let address = c2s(cluster.node(node)?)?.to_owned();
    Raw::login(&address, trust, user, "more").map(drop)
}

/// Starts a node again under a service manager that listens on `socket` and wants a sign of life each second.
fn restart_under_manager(cluster: &Quickstart, node: &str, socket: &Path) -> Result<Process> {
    cluster.kill(node)?;
    let argv = &cluster.node(node)?.argv;
    let (program, arguments) = argv.split_first().context("the node's argv is empty")?;
    let log = fs::File::create(cluster.folder().join(format!("{node}-again.log")))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("NOTIFY_SOCKET", socket)
        .env("WATCHDOG_USEC", "1000000")
        .stdout(log.try_clone()?)
        .stderr(log);
    Process::start(&mut command)
}

/// What the service manager is told next that is no sign of life.
fn told(manager: &UnixDatagram) -> Result<String> {
    loop {
        let said = datagram(manager)?.context("the node says nothing")?;
        if said != ALIVE {
            return Ok(said);
        }
    }
}

fn datagram(manager: &UnixDatagram) -> Result<Option<String>> {
    let mut buffer = [0; 1024];
    match manager.recv(&mut buffer) {
        Ok(length) => Ok(Some(
            String::from_utf8_lossy(&buffer[..length]).into_owned(),
        )),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[test]
fn the_service_manager_is_told_of_reloads_and_of_life_only_while_the_event_loops_turn() -> Outcome {
    let cluster = Quickstart::start()?;
    let socket = cluster.folder().join("manager");
    let manager = UnixDatagram::bind(&socket)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let mut node = restart_under_manager(&cluster, "a", &socket)?;
    assert_eq!(told(&manager)?, "READY=1");

    signal(node.pid(), Signal::HangUp)?;
    let reloading = told(&manager)?;
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        since.is_some_and(|micros| micros.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(told(&manager)?, "READY=1");

    let alive = || -> Result<bool> { Ok(datagram(&manager)?.as_deref() == Some(ALIVE)) };
    assert!(alive()? && alive()?, "signs of life come again and again");
    let frozen = Freezer::workers(node.pid())?;
    manager.set_read_timeout(Some(SILENCE))?;
    until("the signs of life end", PATIENCE, || {
        Ok((!alive()?).then_some(()))
    })?;
    drop(frozen);
    manager.set_read_timeout(Some(PATIENCE))?;
    assert!(alive()?, "they come again");

    signal(node.pid(), Signal::Term)?;
    assert_eq!(told(&manager)?, "STOPPING=1");
    assert_eq!(node.wait(PATIENCE)?, Some(0));
    Ok(())
}

/// Writes a grace time of so many seconds into the section of limits at the end of a node's configuration.
fn set_grace(cluster: &Quickstart, node: &str, seconds: u64) -> Result<()> {
    let file = cluster.folder().join(format!("{node}.toml"));
    let text = fs::read_to_string(&file)?;
    let kept: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("grace_seconds"))
        .collect();
    replace(
        &file,
        &format!("{}\ngrace_seconds = {seconds}\n", kept.join("\n")),
    )
}

/// Whether all three nodes answered and both serving ones show the change.
fn are_shown(shown: &Value, grace: u64) -> Result<bool> {
    let (nodes, grace) = (shown.as_array(), grace.to_string());
    let nodes = nodes.context("a list of nodes")?;
    assert_eq!(nodes.len(), 3, "{shown}");
    let shows = |node: &&Value| {
        let mut changes = node["changes"].as_array().into_iter().flatten();
        changes.any(|change| {
            change["option"] == "limits.grace_seconds"
                && change["after"] == grace.as_str()
                && change["needs_restart"] == false
        })
    };
    assert!(nodes.iter().all(|node| node["applied"] == false), "{shown}");
    Ok(nodes.iter().filter(shows).count() == 2)
}

#[test]
fn a_renewed_certificate_is_shown_to_new_clients_and_nobody_who_is_connected_notices() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let old = cluster.trust()?;

    let renewed = tempfile::tempdir()?;
    write_certificate(renewed.path(), "example.com")?;
    for (new, file) in [
        ("example.com.key", "client.key"),
        ("example.com.pem", "client.pem"),
    ] {
        let text = fs::read_to_string(renewed.path().join(new))?;
        let file = cluster.folder().join(file);
        // A key that others may read is refused: the permissions come with the new file.
        let beside = file.with_extension("new");
        fs::copy(renewed.path().join(new), &beside)?;
        fs::write(&beside, text)?;
        fs::rename(&beside, &file)?;
    }
    let trust = Trust::read(&renewed.path().join("ca.pem"), "example.com")?;
    for node in ["a", "b"] {
        until(
            &format!("{node} shows the new certificate"),
            PATIENCE,
            || Ok(gets_in(&cluster, &trust, node, &couple.bob).ok()),
        )?;
        assert!(
            gets_in(&cluster, &old, node, &couple.bob).is_err(),
            "{node} shows the old certificate"
        );
    }
    // Who was there is there, on the connection that it had.
    let mark = alice.mark();
    alice.chat(&couple.alice.jid, "still here")?;
    alice.expect(mark, "its own message", |event| {
        event.is_message("still here")
    })?;
    assert!(!alice.since(0).iter().any(|event| event.is("disconnected")));
    Ok(())
}

#[test]
fn config_apply_shows_the_difference_and_applies_it_on_all_nodes_or_on_none() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let watch = ctl.watch()?;
    watch.listens(&ctl)?;
    let trust = cluster.trust()?;
    let _first = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;

    // One of three is broken: nothing changes anywhere. The nodes have time to look at their files meanwhile.
    append(&cluster, "a", "[limits]\nsessions_per_user = 1")?;
    append(&cluster, "b", "[limits]\nsessions_per_user = 1")?;
    append(&cluster, "w", "[limits]\nsessions_per_user = \"one\"")?;
    let (_, why) = ctl.refused(&["config", "apply", "--yes"])?;
    for words in [
        "node w",
        "sessions_per_user",
        "w.toml",
        "Nothing was changed",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    let w = cluster.ctl_of("w");
    raised(&w, "ConfigRefused", "sessions_per_user")?;

    // Mended, and changed again. The nodes look at their files too: the operator has to be faster.
    let file = cluster.folder().join("w.toml");
    let text = fs::read_to_string(&file)?.replace("\"one\"", "1");
    replace(&file, &text)?;
    let mut grace = 30;
    until("the operator is faster than the nodes", PATIENCE, || {
        grace += 1;
        for node in ["a", "b"] {
            set_grace(&cluster, node, grace)?;
        }
        let shown = ctl.json(&["config", "apply", "--dry-run"])?;
        let applied = ctl.run(&["config", "apply", "--yes"])?;
        if !(are_shown(&shown, grace)? && applied.contains("in force on")) {
            return Ok(None);
        }
        Ok(Some(()))
    })?;
    watch.expect("it is told", |event| {
        event["kind"] == "config" && event["text"].to_string().contains("local user")
    })?;
    cleared(&w, "ConfigRefused")?;
    let nothing = ctl.run(&["config", "apply"])?;
    assert_eq!(
        nothing.matches("nothing is different").count(),
        3,
        "{nothing}"
    );

    // A user may have one session now: the second one is refused (RFC 6120 §7.6.2.1).
    let second = gets_in(&cluster, &trust, &couple.home, &couple.alice);
    assert!(second.is_err(), "sessions_per_user = 1 is not in force");
    Ok(())
}

#[test]
fn sighup_reads_the_file_and_a_bad_one_changes_nothing() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let node = couple.home.clone();
    let ctl = cluster.ctl_of(&node);
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &node)?;
    let pid = cluster.node(&node)?.pid;
    let file = cluster.folder().join(format!("{node}.toml"));
    let good = fs::read_to_string(&file)?;

    replace(&file, &format!("{good}\n[limits]\ngrace_seconds = \n"))?;
    signal(pid, Signal::HangUp)?;
    raised(&ctl, "ConfigRefused", "what was in force stays")?;
    // A certificate for another domain.
    let other = tempfile::tempdir()?;
    write_certificate(other.path(), "elsewhere.example")?;
    let named = good
        .replace(
            "\"client.pem\"",
            &format!("{:?}", other.path().join("elsewhere.example.pem")),
        )
        .replace(
            "\"client.key\"",
            &format!("{:?}", other.path().join("elsewhere.example.key")),
        );
    replace(&file, &named)?;
    signal(pid, Signal::HangUp)?;
    raised(&ctl, "ConfigRefused", "is not for example.com")?;
    gets_in(&cluster, &cluster.trust()?, &node, &couple.bob)?;

    // An option that needs a restart is told as one, until it is put back or the node starts anew.
    replace(
        &file,
        &good.replace(
            "[http]\nlisten = \"127.0.0.1",
            "[http]\nlisten = \"127.0.0.2",
        ),
    )?;
    signal(pid, Signal::HangUp)?;
    cleared(&ctl, "ConfigRefused")?;
    raised(&ctl, "RestartPending", "http.listen")?;
    let metrics = muster_tests::probe(cluster.node(&node)?, "/metrics")?;
    let standing = "muster_alarm{alarm=\"RestartPending\",severity=\"warning\"} 1";
    assert!(metrics.contains(standing), "{metrics}");
    replace(&file, &good)?;
    cleared(&ctl, "RestartPending")?;

    let mark = alice.mark();
    alice.chat(&couple.alice.jid, "still here")?;
    alice.expect(mark, "its own message", |event| {
        event.is_message("still here")
    })?;
    assert!(!alice.since(0).iter().any(|event| event.is("disconnected")));

    // A file that the node would not start with is no harm before the start; after it the peer serves.
    cluster.stop(Signal::Term)?;
    Ok(())
}
