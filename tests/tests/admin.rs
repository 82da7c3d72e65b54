//! What an operator does with `musterctl`, and what is refused.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use muster_testkit::{Library, Options, Outcome, PATIENCE, Quickstart, UserFacts, never, until};
use muster_tests::{Couple, log_in, probe};
use serde_json::json;

const PASSWORD: &str = "correct horse";

#[test]
fn a_new_user_gets_in_and_a_removed_one_does_not() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let zoe = UserFacts {
        jid: "zoe@example.com".to_owned(),
        password: PASSWORD.to_owned(),
    };
    ctl.add_user(&zoe)?;
    let mut client = log_in(&cluster, Library::Slixmpp, &zoe, "a")?;
    client.ask(json!({"do": "ping"}))?;

    let mark = client.mark();
    ctl.run(&["user", "remove", &zoe.jid])?;
    client.expect(mark, "her session ends", |e| e.is("disconnected"))?;
    client.expect(mark, "she is not let in again", |e| e.is("refused"))?;
    Ok(())
}

#[test]
fn a_changed_password_is_the_one_that_counts() -> Outcome {
    let cluster = Quickstart::start()?;
    let user = cluster.user(0).clone();
    let command = ["user", "set-password", &user.jid, "--password-file", "-"];
    cluster.ctl().run_with(&command, PASSWORD)?;
    let mut client = log_in(
        &cluster,
        Library::Slixmpp,
        &UserFacts {
            password: PASSWORD.to_owned(),
            ..user
        },
        "b",
    )?;
    client.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn users_are_spread_equally_over_the_pair() -> Outcome {
    let cluster = Quickstart::start_with(Options {
        users: 5,
        pair: true,
        ..Options::default()
    })?;
    let users = cluster.ctl().json(&["get", "users"])?;
    let count = |home: &str| {
        users.as_array().map_or(0, |all| {
            all.iter().filter(|user| user["home"] == home).count()
        })
    };
    assert!(count("a").abs_diff(count("b")) <= 1, "{users}");
    assert_eq!(count("a") + count("b"), 5, "{users}");
    Ok(())
}

#[test]
fn an_import_takes_the_good_rows_and_names_the_bad_ones() -> Outcome {
    let cluster = Quickstart::start()?;
    let file = cluster.folder().join("users.csv");
    let path = file.display().to_string();
    fs::write(
        &file,
        format!(
            "jid,password,home,name\n\
             erin@example.com,{PASSWORD},a,Erin\n\
             not a jid,{PASSWORD},,\n\
             frank@example.com,{PASSWORD},nowhere,\n\
             alice@example.com,{PASSWORD},,\n\
             grace@example.com,{PASSWORD},,\"Grace, the second\"\n"
        ),
    )?;
    let (_, problems) = cluster.ctl().refused(&["user", "import", &path])?;
    for line in ["3", "4", "5"] {
        assert!(
            problems.contains(line),
            "line {line} is not named: {problems}"
        );
    }
    assert_eq!(cluster.ctl().home_of("erin@example.com")?, "a");
    cluster.ctl().home_of("grace@example.com")?;
    let old = cluster.user(0).clone();
    log_in(&cluster, Library::Slixmpp, &old, "a")?.quit()?;
    cluster
        .ctl()
        .refused(&["user", "import", &path, "--update"])?;
    log_in(
        &cluster,
        Library::Slixmpp,
        &UserFacts {
            password: PASSWORD.to_owned(),
            ..old
        },
        "a",
    )?;
    Ok(())
}

#[test]
fn an_import_of_25_000_rows_takes_less_than_a_minute() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut rows = "jid,password,home,name\n".to_owned();
    for n in 0..25_000 {
        writeln!(rows, "user{n}@example.com,password number {n},,")?;
    }
    let file = cluster.folder().join("users.csv");
    fs::write(&file, rows)?;
    let begun = Instant::now();
    cluster
        .ctl()
        .run(&["user", "import", &file.display().to_string()])?;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    let last = UserFacts {
        jid: "user24999@example.com".to_owned(),
        password: "password number 24999".to_owned(),
    };
    log_in(&cluster, Library::Slixmpp, &last, "a")?;
    Ok(())
}

