//! What an operator relies on beside the commands themselves: events, certificates, scripts, a log that keeps secrets.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use muster_testkit::{Ctl, Library, Outcome, Quickstart, Signal, UserFacts};
use muster_tests::{Couple, log_in};
use serde_json::Value;

#[test]
fn watch_tells_state_changes_failovers_and_sessions_as_they_happen() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let watch = ctl.watch()?;
    watch.listens(&ctl)?;
    for (user, node) in [(&couple.alice, &couple.home), (&couple.bob, &couple.peer)] {
        let client = log_in(&cluster, Library::Slixmpp, user, node)?;
        let session = watch.expect("a session begins", |event| is_session_of(event, &user.jid))?;
        let id = session["fields"]["session"].clone();
        client.quit()?;
        watch.expect("it ends", |event| {
            event["kind"] == "session"
                && event["fields"]["session"] == id
                && event["text"]
                    .as_str()
                    .is_some_and(|text| text.ends_with("has ended"))
        })?;
    }

    cluster.kill(&couple.home)?;
    let failover = watch.expect("a failover with its duration", |event| {
        event["kind"] == "slot" && event["fields"]["node"] == couple.peer && has_gap(event)
    })?;
    let at = failover["at"].as_str().unwrap_or_default();
    assert!(at.contains('T') && at.ends_with('Z'), "{failover}");
    watch.expect("the peer's state", |event| {
        event["fields"]["node"] == couple.peer
            && event["fields"]["state"] == "Running in Backup Mode"
            && event["fields"]["reason"] == "Peer Down"
    })?;
    cluster.restart(&couple.home)?;
    watch.expect("the node is back", |event| {
        event["fields"]["node"] == couple.home && event["fields"]["state"] == "Failed Over"
    })?;
    Ok(())
}

fn is_session_of(event: &Value, jid: &str) -> bool {
    let address = event["fields"]["jid"].as_str();
    event["kind"] == "session" && address.is_some_and(|full| full.starts_with(jid))
}

fn has_gap(event: &Value) -> bool {
    let gap = event["fields"]["gap_ms"].as_str();
    gap.and_then(|gap| gap.parse::<u64>().ok())
        .is_some_and(|gap| gap > 0)
}

#[test]
fn remote_administration_needs_an_operator_certificate() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let file = |name: &str| cluster.folder().join(name).display().to_string();
    ctl.run(&["operator", "create", "ops", "--out", &file("ops")])?;
    let admin = &cluster.node("a")?.admin;
    let remote = |certificate: &str, key: &str, ca: &str| {
        let words = [
            "--address",
            admin,
            "--cert",
            certificate,
            "--key",
            key,
            "--ca",
            ca,
        ];
        ctl.with_prefix(&words)
    };
    let operator = remote(
        &file("ops/cert.pem"),
        &file("ops/key.pem"),
        &file("ops/ca.pem"),
    );
    assert_eq!(
        operator.json(&["get", "nodes"])?.as_array().map(Vec::len),
        Some(3)
    );
    operator.run(&["group", "create", "west"])?;

    let refusals = [
        ("nothing", ctl.with_prefix(&["--address", admin])),
        (
            "a node's certificate",
            remote(
                &file("a/node.pem"),
                &file("a/node.key"),
                &file("ops/ca.pem"),
            ),
        ),
        (
            "a certificate of another authority",
            remote(
                &file("client.pem"),
                &file("client.key"),
                &file("ops/ca.pem"),
            ),
        ),
    ];
    for (with, stranger) in refusals {
        let (code, why) = stranger.refused(&["get", "nodes"])?;
        assert_eq!(code, Some(3), "with {with}: {why}");
        assert!(why.contains(admin.as_str()), "with {with}: {why}");
    }
    Ok(())
}

#[test]
fn every_administrative_act_is_in_the_trail_of_the_node_asked_and_no_secret_is() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let file = |name: &str| cluster.folder().join(name).display().to_string();
    ctl.run(&["operator", "create", "ops", "--out", &file("ops")])?;
    let remote = ctl.with_prefix(&[
        "--address",
        &cluster.node("b")?.admin,
        "--cert",
        &file("ops/cert.pem"),
        "--key",
        &file("ops/key.pem"),
        "--ca",
        &file("ops/ca.pem"),
    ]);
    let zoe = UserFacts {
        jid: "zoe@example.com".to_owned(),
        password: "nobody may read this".to_owned(),
    };
    remote.add_user(&zoe)?;
    remote.run(&["user", "disable", &zoe.jid])?;
    remote.refused(&["group", "remove", "main"])?;
    remote.run(&["settings", "set", "fallback-delay=40m"])?;
    remote.run(&["get", "users"])?;

    let acts = ctl.json(&["audit", "--last", "4"])?;
    let told: Vec<_> = acts
        .as_array()
        .into_iter()
        .flatten()
        .map(|act| {
            assert_eq!(act["node"], "b", "{act}");
            assert_eq!(act["by"], "operator \"ops\"", "{act}");
            let field = |name: &str| act[name].as_str().unwrap_or_default().to_owned();
            (field("call"), field("about"), field("outcome"))
        })
        .collect();
    for ((call, about, outcome), expected) in told.iter().zip([
        ("UsersPut", "zoe@example.com", "ok"),
        ("UserDisable", "zoe@example.com: logins refused", "ok"),
        ("GroupRemove", "group main", "still has nodes"),
        ("SettingsSet", "FallbackDelay(2400s)", "ok"),
    ]) {
        assert_eq!(call, expected.0, "{told:?}");
        assert_eq!(about, expected.1, "{told:?}");
        assert!(outcome.contains(expected.2), "{told:?}");
    }
    assert_eq!(told.len(), 4);
    let trail = fs::read_to_string(cluster.folder().join("b/audit.jsonl"))?;
    assert!(trail.contains("zoe@example.com") && !trail.contains(&zoe.password));
    Ok(())
}

