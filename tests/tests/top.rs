//! `musterctl top` on a real terminal, before a real pair.

#[path = "top/terminal.rs"]
mod terminal;

use anyhow::{Context, Result};
use muster_testkit::{Ctl, Library, Outcome, PATIENCE, Quickstart, Signal, musterctl, until};
use muster_tests::{Couple, log_in};
use terminal::Terminal;

/// The line of a node or its users that is below a title.
fn line<'a>(screen: &'a str, title: &str, name: &str) -> Option<&'a str> {
    let below = screen.lines().skip_while(|line| !line.starts_with(title));
    let mut rows = below.map(|line| line.trim_start_matches(['>', ' ']));
    rows.find(|line| line.split(' ').next() == Some(name))
}

fn node_is(screen: &str, name: &str, words: &[&str]) -> bool {
    line(screen, " Nodes", name).is_some_and(|line| words.iter().all(|word| line.contains(word)))
}

fn users_are(screen: &str, name: &str, words: &[&str]) -> bool {
    line(screen, " Users", name).is_some_and(|line| words.iter().all(|word| line.contains(word)))
}

/// `top` that asks the two serving nodes.
fn top(cluster: &Quickstart) -> Result<Terminal> {
    let socket = |node: &str| {
        format!(
            "unix:{}",
            cluster.folder().join(node).join("admin.sock").display()
        )
    };
    let program = musterctl()?.display().to_string();
    let (a, b) = (socket("a"), socket("b"));
    Terminal::start(&[
        &program,
        "--address",
        &a,
        "--address",
        &b,
        "top",
        "--interval",
        "500ms",
    ])
}

/// The node that is asked.
fn asked(screen: &str) -> Option<&str> {
    screen
        .lines()
        .next()?
        .strip_prefix("Asking node ")?
        .split(' ')
        .next()
}

#[test]
fn top_goes_on_when_the_node_that_it_asks_is_killed_and_keys_move_its_users_home_and_away()
-> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut top = top(&cluster)?;
    let screen = top.expect("both nodes and the witness", |screen| {
        ["a", "b", "w"]
            .iter()
            .all(|node| node_is(screen, node, &["Normal", "yes"]))
            && ["a", "b"]
                .iter()
                .all(|node| users_are(screen, node, &["at home"]))
    })?;
    let first = asked(&screen)
        .context("it does not say whom it asks")?
        .to_owned();
    let other = cluster.peer(&first)?.name.clone();
    // A client at the node that is killed.
    let user = if couple.home == first {
        &couple.alice
    } else {
        &couple.bob
    };
    let _client = log_in(&cluster, Library::Slixmpp, user, &first)?;
    top.expect("the session", |screen| {
        node_is(screen, &first, &["yes", " 1"]) && screen.contains("is here")
    })?;

    cluster.kill(&first)?;
    top.expect("the other node is asked, and the first is gone", |screen| {
        asked(screen) == Some(&other)
            && screen.contains(&format!("No answer from node {first}: "))
            && node_is(screen, &first, &["(unreachable)", "no", "stale"])
            && node_is(
                screen,
                &other,
                &["Running in Backup Mode (Peer Down)", "yes"],
            )
            && users_are(screen, &first, &[other.as_str()])
    })?;
    cluster.restart(&first)?;
    top.expect("a countdown", |screen| {
        node_is(screen, &first, &["Failed Over (Initialization)", "yes"])
            && users_are(screen, &first, &[&other, "in 29m"])
    })?;

    top.press(if first == "a" { "k" } else { "j" })?;
    top.reads(&format!("> {first}"))?;
    let [home, away] =
        ["fallback", "failover"].map(|word| format!("musterctl group {word} {first}"));
    // Refused until the node's copy has caught up.
    until("the users may go home", PATIENCE, || {
        let screen = order(&mut top, "b", &home)?;
        Ok(screen.contains("the users go home").then_some(()))
    })?;
    top.expect("they are at home", |screen| {
        node_is(screen, &first, &["Normal"]) && users_are(screen, &first, &["at home"])
    })?;
    until("they may go away", PATIENCE, || {
        let screen = order(&mut top, "f", &away)?;
        Ok(screen.contains("go to its peer").then_some(()))
    })?;
    top.expect("they are away", |screen| {
        node_is(screen, &first, &["Idle (Admin Request)"])
            && users_are(screen, &first, &[&other, "by hand"])
    })?;
    let screen = order(&mut top, "f", &away)?;
    assert!(screen.contains("refused: "), "{screen}");
    assert!(screen.contains("fallback"), "no remedy:\n{screen}");
    top.resize(10, 40)?;
    top.expect("a small screen", |screen| {
        screen.lines().count() <= 10 && node_is(screen, &first, &["Idle"])
    })?;
    top.press("q")?;
    assert_eq!(top.end()?, Some(0));
    Ok(())
}

/// Presses a key, reads which command it is, says yes and waits for the answer.
fn order(top: &mut Terminal, key: &str, command: &str) -> Result<String> {
    top.press(key)?;
    let asked = format!("The same as `{command}`");
    // It may go on in the next line.
    top.expect("the question", |screen| {
        screen.replace('\n', " ").contains(&asked)
    })?;
    top.press("y")?;
    top.expect("the answer", |screen| {
        screen.contains(&format!("{command}: ")) && !screen.contains("no answer yet")
    })
}

#[test]
fn top_leaves_the_terminal_as_it_was_and_needs_one() -> Outcome {
    let cluster = Quickstart::start()?;
    for end in ["\u{3}", "q", "\u{1b}"] {
        let mut top = top(&cluster)?;
        top.reads(" Nodes")?;
        top.press(end)?;
        assert_eq!(top.end()?, Some(0), "by {end:?}");
    }
    for end in [Signal::Term, Signal::Interrupt] {
        let top = top(&cluster)?;
        top.reads(" Nodes")?;
        top.signal(end)?;
        assert_eq!(top.end()?, Some(0), "by {end:?}");
    }
    let program = musterctl()?.display().to_string();
    let socket = |node: &str| cluster.folder().join(node).join("admin.sock");
    let address = format!("unix:{}", socket("a").display());
    for (no_colour, is_plain) in [("NO_COLOR=", false), ("NO_COLOR=1", true)] {
        let mut top = Terminal::start(&["env", no_colour, &program, "-a", &address, "top"])?;
        top.reads("at home")?;
        assert_eq!(top.colours() == 0, is_plain, "{no_colour}");
        top.press("q")?;
        top.end()?;
    }
    let (code, why) = Ctl::of_sockets([socket("a")])?.refused(&["top"])?;
    assert_eq!(code, Some(2), "{why}");
    for command in ["`musterctl watch`", "`musterctl get nodes -o json`"] {
        assert!(why.contains(command), "{why}");
    }
    // Where nobody answers, that is said on the plain screen.
    let nowhere = Terminal::start(&[&program, "--address", "unix:/nowhere", "top"])?;
    nowhere.reads("unix:/nowhere: there is no such socket")?;
    assert_eq!(nowhere.end()?, Some(3));
    Ok(())
}
