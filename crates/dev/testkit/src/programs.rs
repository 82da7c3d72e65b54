//! Where the programs under test and their clients are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The node's program: `MUSTERD`, else the one beside the running test.
///
/// # Errors
/// Fails with the command that builds it when it is not there.
pub fn musterd() -> Result<PathBuf> {
    found("MUSTERD", || Ok(build_folder()?.join("musterd")))
}

/// The Python that has the client libraries: `MUSTER_PYTHON`, else the environment in the target folder.
///
/// # Errors
/// As [`musterd`].
pub fn python() -> Result<PathBuf> {
    found("MUSTER_PYTHON", || {
        Ok(build_folder()?.with_file_name("venv").join("bin/python"))
    })
}

/// The admin client's program: `MUSTERCTL`, else the one beside the running test.
///
/// # Errors
/// As [`musterd`].
pub fn musterctl() -> Result<PathBuf> {
    found("MUSTERCTL", || Ok(build_folder()?.join("musterctl")))
}

/// The load generator: `MUSTER_LOAD`, else the one beside the running test.
///
/// # Errors
/// As [`musterd`].
pub fn load() -> Result<PathBuf> {
    found("MUSTER_LOAD", || Ok(build_folder()?.join("muster-load")))
}

/// The folder of the client programs, `tests/clients`.
#[must_use]
pub fn clients() -> PathBuf {
    root().join("tests/clients")
}

/// The root of the sources.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn found(variable: &str, usual: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => usual()?,
    };
    if !path.exists() {
        bail!(
            "{} is not there: run `cargo xtask test`, or set {variable}",
            path.display()
        );
    }
    Ok(path)
}

/// `target/debug` or `target/release`: where the running program, or the folder `deps` it is in, stands.
fn build_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("asking for the running program")?;
    let folder = program
        .parent()
        .context("the running program has no folder")?;
    Ok(if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    }
    .to_owned())
}