#[test]
fn refusals_name_what_is_wrong() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    ctl.run(&["group", "create", "west"])?;
    for (what, command, named) in [
        ("a doubled name", vec!["group", "create", "west"], "west"),
        (
            "a bad name",
            vec!["group", "create", "no spaces"],
            "no spaces",
        ),
        (
            "an unknown group",
            vec!["group", "enable-ha", "north"],
            "north",
        ),
        (
            "a group without a pair",
            vec!["group", "enable-ha", "west"],
            "west",
        ),
        ("an unknown node", vec!["group", "failover", "z"], "z"),
        (
            "a witness in a group",
            vec!["group", "add-node", "west", "w"],
            "w",
        ),
        ("a witness's failover", vec!["group", "failover", "w"], "w"),
        ("a node with users", vec!["node", "remove", "a"], "a"),
        (
            "an invalid JID",
            vec!["user", "add", "@@", "--password-file", "-"],
            "@@",
        ),
        (
            "a full JID",
            vec!["user", "add", "x@example.com/desk", "--password-file", "-"],
            "x@example.com",
        ),
        (
            "another domain",
            vec!["user", "add", "x@elsewhere.example", "--password-file", "-"],
            "elsewhere.example",
        ),
        (
            "a doubled user",
            vec!["user", "add", "alice@example.com", "--password-file", "-"],
            "alice@example.com",
        ),
        (
            "an unknown user",
            vec!["user", "remove", "nobody@example.com"],
            "nobody@example.com",
        ),
        ("a second cluster", vec!["cluster", "init"], "cluster"),
        (
            "a token for a node that has a cluster",
            vec!["cluster", "join", "hello"],
            "belongs to a cluster already",
        ),
    ] {
        let (code, why) = ctl.refused(&command)?;
        assert!(why.contains(named), "{what}: {why}");
        assert!(
            code.is_some_and(|code| code != 101) && !why.contains("panicked"),
            "{what}: {why}"
        );
    }
    Ok(())
}

#[test]
fn users_go_home_by_themselves_after_the_delay() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    ctl.run(&["settings", "set", "fallback-delay=5s"])?;
    cluster.kill(&couple.home)?;
    until("the peer serves", PATIENCE, || {
        Ok((ctl.owner_of(&couple.home)?.as_deref() == Some(couple.peer.as_str())).then_some(()))
    })?;
    let back = Instant::now();
    cluster.restart(&couple.home)?;
    never(
        "home before the delay was over",
        Duration::from_secs(4),
        || {
            Ok(ctl
                .owner_of(&couple.home)?
                .filter(|owner| *owner == couple.home))
        },
    )?;
    until("the users are home", Duration::from_secs(30), || {
        Ok((ctl.owner_of(&couple.home)?.as_deref() == Some(couple.home.as_str())).then_some(()))
    })?;
    assert!(back.elapsed() >= Duration::from_secs(5));
    until("both are normal", PATIENCE, || {
        Ok((ctl.state_of("a")?.0 == "Normal" && ctl.state_of("b")?.0 == "Normal").then_some(()))
    })?;
    Ok(())
}

#[test]
fn without_anybody_to_ask_the_attempts_and_the_next_step_are_told() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let addresses: Vec<_> = cluster
        .facts()
        .musterctl
        .iter()
        .filter(|argument| argument.starts_with("unix:"))
        .cloned()
        .collect();
    assert!(!addresses.is_empty());
    cluster.stop(muster_testkit::Signal::Term)?;
    let (_, why) = ctl.refused(&["get", "nodes"])?;
    assert!(
        addresses.iter().all(|address| why.contains(address)),
        "{why}"
    );
    Ok(())
}

#[test]
fn health_and_metrics_are_served_over_http() -> Outcome {
    let cluster = Quickstart::start()?;
    for node in &cluster.facts().nodes {
        for (path, expected) in [
            ("/livez", " 200 "),
            ("/readyz", " 200 "),
            ("/metrics", "muster_"),
            ("/none", " 404 "),
        ] {
            let answer = probe(node, path)?;
            assert!(answer.contains(expected), "{} {path}: {answer}", node.name);
        }
    }
    Ok(())
}

