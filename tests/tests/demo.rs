//! What the README promises of `musterd quickstart --demo`.

#[allow(dead_code, reason = "shared with top.rs, which needs more of it")]
#[path = "top/terminal.rs"]
mod terminal;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use muster_testkit::{Outcome, Process, Turn, musterd};
use tempfile::TempDir;
use terminal::Terminal;

/// A start, a round and an end, on a busy machine.
const ROUND: Duration = Duration::from_secs(120);

/// Where the demo makes its temporary folder.
fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("demo-").tempdir()?)
}

/// The demo on a terminal. The shell tells the terminal's name once more, as the picture has moved it away.
fn on_terminal(folder: &Path) -> Result<Terminal> {
    let temporary = format!("TMPDIR={}", folder.display());
    let program = musterd()?.display().to_string();
    let script = "trap : INT; \"$@\"; code=$?; tty; exit $code";
    let shell = ["sh", "-c", script, "sh", "env", &temporary];
    let demo = [&program, "quickstart", "--demo", "--rounds", "1"];
    Terminal::start(&[&shell[..], &demo[..]].concat())
}

/// Neither a process nor a file is left of what worked in this folder.
fn nothing_is_left(folder: &Path) -> Result<()> {
    let files: Vec<_> = fs::read_dir(folder)?.flatten().collect();
    ensure!(files.is_empty(), "these are left: {files:?}");
    let path = folder.display().to_string();
    for process in fs::read_dir("/proc")?.flatten() {
        // What has ended meanwhile has no command line.
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        ensure!(!line.contains(&path), "this still runs: {line}");
    }
    Ok(())
}

/// The seconds of a line such as `b answered its users after 0.93 s`.
fn takeover(text: &str) -> Result<f64> {
    let after = text.split("answered its users after ").nth(1);
    let seconds = after.and_then(|text| text.split(' ').next());
    Ok(seconds.context("no takeover time is told")?.parse()?)
}

#[test]
fn a_demo_without_a_terminal_tells_a_round_in_plain_lines_and_ends_with_0() -> Outcome {
    let _turn = Turn::wait()?;
    let folder = folder()?;
    let logs = tempfile::tempdir()?;
    let (out, errors) = (logs.path().join("out"), logs.path().join("errors"));
    let mut command = Command::new(musterd()?);
    command
        .args(["quickstart", "--demo", "--rounds", "1"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out)?)
        .stderr(fs::File::create(&errors)?);
    let code = Process::start(&mut command)?.wait(ROUND)?;
    let (text, errors) = (fs::read_to_string(&out)?, fs::read_to_string(&errors)?);
    assert_eq!(code, Some(0), "{text}\n{errors}");
    assert!(!text.contains('\x1b'), "{text:?}");
    assert!(text.lines().all(|line| line.starts_with('[')), "{text}");
    assert!(takeover(&text)? < 4.0, "{text}");
    for told in [
        "kill -9 node a",
        "b answers alice: taken over",
        "node a is started again",
        "a serves its users again",
        ", 0 lost; 0 times",
        "Done: ",
    ] {
        assert!(text.contains(told), "{told:?} is missing:\n{text}");
    }
    assert!(!text.contains(" 0 messages acknowledged"), "{text}");
    nothing_is_left(folder.path())?;
    Ok(())
}

#[test]
fn a_demo_on_a_terminal_draws_and_leaves_the_terminal_as_it_was() -> Outcome {
    let _turn = Turn::wait()?;
    let folder = folder()?;
    let terminal = on_terminal(folder.path())?;
    terminal.reads("USER    HOME  SERVED BY")?;
    terminal.reads("Node a is killed")?;
    terminal.expect("alice is served by b", |screen| {
        let mut lines = screen.lines().map(|line| line.split_whitespace());
        lines.any(|words| words.take(4).eq(["alice", "a", "b", "b"]))
    })?;
    assert!(terminal.colours() > 0);
    terminal.reads("Node a starts again")?;
    terminal.reads("Done: ")?;
    assert_eq!(terminal.end()?, Some(0));
    nothing_is_left(folder.path())?;
    Ok(())
}

#[test]
fn ctrl_c_ends_a_demo_while_a_node_is_dead_and_nothing_is_left() -> Outcome {
    let _turn = Turn::wait()?;
    let folder = folder()?;
    let mut terminal = on_terminal(folder.path())?;
    terminal.reads("USER    HOME  SERVED BY")?;
    terminal.reads("Node a is killed")?;
    terminal.press("\x03")?;
    assert_eq!(terminal.end()?, Some(1));
    nothing_is_left(folder.path())?;
    Ok(())
}
