//! What `musterd` says before it serves: versions, configurations, folders, keys.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use muster_testkit::{Outcome, Quickstart, musterd, root, write_certificate};

/// Runs the program to its end; returns whether it succeeded, and what it printed.
fn ended(arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(musterd()?)
        .args(arguments)
        .current_dir("/")
        .output()
        .context("starting musterd")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// An example configuration with the folders of the test.
fn example(folder: &Path, name: &str) -> Result<String> {
    let text = fs::read_to_string(root().join("deploy").join(name))
        .with_context(|| format!("deploy/{name}"))?;
    let folder = folder.display().to_string();
    Ok(text
        .replace("/var/lib/muster", &format!("{folder}/data"))
        .replace("/etc/muster", &folder))
}

fn check(folder: &Path, config: &str) -> Result<(bool, String)> {
    let file = folder.join("node.toml");
    fs::write(&file, config)?;
    ended(&["check", &file.display().to_string()])
}

#[test]
fn the_version_names_commit_wire_and_data() -> Outcome {
    let (good, text) = ended(&["--version"])?;
    assert!(
        good && ["commit", "wire", "data"]
            .iter()
            .all(|word| text.contains(word)),
        "{text}"
    );
    Ok(())
}

#[test]
fn the_example_configurations_are_good() -> Outcome {
    let folder = tempfile::tempdir()?;
    write_certificate(folder.path(), "example.com")?;
    for name in ["a.toml", "b.toml", "w.toml"] {
        let (good, text) = check(folder.path(), &example(folder.path(), name)?)?;
        assert!(good, "deploy/{name}: {text}");
    }
    Ok(())
}

#[test]
fn a_bad_configuration_is_refused_by_the_name_of_its_key() -> Outcome {
    let folder = tempfile::tempdir()?;
    write_certificate(folder.path(), "example.com")?;
    let good = example(folder.path(), "a.toml")?;
    for (what, from, to, named) in [
        ("an unknown key", "[http]", "[http]\nspeed = 1", "speed"),
        (
            "a contradiction",
            "# beat_ms = 50",
            "beat_ms = 500",
            "beat_ms",
        ),
        ("a wrong name", "name = \"a\"", "name = \"a b\"", "name"),
        (
            "no certificate",
            "[[c2s.certificate]]",
            "[[c2s.certificates]]",
            "certificates",
        ),
        (
            "an unreadable file",
            "example.com.pem",
            "nowhere.pem",
            "nowhere.pem",
        ),
        (
            "certificate and key exchanged",
            "example.com.key",
            "example.com.pem",
            "example.com.pem",
        ),
    ] {
        assert!(good.contains(from), "{what}");
        let (accepted, text) = check(folder.path(), &good.replacen(from, to, 1))?;
        assert!(!accepted && text.contains(named), "{what}: {text}");
    }
    Ok(())
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() -> Outcome {
    let folder = tempfile::tempdir()?;
    write_certificate(folder.path(), "example.com")?;
    fs::set_permissions(
        folder.path().join("example.com.key"),
        Permissions::from_mode(0o644),
    )?;
    let (good, text) = check(folder.path(), &example(folder.path(), "a.toml")?)?;
    assert!(!good && text.contains("chmod 600"), "{text}");
    Ok(())
}

#[test]
fn a_second_process_on_a_folder_is_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let argv = &cluster.node("a")?.argv;
    let words: Vec<_> = argv[1..].iter().map(String::as_str).collect();
    let (good, text) = ended(&words)?;
    assert!(!good && text.contains("another process"), "{text}");
    Ok(())
}
