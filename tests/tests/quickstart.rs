//! What the README promises of `musterd quickstart`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use muster_testkit::{
    Facts, Library, Options, Outcome, Process, Quickstart, Role, Signal, UserFacts, alive, musterd,
    signal, until,
};
use muster_tests::{Couple, log_in};
use serde_json::json;

#[test]
fn the_file_says_how_to_reach_everything() -> Outcome {
    let cluster = Quickstart::start()?;
    let facts = cluster.facts();
    assert_eq!(facts.domain, "example.com");
    assert_eq!(facts.users.len(), Options::default().users);
    assert_eq!(
        (facts.users[0].jid.as_str(), facts.users[1].jid.as_str()),
        ("alice@example.com", "bob@example.com")
    );
    assert!(
        facts.users.iter().all(|user| user.password.len() >= 8),
        "a password is too short"
    );
    assert!(
        facts.ca_file.is_absolute() && facts.ca_file.exists(),
        "{}",
        facts.ca_file.display()
    );
    let names: Vec<_> = facts
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.role))
        .collect();
    assert_eq!(
        names,
        [
            ("a", Role::Serving),
            ("b", Role::Serving),
            ("w", Role::Witness)
        ]
    );
    for node in &facts.nodes {
        assert!(alive(node.pid), "{} does not run", node.name);
        assert_eq!(
            node.c2s.is_some(),
            node.role == Role::Serving,
            "{}",
            node.name
        );
        assert_eq!(node.api.is_some(), node.c2s.is_some(), "{}", node.name);
        let api = node.api.as_deref();
        let api = api
            .and_then(|url| url.strip_prefix("https://"))
            .map(str::to_owned);
        let addresses = [
            api.as_ref(),
            Some(&node.link),
            Some(&node.admin),
            Some(&node.http),
            node.c2s.as_ref(),
            node.c2s_tls.as_ref(),
        ];
        for address in addresses.into_iter().flatten() {
            let address: SocketAddr = address.parse()?;
            assert!(address.ip().is_loopback(), "{address}");
        }
    }
    Ok(())
}

#[test]
fn the_folder_and_its_secrets_are_for_the_owner_only() -> Outcome {
    let cluster = Quickstart::start()?;
    let mode = |path: &std::path::Path| -> Result<u32> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o777)
    };
    assert_eq!(mode(&cluster.folder().join("quickstart.json"))?, 0o600);
    let mut folders = vec![cluster.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_symlink() {
                continue; // the program
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file()
                && fs::read(&path)?
                    .windows(11)
                    .any(|text| text == b"PRIVATE KEY")
            {
                assert_eq!(mode(&path)?, 0o600, "{}", path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn started_again_it_finds_everything_as_it_was() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    alice.ask(json!({"do": "roster-set", "jid": couple.bob.jid, "name": "Bob"}))?;
    alice.quit()?;
    let before = cluster.facts().clone();
    cluster.stop(Signal::Term)?;
    cluster.start_again()?;
    assert_eq!(cluster.facts().users, before.users);
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    assert_eq!(alice.roster()?[0]["name"], "Bob");
    Ok(())
}

#[test]
fn an_older_file_is_removed_at_start() -> Outcome {
    let mut cluster = Quickstart::start()?;
    cluster.stop(Signal::Term)?;
    let file = cluster.folder().join("quickstart.json");
    fs::write(&file, "{}")?;
    cluster.start_again()?;
    Facts::read(&file)?;
    Ok(())
}

#[test]
fn ctrl_c_and_sigterm_end_paused_and_restarted_nodes_too() -> Outcome {
    for by in [Signal::Interrupt, Signal::Term] {
        let mut cluster = Quickstart::start()?;
        cluster.kill("a")?;
        cluster.restart("a")?;
        cluster.pause("b")?;
        cluster.stop(by)?;
    }
    Ok(())
}

#[test]
fn nodes_die_with_quickstart() -> Outcome {
    let cluster = Quickstart::start()?;
    signal(cluster.pid()?, Signal::Kill)?;
    until("all nodes are dead", Duration::from_secs(10), || {
        Ok(cluster
            .facts()
            .nodes
            .iter()
            .all(|node| !alive(node.pid))
            .then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_dead_node_stays_dead_until_its_argv_is_run() -> Outcome {
    let mut cluster = Quickstart::start()?;
    cluster.kill("b")?;
    let ctl = cluster.ctl();
    until("the cluster sees it", Duration::from_secs(10), || {
        Ok((ctl.owner_of("b")?.as_deref() == Some("a")).then_some(()))
    })?;
    assert!(
        !alive(cluster.node("b")?.pid),
        "quickstart restarted a dead node"
    );
    let log = fs::read_to_string(cluster.log())?;
    let argv = cluster.node("b")?.argv.join(" ");
    assert!(
        log.contains(&argv),
        "the line that starts b again was not printed: {argv}"
    );
    cluster.restart("b")?;
    until("b is back", Duration::from_secs(20), || {
        Ok((ctl
            .state_of("b")
            .is_ok_and(|(state, _)| state == "Failed Over"))
        .then_some(()))
    })?;
    Ok(())
}

#[test]
fn musterctl_reaches_the_cluster_while_any_one_node_is_dead() -> Outcome {
    for dead in ["a", "b", "w"] {
        let cluster = Quickstart::start()?;
        cluster.kill(dead)?;
        let ctl = cluster.ctl();
        let zoe = UserFacts {
            jid: "zoe@example.com".to_owned(),
            password: "correct horse".to_owned(),
        };
        until(
            &format!("get nodes without {dead}"),
            Duration::from_secs(10),
            || Ok(ctl.json(&["get", "nodes"]).ok()),
        )?;
        until(
            &format!("a write without {dead}"),
            Duration::from_secs(10),
            || Ok(ctl.add_user(&zoe).ok()),
        )?;
    }
    Ok(())
}

#[test]
fn a_port_in_use_is_told_with_address_and_option() -> Outcome {
    let cluster = Quickstart::start()?;
    let taken: SocketAddr = cluster.node("a")?.c2s.clone().unwrap_or_default().parse()?;
    let other = tempfile::tempdir()?;
    let mut command = Command::new(musterd()?);
    command
        .args([
            "quickstart",
            "--base-port",
            &taken.port().to_string(),
            "--dir",
        ])
        .arg(other.path());
    let log = other.path().join("log");
    let mut process = Process::start(
        command
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?),
    )?;
    assert_ne!(process.wait(Duration::from_secs(30))?, Some(0));
    let text = fs::read_to_string(&log)?;
    assert!(
        text.contains(&taken.port().to_string()) && text.contains("--base-port"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_shell_that_reads_env_finds_musterctl_and_the_nodes() -> Outcome {
    let cluster = Quickstart::start()?;
    let script = format!(
        ". '{}' && musterctl status",
        cluster.folder().join("env").display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir("/")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("protected"),
        "{said}"
    );
    Ok(())
}
