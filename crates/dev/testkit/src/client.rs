//! A third-party client in a process of its own, driven through the line protocol of `tests/clients/agent.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::facts::UserFacts;
use crate::process::Process;
use crate::programs;
use crate::wait::{PATIENCE, until};

/// The client programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// slixmpp.
    Slixmpp,
    /// aioxmpp.
    Aioxmpp,
    /// The terminal client profanity.
    Profanity,
}

/// How a client reaches TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// RFC 6120 §5.
    Starttls,
    /// XEP-0368.
    Direct,
}

/// How to start a client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Which program.
    pub library: Library,
    /// Where to go, in this order and round again; empty: as DNS says.
    pub addresses: Vec<String>,
    /// How to reach TLS.
    pub mode: Mode,
    /// The resource to ask for.
    pub resource: Option<String>,
    /// The DNS server.
    pub resolver: Option<String>,
    /// Whether to send initial presence.
    pub presence: bool,
    /// Ask for a sign of life each so many seconds, and go elsewhere without one; 0: never.
    pub ping_s: u32,
}

impl ClientOptions {
    /// A client that goes to these addresses with STARTTLS and sends presence.
    #[must_use]
    pub fn new(library: Library, addresses: &[&str]) -> Self {
        Self {
            library,
            addresses: addresses
                .iter()
                .map(|&address| address.to_owned())
                .collect(),
            mode: Mode::Starttls,
            resource: None,
            resolver: None,
            presence: true,
            ping_s: 0,
        }
    }
}

/// Something a client saw.
#[derive(Clone, Debug)]
pub struct Event(Value);

impl Event {
    /// Whether it is of a kind: `connected`, `presence`, `message`, …
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.0["event"] == kind
    }

    /// A field as text; empty when it is absent.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// A field as it came.
    #[must_use]
    pub fn value(&self, field: &str) -> &Value {
        &self.0[field]
    }

    /// When, on the machine's monotonic clock in seconds.
    #[must_use]
    pub fn at(&self) -> f64 {
        self.0["at"].as_f64().unwrap_or_default()
    }

    /// Whether it is a presence of this type from this bare or full JID.
    #[must_use]
    pub fn is_presence(&self, kind: &str, from: &str) -> bool {
        self.is("presence") && self.text("type") == kind && is_from(self.text("from"), from)
    }

    /// Whether it is a message with this text.
    #[must_use]
    pub fn is_message(&self, body: &str) -> bool {
        self.is("message") && self.text("body") == body
    }
}

