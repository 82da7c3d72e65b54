//! `cargo xtask verify`: everything that can be judged without running Muster. Reads only.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{floors, generated, matrix, peers, promises, purity, tidy};

/// One check. `problems` returns what is wrong, each as text of its own; nothing means that it holds.
pub(crate) struct Step {
    name: &'static str,
    problems: fn(&Workspace) -> Result<Vec<String>>,
}

/// The crate graph descends.
pub(crate) const FLOORS: Step = Step {
    name: "floors",
    problems: floors::problems,
};
/// The core reaches no adapter's library.
pub(crate) const PURITY: Step = Step {
    name: "purity",
    problems: purity::problems,
};

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        problems: |w| cargo(w, &["fmt", "--all", "--check"], &[]),
    },
    FLOORS,
    PURITY,
    Step {
        name: "tidy",
        problems: tidy::problems,
    },
    Step {
        name: "promises",
        problems: promises::problems,
    },
    Step {
        name: "matrix",
        problems: matrix::problems,
    },
    Step {
        name: "benches",
        problems: peers::problems,
    },
    Step {
        name: "clippy",
        problems: |w| {
            cargo(
                w,
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--",
                    "-D",
                    "warnings",
                ],
                &[],
            )
        },
    },
    Step {
        name: "rustdoc",
        problems: |w| {
            cargo(
                w,
                &["doc", "--workspace", "--no-deps", "--locked", "--quiet"],
                &[("RUSTDOCFLAGS", "-D warnings")],
            )
        },
    },
    Step {
        name: "generated",
        problems: generated::problems,
    },
];

/// Which steps.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run these steps only.
    #[arg(value_parser = step_names())]
    steps: Vec<String>,
}

/// Runs the chosen steps; none chosen means all.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let chosen = |step: &&Step| {
        options.steps.is_empty() || options.steps.iter().any(|name| name == step.name)
    };
    steps(workspace, STEPS.iter().filter(chosen))
}

/// Runs every step.
pub(crate) fn all(workspace: &Workspace) -> Result<bool> {
    steps(workspace, STEPS.iter())
}

fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs some steps, also after a failed one; `true` when all of them hold.
pub(crate) fn steps<'a>(
    workspace: &Workspace,
    steps: impl Iterator<Item = &'a Step>,
) -> Result<bool> {
    let mut failed = Vec::new();
    for step in steps {
        let begun = Instant::now();
        let problems = (step.problems)(workspace)?;
        let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
        say(format!(
            "verify {:<10} {verdict:<6} {:6.1} s",
            step.name,
            begun.elapsed().as_secs_f64()
        ));
        for problem in &problems {
            say(format!("  {}", problem.trim_end().replace('\n', "\n  ")));
        }
        if !problems.is_empty() {
            failed.push(step.name);
        }
    }
    if !failed.is_empty() {
        say(format!("verify: these steps failed: {}", failed.join(", ")));
    }
    Ok(failed.is_empty())
}

/// A step that is a cargo command: what it printed is the problem.
fn cargo(
    workspace: &Workspace,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Vec<String>> {
    let mut command = Command::new(run::cargo());
    command
        .current_dir(&workspace.root)
        .args(arguments)
        .envs(environment.iter().copied());
    Ok(run::quietly(&mut command)?.err().into_iter().collect())
}
