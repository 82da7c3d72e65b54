//! `cargo xtask fix`: what `verify` would complain about and a tool can repair. Read the diff before you commit it.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{generated, run, tidy};

/// Formats, applies clippy's own repairs, writes the generated files and lowers the ratchet.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ];
    for arguments in [clippy.as_slice(), &["fmt", "--all"]] {
        if !run::passes(
            Command::new(run::cargo())
                .current_dir(&workspace.root)
                .args(arguments),
        )? {
            return Ok(false);
        }
    }
    tidy::tighten(workspace)?;
    generated::write_all(workspace)
}
