//! Files that are written from the sources. The test that compares one with what it should be also writes it, when it
//! runs with `UPDATE` set.

use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::workspace::Workspace;

/// One generated file, and the test that knows what is in it.
pub(crate) struct Generated {
    file: &'static str,
    package: &'static str,
    test: &'static str,
}

/// The page of metrics.
pub(crate) const METRICS: Generated = Generated {
    file: "docs/metrics.md",
    package: "muster-telemetry",
    test: "the_page_of_metrics_is_up_to_date",
};

/// The page of alarms.
const ALARMS: Generated = Generated {
    file: "docs/alarms.md",
    package: "muster-telemetry",
    test: "the_page_of_alarms_is_up_to_date",
};

/// The alert rules, which have one for each alarm.
const RULES: Generated = Generated {
    file: "deploy/prometheus/muster.rules.yml",
    package: "muster-telemetry",
    test: "the_alert_rules_are_up_to_date",
};

const FILES: &[Generated] = &[METRICS, ALARMS, RULES];

/// Files that are not what they should be.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for generated in FILES {
        if let Err(output) = run::quietly(&mut test(workspace, generated))? {
            found.push(format!(
                "{} is old: run `cargo xtask fix`\n{output}",
                generated.file
            ));
        }
    }
    Ok(found)
}

/// Writes every generated file; `false` when one could not be written.
pub(crate) fn write_all(workspace: &Workspace) -> Result<bool> {
    for generated in FILES {
        if !write(workspace, generated)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes one generated file.
pub(crate) fn write(workspace: &Workspace, generated: &Generated) -> Result<bool> {
    run::passes(test(workspace, generated).env("UPDATE", "1"))
}

fn test(workspace: &Workspace, generated: &Generated) -> Command {
    let mut command = Command::new(run::cargo());
    command.current_dir(&workspace.root);
    command.args([
        "test",
        "--quiet",
        "--locked",
        "--lib",
        "--package",
        generated.package,
        generated.test,
    ]);
    command
}
