//! `cargo xtask prove images`: the image, the Compose file and the Helm chart, each judged by its own tools.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, say};
use crate::venv;
use crate::workspace::Workspace;

const CHART: &str = "deploy/helm/muster";
const COMPOSE: &str = "deploy/compose.yaml";
const DOCKERFILE: &str = "deploy/Dockerfile";
const JUDGE: &str = "crates/dev/xtask/src/images/chart.py";

/// Returns how many judges agree, and whether all do. Each says what it has against a file.
pub(crate) fn hold(workspace: &Workspace) -> Result<(u64, bool)> {
    let python = venv::prepare(workspace, venv::DEPLOY)?;
    let tools = python.parent().context("python is in no folder")?;
    let tool = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(tools.join(name));
        command.current_dir(&workspace.root).args(arguments);
        command
    };
    let schema = ["--builtin-schema", "vendor.compose-spec", COMPOSE];
    let mut judges = vec![
        tool("hadolint", &[DOCKERFILE]),
        tool("check-jsonschema", &schema),
        tool("docker-compose", &["--file", COMPOSE, "config", "--quiet"]),
    ];
    let keys = tempfile::tempdir().context("making a folder")?;
    certify(keys.path())?;
    let mut chart = tool("python", &[JUDGE, CHART]);
    chart.arg(musterd(workspace)?).arg(keys.path());
    judges.push(chart);
    let (mut agree, count) = (0, judges.len() as u64);
    for mut judge in judges {
        match run::quietly(&mut judge)? {
            Ok(()) => agree += 1,
            Err(printed) => say(format!("`{}`:\n{printed}", run::line(&judge))),
        }
    }
    Ok((agree, agree == count))
}

/// The node that is to accept the configurations of the chart.
fn musterd(workspace: &Workspace) -> Result<std::path::PathBuf> {
    let mut build = Command::new(run::cargo());
    build.current_dir(&workspace.root);
    build.args(["build", "--locked", "--package", "musterd"]);
    if !run::passes(&mut build)? {
        bail!("musterd could not be built");
    }
    Ok(workspace.binary("musterd"))
}

/// Makes a certificate for the domain of the chart's values.
fn certify(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "9",
        "-subj",
        "/CN=example.com",
        "-addext",
        "subjectAltName=DNS:example.com",
        "-out",
        "tls.crt",
        "-keyout",
        "tls.key",
    ]);
    match run::quietly(&mut openssl)? {
        Ok(()) => Ok(()),
        Err(output) => bail!("openssl made no certificate:\n{output}"),
    }
}