#[test]
fn a_node_without_a_quorum_is_alive_but_not_ready() -> Outcome {
    let cluster = Quickstart::start()?;
    cluster.kill("b")?;
    cluster.kill("w")?;
    let node = cluster.node("a")?;
    until("it says why it is not ready", PATIENCE, || {
        let answer = probe(node, "/readyz")?;
        Ok((answer.contains(" 503 ") && answer.contains("quorum")).then_some(()))
    })?;
    assert!(probe(node, "/livez")?.contains(" 200 "));
    Ok(())
}

#[test]
fn an_import_that_was_cut_off_can_be_run_again() -> Outcome {
    const ROWS: usize = 5_000;
    let cluster = Quickstart::start()?;
    let mut rows = "jid,password,home,name\n".to_owned();
    for n in 0..ROWS {
        writeln!(rows, "user{n}@example.com,password number {n},,")?;
    }
    let file = cluster.folder().join("users.csv");
    fs::write(&file, rows)?;
    let path = file.display().to_string();
    let ctl = cluster.ctl();
    let count = || -> anyhow::Result<usize> {
        let users = ctl.json(&["get", "users"])?;
        Ok(users.as_array().map_or(0, Vec::len))
    };
    let import = ctl.start(&["user", "import", &path])?;
    until("some rows are in", PATIENCE, || {
        Ok((count()? > 500).then_some(()))
    })?;
    drop(import);
    let cut_off_at = count()?;
    assert!(cut_off_at < ROWS, "it was too fast to be cut off");
    ctl.run(&["user", "import", &path, "--update"])?;
    assert_eq!(count()?, ROWS + 4);
    Ok(())
}

#[test]
fn tokens_are_refused_when_they_are_used_or_expired() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    let token = |lifetime: &str| -> anyhow::Result<String> {
        let made = ctl.json(&[
            "token",
            "create",
            "--role",
            "witness",
            "--lifetime",
            lifetime,
        ])?;
        Ok(made["token"].as_str().unwrap_or_default().to_owned())
    };
    let mut spare = Spare::start(&cluster)?;
    let short = token("1s")?;
    std::thread::sleep(Duration::from_millis(1_100));
    let (_, why) = spare.ctl(&ctl).refused(&["cluster", "join", &short])?;
    assert!(why.contains("expired"), "{why}");
    let (_, why) = spare
        .ctl(&ctl)
        .refused(&["cluster", "join", "not a token"])?;
    assert!(why.contains("token"), "{why}");
    let good = token("1h")?;
    spare.ctl(&ctl).run(&["cluster", "join", &good])?;
    let mut second = Spare::start(&cluster)?;
    let (_, why) = second.ctl(&ctl).refused(&["cluster", "join", &good])?;
    assert!(why.contains("used"), "{why}");
    second.end()?;
    spare.end().map_err(Into::into)
}

/// A node that is in no cluster yet.
struct Spare {
    process: muster_testkit::Process,
    data: std::path::PathBuf,
}

impl Spare {
    fn start(cluster: &Quickstart) -> anyhow::Result<Self> {
        let port = muster_testkit::free_ports(2)?;
        let name = format!("spare{port}");
        let data = cluster.folder().join(&name);
        let file = cluster.folder().join(format!("{name}.toml"));
        fs::write(
            &file,
            format!(
                "name = \"{name}\"\nrole = \"witness\"\ndata_dir = \"{name}\"\n\
                 [link]\nlisten = \"127.0.0.1:{port}\"\n[http]\nlisten = \"127.0.0.1:{}\"\n",
                port + 1
            ),
        )?;
        let log = fs::File::create(cluster.folder().join(format!("{name}.log")))?;
        let mut command = std::process::Command::new(&cluster.node("w")?.argv[0]);
        let process = muster_testkit::Process::start(command.arg("run").arg(&file).stderr(log))?;
        let socket = data.join("admin.sock");
        until("the spare node takes commands", PATIENCE, || {
            Ok(socket.exists().then_some(()))
        })?;
        Ok(Self { process, data })
    }

    fn ctl(&self, ctl: &muster_testkit::Ctl) -> muster_testkit::Ctl {
        ctl.with_prefix(&[
            "--address",
            &format!("unix:{}/admin.sock", self.data.display()),
        ])
    }

    fn end(&mut self) -> anyhow::Result<()> {
        muster_testkit::signal(self.process.pid(), muster_testkit::Signal::Term)?;
        self.process.wait(PATIENCE).map(drop)
    }
}
