//! `cargo xtask prove deb`: the package's life in a minimal Debian that systemd runs: installed, configured, served with,
//! upgraded, removed, purged.

mod facts;
mod machine;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use facts::FACTS;
use machine::Machine;
use serde_json::json;

use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{deb, deployed, needs, results};

/// One line of JSON for each run.
const RESULTS: &str = "benches/results/deb.jsonl";

/// Builds two packages and lives with them; returns how many facts hold, and whether all do.
pub(crate) fn holds(workspace: &Workspace, programs: Option<&Path>) -> Result<(u64, bool)> {
    needs::install_packaging(&["dpkg-dev", "binutils", "lintian", "debootstrap"])?;
    if !needs::is_root() {
        bail!("this makes namespaces and installs a Debian: run it as root");
    }
    let programs = match programs {
        Some(folder) => folder.to_owned(),
        None => deployed::build(workspace)?,
    };
    let later = deb::build(workspace, &programs, "2")?;
    let package = deb::build(workspace, &programs, "1")?;
    if !flawless(&package)? {
        return Ok((0, false));
    }
    let suite = deb::release_of_debian("VERSION_CODENAME")?;
    let machine = Machine::boot(&suite)?;
    machine.give(&package)?;
    machine.give(&later)?;
    let held = facts_held(&machine)?;
    let systemd = machine.says(&["systemctl", "--version"])?;
    let line = json!({
        "package": package.file_name().unwrap_or_default().to_string_lossy(),
        "commit": deb::Commit::last(workspace)?.id,
        "debian": suite,
        "systemd": systemd.split(' ').nth(1),
        "facts": FACTS.len(),
        "held": held,
    });
    results::append(workspace, RESULTS, &[line.to_string()])?;
    Ok((held, held == FACTS.len() as u64))
}

/// Each fact needs those before it, so the first that does not hold ends it.
fn facts_held(machine: &Machine) -> Result<u64> {
    let mut held = 0;
    for (fact, script) in FACTS {
        if let Err(printed) = machine.does(script)? {
            say(format!("FAILED: {fact}\n{printed}"));
            let journal = machine.says(&["journalctl", "--no-pager", "--unit", "musterd"])?;
            say(format!("the journal:\n{journal}"));
            return Ok(held);
        }
        say(format!("holds: {fact}"));
        held += 1;
    }
    Ok(held)
}

/// Whether Debian's own judge of packages finds nothing that is not explained.
fn flawless(package: &Path) -> Result<bool> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "warning,error"]);
    run::passes(lintian.arg(package))
}