#[test]
fn completion_scripts_work_and_exit_codes_are_as_help_says() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let script = cluster.folder().join("completion.bash");
    fs::write(&script, ctl.run(&["completion", "bash"])?)?;
    let offered = Command::new("bash")
        .args(["-c", COMPLETE])
        .arg("bash")
        .arg(&script)
        .output()
        .context("starting bash")?;
    let offered = String::from_utf8_lossy(&offered.stdout).into_owned();
    assert!(
        offered.contains("failover") && offered.contains("enable-ha"),
        "{offered}"
    );
    for shell in ["zsh", "fish"] {
        assert!(ctl.run(&["completion", shell])?.contains("musterctl"));
    }

    let help = ctl.run(&["--help"])?;
    for code in 0..=4 {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
    assert_eq!(ctl.refused(&["group", "failover", "nobody"])?.0, Some(1));
    assert_eq!(ctl.refused(&["group", "explode"])?.0, Some(2));
    // Without the others nothing can be decided: whether it will be is unknown.
    cluster.pause("b")?;
    cluster.pause("w")?;
    let alone = only(&ctl, &cluster, "a");
    let (code, why) = alone.refused(&["settings", "set", "fallback-delay=29m"])?;
    assert!(
        code == Some(4) || code == Some(1) && why.contains("quorum"),
        "{code:?} {why}"
    );
    cluster.resume("b")?;
    cluster.resume("w")?;
    cluster.stop(Signal::Term)?;
    assert_eq!(ctl.refused(&["get", "nodes"])?.0, Some(3));
    Ok(())
}

/// Completes `musterctl group ` as bash does when somebody presses the tabulator.
const COMPLETE: &str = r#"
source "$1"
COMP_WORDS=(musterctl group ""); COMP_CWORD=2
_musterctl musterctl "" group
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// `musterctl` that knows one node only.
fn only(ctl: &Ctl, cluster: &Quickstart, node: &str) -> Ctl {
    let socket = cluster.folder().join(node).join("admin.sock");
    ctl.with_prefix(&["--address", &format!("unix:{}", socket.display())])
}

#[test]
fn the_log_names_no_user_password_or_stanza() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let secret = UserFacts {
        jid: "zebedee@example.com".to_owned(),
        password: "xylophone".to_owned(),
    };
    cluster.ctl().add_user(&secret)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    alice.chat(&couple.bob.jid, "quixotic")?;
    let (here, there) = (alice.mark(), bob.mark());
    bob.expect(0, "the message", |e| e.is_message("quixotic"))?;
    alice.chat(&secret.jid, "quixotic, for later")?;
    let wrong = UserFacts {
        password: "mistaken".to_owned(),
        ..secret.clone()
    };
    let mut stranger = cluster.client(
        &wrong,
        &muster_tests::from_node(&cluster, Library::Slixmpp, &couple.home)?,
    )?;
    stranger.expect(0, "a refusal", |e| e.is("refused"))?;
    drop(stranger);
    cluster.kill(&couple.home)?;
    alice.expect(here, "alice is back", |e| e.is("ready"))?;
    alice.chat(&couple.bob.jid, "quixotic again")?;
    bob.expect(there, "the message", |e| e.is_message("quixotic again"))?;
    cluster.ctl().run(&["user", "remove", &secret.jid])?;
    cluster.stop(Signal::Term)?;

    let log = node_logs(&cluster)?;
    assert!(log.contains("serving"), "the log is empty");
    let names = [&couple.alice, &couple.bob, &secret].map(|user| {
        let name = user.jid.split('@').next().unwrap_or_default();
        format!("{name}@")
    });
    let secrets = [&couple.alice, &couple.bob, &secret].map(|user| user.password.clone());
    let said = ["quixotic", "mistaken", "<message", "<presence", "<iq"].map(str::to_owned);
    for word in names.iter().chain(&secrets).chain(&said) {
        let line = log.lines().find(|line| line.contains(word.as_str()));
        assert_eq!(line, None, "{word:?} is in the log");
    }
    Ok(())
}

/// What the nodes have logged, without what quickstart itself prints.
fn node_logs(cluster: &Quickstart) -> Result<String> {
    let mut text = String::new();
    for node in ["a", "b", "w"] {
        text += &fs::read_to_string(cluster.folder().join(format!("{node}.log")))?;
    }
    Ok(text)
}
