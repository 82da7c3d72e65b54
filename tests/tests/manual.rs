//! The manual and the completions that the programs write: complete, and accepted by what reads them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use muster_testkit::{Outcome, musterctl, musterd};

#[test]
fn every_command_has_a_manual_page_that_the_typesetter_takes() -> Outcome {
    for (name, program, section) in [("musterctl", musterctl()?, 1), ("musterd", musterd()?, 8)] {
        let folder = tempfile::tempdir()?;
        printed(Command::new(&program).arg("man").arg(folder.path()))?;
        let mut expected = BTreeSet::new();
        commands(&program, &mut vec![name.to_owned()], &mut expected)?;
        let expected: BTreeSet<String> = expected
            .into_iter()
            .map(|command| format!("{command}.{section}"))
            .collect();
        let mut pages = BTreeSet::new();
        for entry in fs::read_dir(folder.path())? {
            let page = entry?.path();
            pages.insert(
                page.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            );
            let warnings = printed(
                Command::new("groff")
                    .args(["-Kutf8", "-man", "-ww", "-z", "-Tutf8"])
                    .arg(&page),
            )?;
            assert!(warnings.is_empty(), "{}: {warnings}", page.display());
            // What `apropos` shows of it.
            printed(Command::new("lexgrog").arg(&page))?;
        }
        assert_eq!(pages, expected);
        assert!(pages.len() > 3, "{name} has {} pages", pages.len());
    }
    Ok(())
}

#[test]
fn bash_completes_commands_options_and_words_from_the_script() -> Outcome {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("musterctl");
    let text = printed(Command::new(musterctl()?).args(["completions", "bash"]))?;
    fs::write(&script, text)?;
    printed(Command::new("bash").arg("-n").arg(&script))?;
    for (typed, expected) in [
        ("gro", "group"),
        ("group fallb", "fallback"),
        ("group fallback --wa", "--wait"),
        ("get us", "users"),
        ("completions fi", "fish"),
    ] {
        let complete = format!(
            ". {}; set -- {typed}; COMP_WORDS=(musterctl \"$@\") COMP_CWORD=$#
             _musterctl musterctl \"${{@: -1}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
             echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        let completed = printed(Command::new("bash").args(["-c", &complete]))?;
        assert_eq!(completed.trim(), expected, "{typed}");
    }
    Ok(())
}

/// Adds the name of a command's page and those of all below it, as `--help` lists them.
fn commands(program: &Path, path: &mut Vec<String>, found: &mut BTreeSet<String>) -> Result<()> {
    found.insert(path.join("-"));
    let help = printed(Command::new(program).args(&path[1..]).arg("--help"))?;
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Ok(());
    };
    for line in list.lines().take_while(|line| !line.is_empty()) {
        // What a command does may go on in the next line, further to the right.
        let Some(name) = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
        else {
            continue;
        };
        let name = name.split(' ').next().unwrap_or_default();
        if name != "help" {
            path.push(name.to_owned());
            commands(program, path, found)?;
            path.pop();
        }
    }
    Ok(())
}

/// Everything that a program prints, which has to succeed.
fn printed(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &errors)
}
