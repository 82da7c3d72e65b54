//! `docs/promises.md` lists what Muster promises and what proves it; this check holds the proofs to the sources.
//!
//! A line reads ``- [promise] text — proof: `name`, `cargo xtask …` `` or ends in `proof: open`. A name is that of a test
//! function; a command is one of `cargo xtask`, with options that it takes.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use clap::Parser;

use crate::Menu;
use crate::functions::functions;
use crate::run::say;
use crate::workspace::Workspace;

const PROMISES: &str = "docs/promises.md";
const MARK: &str = "- [promise] ";
const PROOF: &str = " — proof: ";

/// What a line of the list says about its proof.
#[derive(Debug, PartialEq)]
enum Proof<'a> {
    Open,
    By(Vec<&'a str>),
}

/// Lines that cannot be read, and proofs that do not exist. Also says how many promises are still open.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let text = fs::read_to_string(workspace.root.join(PROMISES))
        .with_context(|| format!("reading {PROMISES}"))?;
    let tests = tests(workspace)?;
    let (mut found, mut kept, mut open) = (Vec::new(), 0, 0);
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.starts_with(MARK))
    {
        match proof(line) {
            Some(Proof::Open) => open += 1,
            Some(Proof::By(names)) => {
                kept += 1;
                let missing = names.into_iter().filter(|name| !exists(name, &tests));
                found
                    .extend(missing.map(|name| format!("{PROMISES}:{number}: there is no {name}")));
            }
            None => found.push(format!(
                "{PROMISES}:{number}: ends neither in a proof nor in `proof: open`"
            )),
        }
    }
    say(format!("verify promises: {kept} with a proof, {open} open"));
    Ok(found)
}

fn proof(line: &str) -> Option<Proof<'_>> {
    let (_, proof) = line.rsplit_once(PROOF)?;
    if proof.trim() == "open" {
        return Some(Proof::Open);
    }
    let names: Vec<_> = proof.split('`').skip(1).step_by(2).collect();
    (!names.is_empty()).then_some(Proof::By(names))
}

/// Whether a test has this name, or it is a command of ours, which has to be understood with every word of it.
pub(crate) fn exists(name: &str, tests: &BTreeSet<String>) -> bool {
    if name.starts_with("cargo xtask ") {
        // The first word of the rest is what the program is called by.
        return Menu::try_parse_from(name.split_whitespace().skip(1)).is_ok();
    }
    tests.contains(name)
}

/// The names of all tests.
pub(crate) fn tests(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in workspace.sources()? {
        let source =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        names.extend(
            functions(&source)
                .into_iter()
                .filter(|function| function.test)
                .map(|function| function.name),
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Proof, exists, proof};

    #[test]
    fn a_line_names_its_proofs_or_is_open() {
        for (line, expected) in [
            (
                "- [promise] a — proof: `one_holds`",
                Some(Proof::By(vec!["one_holds"])),
            ),
            (
                "- [promise] a — proof: `one`, `cargo xtask sim`",
                Some(Proof::By(vec!["one", "cargo xtask sim"])),
            ),
            ("- [promise] a `b` — proof: open", Some(Proof::Open)),
            ("- [promise] a — proof: later", None),
            ("- [promise] a", None),
        ] {
            assert_eq!(proof(line), expected, "{line}");
        }
    }

    #[test]
    fn a_proof_is_a_test_or_a_command_of_ours() {
        let tests = BTreeSet::from(["one_holds".to_owned()]);
        for (name, expected) in [
            ("one_holds", true),
            ("another_holds", false),
            ("cargo xtask sim --seeds 200", true),
            ("cargo xtask nothing", false),
            ("cargo xtask ", false),
            ("cargo xtask", false),
            ("cargo xtask verify matrix", true),
            ("cargo xtask verify nothing", false),
            ("cargo xtask bench many", true),
            ("cargo xtask bench nonsense", false),
            ("cargo xtask bench takeover --kills 50", true),
            ("cargo xtask bench takeover --kills many", false),
            ("cargo xtask bench takeover --lives 50", false),
            ("cargo xtask prove takeover --kills 50 --pauses 20", true),
            ("cargo xtask prove nonsense", false),
        ] {
            assert_eq!(exists(name, &tests), expected, "{name}");
        }
    }
}
