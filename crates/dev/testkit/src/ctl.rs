//! `musterctl`, as a test uses it.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::facts::UserFacts;

/// The admin client with the words that reach the cluster.
#[derive(Clone, Debug)]
pub struct Ctl {
    prefix: Vec<String>,
}

impl Ctl {
    pub(crate) fn new(prefix: Vec<String>) -> Self {
        Self { prefix }
    }

    /// Runs a command; returns what it printed.
    ///
    /// # Errors
    /// Fails with what it printed on stderr when it refuses.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, "")
    }

    /// Runs a command with something on its standard input.
    ///
    /// # Errors
    /// As [`Ctl::run`].
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let (code, stdout, stderr) = self.attempt(arguments, input)?;
        if code != Some(0) {
            bail!(
                "musterctl {} ended with {code:?}: {}",
                arguments.join(" "),
                stderr.trim()
            );
        }
        Ok(stdout)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// As [`Ctl::run`].
    pub fn add_user(&self, user: &UserFacts) -> Result<()> {
        self.run_with(
            &["user", "add", &user.jid, "--password-file", "-"],
            &user.password,
        )
        .map(drop)
    }

    /// Runs a command that is expected to be refused, with a password on its standard input; returns its exit code and
    /// what it printed on stderr.
    ///
    /// # Errors
    /// Fails when it succeeds.
    pub fn refused(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let (code, stdout, stderr) = self.attempt(arguments, "a password\n")?;
        if code == Some(0) {
            bail!(
                "musterctl {} was not refused: {stdout}",
                arguments.join(" ")
            );
        }
        Ok((code, stderr))
    }

    /// Runs a command and reads its JSON.
    ///
    /// # Errors
    /// Fails when it refuses or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let text = self.run(&all)?;
        serde_json::from_str(&text)
            .with_context(|| format!("musterctl {} printed no JSON: {text}", all.join(" ")))
    }

    /// One object of a list that `get` prints, found by one of its fields.
    ///
    /// # Errors
    /// Fails when the list has no such object.
    pub fn find(&self, list: &str, field: &str, is: &str) -> Result<Value> {
        let all = self.json(&["get", list])?;
        let objects = all
            .as_array()
            .with_context(|| format!("`get {list}` prints no list: {all}"))?;
        let found = objects.iter().find(|object| object[field] == is);
        found
            .cloned()
            .with_context(|| format!("`get {list}` has none with {field} {is}: {all}"))
    }

    /// The name of the node that an account is assigned to.
    ///
    /// # Errors
    /// Fails when there is no such account.
    pub fn home_of(&self, jid: &str) -> Result<String> {
        text(&self.find("users", "jid", jid)?, "home")
    }

    /// The name of the node that serves the users of a home node now; `None` between two owners.
    ///
    /// # Errors
    /// Fails when the node has no slot.
    pub fn owner_of(&self, home: &str) -> Result<Option<String>> {
        Ok(self.find("slots", "home", home)?["owner"]
            .as_str()
            .map(str::to_owned))
    }

    /// The state of a node and its reason, as domain words.
    ///
    /// # Errors
    /// Fails when there is no such node.
    pub fn state_of(&self, node: &str) -> Result<(String, String)> {
        let node = self.find("nodes", "name", node)?;
        Ok((
            text(&node, "state")?,
            node["reason"].as_str().unwrap_or_default().to_owned(),
        ))
    }

    fn attempt(&self, arguments: &[&str], input: &str) -> Result<(Option<i32>, String, String)> {
        let (program, prefix) = self
            .prefix
            .split_first()
            .context("the prefix of musterctl is empty")?;
        let mut command = Command::new(program);
        command.args(prefix).args(arguments).current_dir("/");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have ended already.
            stdin.write_all(input.as_bytes()).ok();
        }
        let output = child
            .wait_with_output()
            .with_context(|| format!("waiting for {program}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}

fn text(object: &Value, field: &str) -> Result<String> {
    object[field]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no {field} in {object}"))
}
