//! `cargo xtask tidy`: the longest files and functions. Those over the limits are written down in `tidy.toml`; that list
//! is a ratchet: it gets shorter, never longer.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::functions::functions;
use crate::run::say;
use crate::workspace::Workspace;

/// A file may have this many lines before somebody has to wonder.
const FILE_LINES_MAX: usize = 500;
/// A function may have this many.
const FUNCTION_LINES_MAX: usize = 70;
/// A test may be longer: much of it is a table, which is long without being complicated.
const TEST_LINES_ALLOWANCE: usize = 50;
const RATCHET: &str = "crates/dev/xtask/tidy.toml";

/// What to list.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many files and functions to list.
    #[arg(long, default_value_t = 15)]
    top: usize,
}

/// The oversized files and functions that are known, with the length that they may have at most.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Ratchet {
    files: BTreeMap<String, usize>,
    functions: BTreeMap<String, usize>,
}

/// Lengths by file, and by `file::function`; a test's is that beyond its allowance.
struct Sizes {
    files: BTreeMap<String, usize>,
    functions: BTreeMap<String, usize>,
}

/// Prints the longest and checks the ratchet.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let sizes = measure(workspace)?;
    for (title, lengths) in [("files", &sizes.files), ("functions", &sizes.functions)] {
        say(format!("longest {title}, in lines:"));
        let mut longest: Vec<_> = lengths.iter().collect();
        longest.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (name, lines) in longest.into_iter().take(options.top) {
            say(format!("{lines:6}  {name}"));
        }
    }
    let found = compare(&sizes, &read(workspace)?);
    for problem in &found {
        say(problem);
    }
    Ok(found.is_empty())
}

/// What is longer than it may be, and what the ratchet lists without need.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(compare(&measure(workspace)?, &read(workspace)?))
}

/// Lowers the ratchet to what is there; it never raises it.
pub(crate) fn tighten(workspace: &Workspace) -> Result<()> {
    let (sizes, mut ratchet) = (measure(workspace)?, read(workspace)?);
    lower(&mut ratchet.files, &sizes.files, FILE_LINES_MAX);
    lower(&mut ratchet.functions, &sizes.functions, FUNCTION_LINES_MAX);
    let text = format!(
        "# Files over {FILE_LINES_MAX} lines and functions over {FUNCTION_LINES_MAX}, with the length they may have at most.\n\
         # The list gets shorter, never longer: `cargo xtask fix` lowers it, `cargo xtask verify` holds it.\n\n{}",
        toml::to_string_pretty(&ratchet)?
    );
    fs::write(workspace.root.join(RATCHET), text).with_context(|| format!("writing {RATCHET}"))
}

fn lower(allowed: &mut BTreeMap<String, usize>, sizes: &BTreeMap<String, usize>, limit: usize) {
    allowed.retain(|name, most| {
        *most = sizes.get(name).copied().unwrap_or(0).min(*most);
        *most > limit
    });
}

fn compare(sizes: &Sizes, ratchet: &Ratchet) -> Vec<String> {
    let mut found = Vec::new();
    for (lengths, allowed, limit) in [
        (&sizes.files, &ratchet.files, FILE_LINES_MAX),
        (&sizes.functions, &ratchet.functions, FUNCTION_LINES_MAX),
    ] {
        for (name, lines) in lengths {
            let most = allowed.get(name).copied().unwrap_or(limit).max(limit);
            if *lines > most {
                found.push(format!(
                    "{name} has {lines} lines, at most {most}: split it"
                ));
            }
        }
        for (name, most) in allowed {
            let lines = lengths.get(name).copied().unwrap_or(0);
            if lines.max(limit) < *most || lines <= limit {
                found.push(format!("{RATCHET} allows {most} lines for {name}, which has {lines}: run `cargo xtask fix`"));
            }
        }
    }
    found
}

fn measure(workspace: &Workspace) -> Result<Sizes> {
    let mut sizes = Sizes {
        files: BTreeMap::new(),
        functions: BTreeMap::new(),
    };
    for path in workspace.sources()? {
        let source =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let file = workspace.relative(&path);
        for function in functions(&source) {
            let longest = sizes
                .functions
                .entry(format!("{file}::{}", function.name))
                .or_default();
            let allowance = if function.test {
                TEST_LINES_ALLOWANCE
            } else {
                0
            };
            *longest = function.lines.saturating_sub(allowance).max(*longest);
        }
        sizes.files.insert(file, source.lines().count());
    }
    Ok(sizes)
}

fn read(workspace: &Workspace) -> Result<Ratchet> {
    let text = fs::read_to_string(workspace.root.join(RATCHET))
        .with_context(|| format!("reading {RATCHET}"))?;
    toml::from_str(&text)
        .with_context(|| format!("{RATCHET} is not as `cargo xtask fix` writes it"))
}

#[cfg(test)]
#[path = "tidy_test.rs"]
mod tidy_test;
