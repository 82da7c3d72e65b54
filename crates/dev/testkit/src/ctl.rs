//! `musterctl`, as a test uses it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::facts::UserFacts;
use crate::process::Process;
use crate::programs;
use crate::wait::{PATIENCE, until};

/// The admin client with the words that reach the cluster.
#[derive(Clone, Debug)]
pub struct Ctl {
    prefix: Vec<String>,
}

impl Ctl {
    pub(crate) fn new(prefix: Vec<String>) -> Self {
        Self { prefix }
    }

    /// One that asks the first of these nodes that answers, by their sockets.
    ///
    /// # Errors
    /// Fails when the program is not there.
    pub fn of_sockets(sockets: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let mut prefix = vec![programs::musterctl()?.display().to_string()];
        for socket in sockets {
            prefix.extend(["--address".to_owned(), format!("unix:{}", socket.display())]);
        }
        Ok(Self::new(prefix))
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

    /// Gives the place of a dead node to another, as soon as nobody has heard the dead one for a while: until then it
    /// is refused, since it seems to run.
    ///
    /// # Errors
    /// As [`Ctl::run`], and when it seems to run for too long.
    pub fn replace(&self, old: &str, new: &str) -> Result<()> {
        let words = ["node", "replace", old, new];
        until("a dead node is taken for dead", PATIENCE, || {
            match self.run(&words) {
                Ok(_) => Ok(Some(())),
                Err(refused) if refused.to_string().contains("still runs") => Ok(None),
                Err(other) => Err(other),
            }
        })
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

    /// The words of an alarm on the node that answers, while it stands.
    ///
    /// # Errors
    /// Fails when no node answers.
    pub fn alarm(&self, name: &str) -> Result<Option<String>> {
        let status = self.json(&["status"])?;
        let mut alarms = status["alarms"].as_array().into_iter().flatten();
        let alarm = alarms.find(|alarm| alarm["name"] == name);
        Ok(alarm.map(|alarm| alarm["words"].as_str().unwrap_or_default().to_owned()))
    }

    /// The same program with other words in front, such as another address.
    #[must_use]
    pub fn with_prefix(&self, words: &[&str]) -> Self {
        let program = self.prefix.first().cloned();
        let words = words.iter().map(|&word| word.to_owned());
        Self::new(program.into_iter().chain(words).collect())
    }

    /// Starts a command and does not wait for it; dropped, it is killed.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Process> {
        let mut command = self.command(arguments)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Process::start(&mut command)
    }

    /// Starts `musterctl watch`.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn watch(&self) -> Result<Watch> {
        let mut command = self.command(&["watch", "-o", "json"])?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let lines = process
            .child()
            .stdout
            .take()
            .context("watch prints nowhere")?;
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                hearing.add(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Ok(Watch {
            _process: process,
            heard,
        })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let (program, prefix) = self
            .prefix
            .split_first()
            .context("the prefix of musterctl is empty")?;
        let mut command = Command::new(program);
        command.args(prefix).args(arguments).current_dir("/");
        Ok(command)
    }

    fn attempt(&self, arguments: &[&str], input: &str) -> Result<(Option<i32>, String, String)> {
        let mut command = self.command(arguments)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("starting musterctl")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have ended already.
            stdin.write_all(input.as_bytes()).ok();
        }
        let output = child.wait_with_output().context("waiting for musterctl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}

/// A running `musterctl watch`.
#[derive(Debug)]
pub struct Watch {
    _process: Process,
    heard: Arc<Heard>,
}

/// What was printed, and the bell that rings with each event.
#[derive(Debug, Default)]
struct Heard {
    events: Mutex<Vec<(Instant, Value)>>,
    bell: Condvar,
}

impl Heard {
    fn add(&self, event: Value) {
        self.events().push((Instant::now(), event));
        self.bell.notify_all();
    }

    fn events(&self) -> MutexGuard<'_, Vec<(Instant, Value)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Whether an event was printed.
    pub fn heard(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.heard.events().iter().any(|(_, event)| wanted(event))
    }

    /// How many events were printed so far: what comes later is what a test waits for.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.heard.events().len()
    }

    /// Waits for an event.
    ///
    /// # Errors
    /// Fails with everything that was printed instead.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.expect_since(0, what, wanted)
    }

    /// Waits for an event after a mark, and returns as soon as it is printed.
    ///
    /// # Errors
    /// Fails with everything that was printed instead.
    pub fn expect_since(
        &self,
        mark: usize,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let begun = Instant::now();
        let mut events = self.heard.events();
        loop {
            let later = events.get(mark..).unwrap_or_default();
            if let Some((_, event)) = later.iter().find(|(_, event)| wanted(event)) {
                return Ok(event.clone());
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if left.is_zero() {
                bail!("waited in vain: {what}; watch printed {later:?}");
            }
            let waited = self.heard.bell.wait_timeout(events, left);
            events = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// When the first such event after a mark was printed.
    pub fn when(&self, mark: usize, wanted: impl Fn(&Value) -> bool) -> Option<Instant> {
        let events = self.heard.events();
        let mut later = events.get(mark..).unwrap_or_default().iter();
        later.find(|(_, event)| wanted(event)).map(|(at, _)| *at)
    }

    /// Makes settings change until the watch hears of them: it is told nothing of what was before it.
    ///
    /// # Errors
    /// Fails when it hears nothing in time.
    pub fn listens(&self, ctl: &Ctl) -> Result<()> {
        let mut minutes = 30..;
        until("watch listens", PATIENCE, || {
            let delay = format!("fallback-delay={}m", minutes.next().unwrap_or(30));
            ctl.run(&["settings", "set", &delay])?;
            Ok(self.heard(|event| event["kind"] == "setting").then_some(()))
        })
    }
}

fn text(object: &Value, field: &str) -> Result<String> {
    object[field]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no {field} in {object}"))
}