fn is_from(from: &str, wanted: &str) -> bool {
    from.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A running client. Dropped, it is killed without a word; [`Client::quit`] takes leave.
#[derive(Debug)]
pub struct Client {
    jid: String,
    process: Process,
    commands: ChildStdin,
    events: Arc<Mutex<Vec<Event>>>,
    asked: u64,
}

impl Client {
    /// Starts a client; it connects by itself.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start(user: &UserFacts, ca_file: &Path, options: &ClientOptions) -> Result<Self> {
        let program = match options.library {
            Library::Slixmpp => "slixmpp_agent.py",
            Library::Aioxmpp => "aioxmpp_agent.py",
            Library::Profanity => "profanity_agent.py",
        };
        let jid = match &options.resource {
            Some(resource) => format!("{}/{resource}", user.jid),
            None => user.jid.clone(),
        };
        let settings = json!({
            "jid": jid,
            "password": user.password,
            "ca_file": ca_file,
            "addresses": options.addresses,
            "mode": if options.mode == Mode::Direct { "direct" } else { "starttls" },
            "resolver": options.resolver,
            "presence": options.presence,
            "ping_s": options.ping_s,
        });
        let mut command = Command::new(programs::python()?);
        command
            .args(["-B", "-W", "ignore"])
            .arg(programs::clients().join(program))
            .arg(settings.to_string());
        // What libraries print about lost connections is noise here; what matters comes as events.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start(&mut command)?;
        let commands = process
            .child()
            .stdin
            .take()
            .context("the client has no stdin")?;
        let output = process
            .child()
            .stdout
            .take()
            .context("the client has no stdout")?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    seen.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Event(event));
                }
            }
        });
        Ok(Self {
            jid: user.jid.clone(),
            process,
            commands,
            events,
            asked: 0,
        })
    }

    /// The account's bare JID.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// How much it has seen so far: what comes later is what a test waits for.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.events().len()
    }

    /// Everything it saw since a mark.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Event> {
        self.events().split_off(mark)
    }

    /// Waits until it is connected and ready, from a mark on; returns the event `connected`.
    ///
    /// # Errors
    /// Fails when that does not happen in time.
    pub fn ready(&mut self, mark: usize) -> Result<Event> {
        self.expect(mark, "the client is ready", |event| event.is("ready"))?;
        self.expect(mark, "the client is connected", |event| {
            event.is("connected")
        })
    }

    /// Waits for an event after a mark.
    ///
    /// # Errors
    /// Fails with everything it saw instead, when the time is over or the client ended.
    pub fn expect(
        &mut self,
        mark: usize,
        what: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        self.expect_within(mark, what, PATIENCE, wanted)
    }

    /// As [`Client::expect`], with another time.
    ///
    /// # Errors
    /// As [`Client::expect`].
    pub fn expect_within(
        &mut self,
        mark: usize,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let found = until(what, within, || {
            if let Some(event) = self.since(mark).into_iter().find(&wanted) {
                return Ok(Some(event));
            }
            if self.process.ended()?.is_some() {
                bail!("the client of {} ended by itself", self.jid);
            }
            Ok(None)
        });
        found.with_context(|| format!("{} saw {:?}", self.jid, self.since(mark)))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// Fails when the client or the server refuses, or nothing comes.
    pub fn ask(&mut self, command: Value) -> Result<Event> {
        let what = command.to_string();
        let reply = self.attempt(command)?;
        if reply.value("ok") != &Value::Bool(true) {
            bail!("{} asked {what} and got {:?}", self.jid, reply);
        }
        Ok(reply)
    }

    /// Sends a command that the server should refuse; returns the condition of its error.
    ///
    /// # Errors
    /// Fails when it is not refused.
    pub fn refused(&mut self, command: Value) -> Result<String> {
        let what = command.to_string();
        let reply = self.attempt(command)?;
        if reply.text("condition").is_empty() {
            bail!(
                "{} asked {what}, which was not refused: {reply:?}",
                self.jid
            );
        }
        Ok(reply.text("condition").to_owned())
    }

    /// Sends a chat message.
    ///
    /// # Errors
    /// Fails when the client cannot send.
    pub fn chat(&mut self, to: &str, body: &str) -> Result<()> {
        self.ask(json!({"do": "message", "to": to, "body": body}))
            .map(drop)
    }

    /// Sends one of the four subscription stanzas.
    ///
    /// # Errors
    /// Fails when the client cannot send.
    pub fn subscription(&mut self, kind: &str, to: &str) -> Result<()> {
        self.ask(json!({"do": "subscription", "type": kind, "to": to}))
            .map(drop)
    }

    /// The roster as the server has it: each item an object with `jid`, `subscription`, `name`, `ask`, `groups`.
    ///
    /// # Errors
    /// Fails when the server does not answer.
    pub fn roster(&mut self) -> Result<Vec<Value>> {
        let reply = self.ask(json!({"do": "roster"}))?;
        reply
            .value("items")
            .as_array()
            .cloned()
            .context("the roster is no list")
    }

    /// Makes two users see each other.
    ///
    /// # Errors
    /// Fails when the subscriptions do not come about.
    pub fn befriend(&mut self, other: &mut Self) -> Result<()> {
        let (here, there) = (self.mark(), other.mark());
        self.subscription("subscribe", other.jid())?;
        let own = self.jid.clone();
        other.expect(there, "a request to subscribe", |event| {
            event.is_presence("subscribe", &own)
        })?;
        other.subscription("subscribed", &own)?;
        other.subscription("subscribe", &own)?;
        let theirs = other.jid.clone();
        self.expect(here, "a request to subscribe", |event| {
            event.is_presence("subscribe", &theirs)
        })?;
        self.subscription("subscribed", &theirs)?;
        other.expect(there, "presence", |event| {
            event.is_presence("available", &own)
        })?;
        self.expect(here, "presence", |event| {
            event.is_presence("available", &theirs)
        })?;
        Ok(())
    }

    /// Takes leave and waits for the end.
    ///
    /// # Errors
    /// Fails when the client does not end.
    pub fn quit(mut self) -> Result<()> {
        self.tell(json!({"do": "quit"}))?;
        self.process.wait(PATIENCE).map(drop)
    }

    /// Sends a command without waiting for its answer; returns the number that the answer will carry.
    ///
    /// # Errors
    /// Fails when the client is gone.
    pub fn tell(&mut self, mut command: Value) -> Result<u64> {
        self.asked += 1;
        command["id"] = self.asked.into();
        writeln!(self.commands, "{command}")
            .with_context(|| format!("the client of {} is gone", self.jid))?;
        Ok(self.asked)
    }

    fn attempt(&mut self, command: Value) -> Result<Event> {
        let mark = self.mark();
        let what = format!("an answer to {command}");
        let id = self.tell(command)?;
        self.expect(mark, &what, |event| {
            event.is("reply") && event.value("id") == id
        })
    }

    fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
