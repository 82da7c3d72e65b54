//! `cargo xtask test`: verify, then every test, then the instructions of the hot paths. What did not run counts as failed;
//! the last line is `N passed, N failed`.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::functions::functions;
use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{count, needs, venv, verify};

/// Tests that make network namespaces or file systems stand in these files, in a module of this name.
const ROOT_TESTS: &str = "tests/tests";
const NEEDS_ROOT: &str = "mod needs_root {";

/// How to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out, by name, the tests that need root.
    #[arg(long)]
    without_root: bool,
}

/// How many tests passed, and what failed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counts {
    passed: usize,
    failed: usize,
}

impl Counts {
    /// Whether everything that was to run passed.
    pub(crate) fn holds(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Counts one more that holds or does not.
    pub(crate) fn add(&mut self, holds: bool) {
        self.passed += usize::from(holds);
        self.failed += usize::from(!holds);
    }

    fn add_failure(&mut self, what: &str) {
        say(format!("FAILED: {what}"));
        self.failed += 1;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs everything, also after a failure, so that one run shows all of them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut counts = Counts::default();
    if !verify::all(workspace)? {
        counts.add_failure("verify");
    }
    if build(workspace)? {
        match needs::install().and_then(|()| venv::prepare(workspace, venv::CLIENTS)) {
            Ok(python) => {
                counts += without_rights(workspace, options)?;
                counts += cargo_test(workspace, &["--workspace"], &python)?;
                match count::as_tests(workspace) {
                    Ok(counted) => counts += counted,
                    Err(problem) => counts.add_failure(&format!("cargo xtask count: {problem:#}")),
                }
            }
            Err(problem) => counts.add_failure(&format!("no test ran: {problem:#}")),
        }
    } else {
        counts.add_failure("cargo build; no test ran");
    }
    say(counts.to_string());
    Ok(counts.holds())
}

/// One build profile for programs and tests.
fn build(workspace: &Workspace) -> Result<bool> {
    let mut command = Command::new(run::cargo());
    run::passes(command.current_dir(&workspace.root).args([
        "build",
        "--workspace",
        "--all-targets",
        "--locked",
    ]))
}

/// The end-to-end tests alone.
pub(crate) fn end_to_end(workspace: &Workspace, python: &Path) -> Result<Counts> {
    cargo_test(workspace, &["--package", "muster-tests"], python)
}

/// The tests that this user has no rights for: failures, unless they were waived.
fn without_rights(workspace: &Workspace, options: &Options) -> Result<Counts> {
    let mut counts = Counts::default();
    if needs::is_root() {
        return Ok(counts);
    }
    for name in root_tests(&workspace.root.join(ROOT_TESTS))? {
        if options.without_root {
            say(format!("not run, needs root: {name}"));
        } else {
            counts.add_failure(&format!("{name} needs root (or --without-root)"));
        }
    }
    Ok(counts)
}

/// The names of all tests below `needs_root`.
fn root_tests(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            continue; // what the tests of one file are made of
        }
        let source =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        // The module is the last thing in its file.
        let Some(at) = source.find(NEEDS_ROOT) else {
            continue;
        };
        let tests = functions(&source[at..]).into_iter().filter(|f| f.test);
        names.extend(tests.map(|test| test.name));
    }
    names.sort();
    Ok(names)
}

/// Runs `cargo test`, those tests that need root included when this is root; shows its output and counts.
fn cargo_test(workspace: &Workspace, which: &[&str], python: &Path) -> Result<Counts> {
    let mut command = Command::new(run::cargo());
    command
        .current_dir(&workspace.root)
        .args(["test", "--locked", "--no-fail-fast"])
        .args(which);
    if !needs::is_root() {
        command.args(["--", "--skip", "needs_root::"]);
    }
    command
        .env("MUSTERD", workspace.binary("musterd"))
        .env("MUSTERCTL", workspace.binary("musterctl"));
    command.env("MUSTER_PYTHON", python);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", run::line(&command)))?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(result) = result(&line) {
                counts += result;
            }
            say(line);
        }
    }
    if !child.wait()?.success() && counts.failed == 0 {
        counts.add_failure(&run::line(&command));
    }
    Ok(counts)
}

/// Reads `test result: ok. 3 passed; 1 failed; 2 ignored; …`. An ignored test did not run, so it failed.
fn result(line: &str) -> Option<Counts> {
    let figures = line.strip_prefix("test result: ")?;
    let count = |word: &str| {
        let before = figures.split(word).next()?;
        before
            .rsplit([' ', ';', '.'])
            .find(|part| !part.is_empty())?
            .parse::<usize>()
            .ok()
    };
    Some(Counts {
        passed: count(" passed")?,
        failed: count(" failed")? + count(" ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Counts, result};

    #[test]
    fn counts_are_read_and_an_ignored_test_is_a_failure() {
        let some = |passed, failed| Some(Counts { passed, failed });
        for (line, expected) in [
            (
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                some(3, 0),
            ),
            (
                "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out",
                some(12, 3),
            ),
            ("test roster::items ... ok", None),
        ] {
            assert_eq!(result(line), expected, "{line}");
        }
    }
}
