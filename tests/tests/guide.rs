//! docs/guide.md, followed word for word on three hosts: every command as it stands there, by the shell of the host that is
//! named, and what it prints compared with what the page says.

#[path = "guide/page.rs"]
mod page;
#[path = "guide/printed.rs"]
mod printed;

mod needs_root {
    use std::fs;

    use anyhow::{Context, Result, anyhow, bail, ensure};
    use muster_testkit::{
        BareHosts, Client, ClientOptions, Library, Outcome, PATIENCE, Printed, Process, Record,
        UserFacts, root, until,
    };
    use serde_json::json;

    use super::page::{self, Command, Deed, Step, Text};
    use super::printed::{Words, compare, fill_in};

    const GUIDE: &str = "docs/guide.md";
    /// The section from which on two people chat.
    const LOG_IN: &str = "Log in";

    #[test]
    fn the_guide_leads_from_nothing_to_chatting_on_three_hosts() -> Outcome {
        let text = fs::read_to_string(root().join(GUIDE))?;
        let mut follower = Follower {
            people: None,
            live: None,
            words: Words::new(),
            zone: Vec::new(),
            hosts: BareHosts::start(&["a", "b", "w"])?,
        };
        let steps = page::read(&text).context(GUIDE)?;
        for step in &steps {
            let place = || format!("{GUIDE}:{}, section {}", step.line, step.section);
            follower.follow(step).with_context(place)?;
        }
        let people = follower.people.context("nobody logged in")?;
        Ok(people.saw_nobody_leave()?)
    }

    /// Who has never seen Muster.
    struct Follower {
        // Dropped in this order.
        people: Option<People>,
        live: Option<Process>,
        words: Words,
        zone: Vec<Record>,
        hosts: BareHosts,
    }

    impl Follower {
        fn follow(&mut self, step: &Step) -> Result<()> {
            if step.section == LOG_IN && self.people.is_none() {
                self.people = Some(self.log_in()?);
            }
            match &step.deed {
                Deed::Run(command) => self.run(command)?,
                Deed::LeaveRunning(command) => self.leave_running(command)?,
                // The hosts are as the package leaves them.
                Deed::Install => {}
                Deed::Publish(zone) => {
                    self.zone = Record::parse(zone);
                    self.hosts.publish(&self.zone)?;
                }
                Deed::Hear(text) => self.hear(text)?,
            }
            match &mut self.people {
                Some(people) => people.chat(&format!("after line {}", step.line)),
                None => Ok(()),
            }
        }

        fn run(&mut self, command: &Command) -> Result<()> {
            let script = fill_in(&command.script, &self.words)?;
            for host in &command.hosts {
                let mut printed = Printed::default();
                let words = until("it says what it should", PATIENCE, || {
                    printed = self.hosts.run(host, &script)?;
                    match satisfied(command, &printed) {
                        Err(_) if command.again => Ok(None),
                        result => result.map(Some),
                    }
                });
                let words = words
                    .or_else(|error| satisfied(command, &printed).context(error))
                    .with_context(|| format!("on {host}, which printed:\n{}", printed.text))?;
                self.words.extend(words);
            }
            Ok(())
        }

        fn leave_running(&mut self, command: &Command) -> Result<()> {
            let [host] = command.hosts.as_slice() else {
                bail!("only one host can be looked at all the time");
            };
            let log = self.hosts.folder().join("live");
            self.live = Some(self.hosts.leave_running(host, &command.script, &log)?);
            Ok(())
        }

        /// Waits until what was left running has printed these lines, other lines among them.
        fn hear(&mut self, text: &Text) -> Result<()> {
            let log = self.hosts.folder().join("live");
            let mut expected = vec!["…".to_owned()];
            for line in &text.lines {
                expected.extend([line.clone(), "…".to_owned()]);
            }
            let mut heard = String::new();
            until("it says all of that", PATIENCE, || {
                heard = fs::read_to_string(&log)?;
                Ok(compare(&expected, &heard).ok())
            })
            .with_context(|| format!("line {}; heard was:\n{heard}", text.line))?;
            self.live = None;
            Ok(())
        }

        /// Alice's client goes to the addresses in the zone one after the other, Bob's asks the DNS.
        fn log_in(&self) -> Result<People> {
            let by_dns = ClientOptions {
                resolver: Some(self.hosts.resolver()?),
                ..ClientOptions::new(Library::Slixmpp, &[])
            };
            let hosts = self.zone.iter().filter_map(|record| match record {
                Record::Address { address, .. } => Some(format!("{address}:5222")),
                Record::Srv { .. } => None,
            });
            let by_address = ClientOptions {
                addresses: hosts.collect(),
                ..ClientOptions::new(Library::Slixmpp, &[])
            };
            let mut alice = self.client("alice", "<ALICES_PASSWORD>", &by_address)?;
            let mut bob = self.client("bob", "<BOBS_PASSWORD>", &by_dns)?;
            alice.ready(0)?;
            bob.ready(0)?;
            alice.befriend(&mut bob)?;
            let marks = (alice.mark(), bob.mark());
            Ok(People { alice, bob, marks })
        }

        fn client(&self, name: &str, password: &str, options: &ClientOptions) -> Result<Client> {
            let user = UserFacts {
                jid: format!("{name}@example.com"),
                password: fill_in(password, &self.words)?,
            };
            Client::start(&user, &self.hosts.home("a").join("ca.pem"), options)
        }
    }

    /// The words that were printed, if all was as expected.
    ///
    /// # Errors
    /// Fails when the command did, and with the line of the page that is not what was printed.
    fn satisfied(command: &Command, printed: &Printed) -> Result<Words> {
        ensure!(printed.good, "it failed");
        let Some(expected) = &command.expected else {
            return Ok(Words::new());
        };
        compare(&expected.lines, &printed.text).map_err(|at| {
            let line = expected.line + at;
            anyhow!("{GUIDE}:{line} is not what was printed")
        })
    }

    fn say(from: &mut Client, to: &Client, what: &str) -> Result<()> {
        until("the client is connected", PATIENCE, || {
            Ok(from.ask(json!({"do": "ping"})).ok())
        })?;
        from.chat(to.jid(), what)
    }

    /// Two who chat, whatever is done to the nodes.
    struct People {
        alice: Client,
        bob: Client,
        /// Since when they see each other.
        marks: (usize, usize),
    }

    impl People {
        /// Each of them says something to the other, as soon as its client is connected.
        fn chat(&mut self, what: &str) -> Result<()> {
            let (here, there) = (self.alice.mark(), self.bob.mark());
            say(&mut self.alice, &self.bob, what)?;
            say(&mut self.bob, &self.alice, what)?;
            self.alice.expect(here, what, |e| e.is_message(what))?;
            self.bob.expect(there, what, |e| e.is_message(what))?;
            Ok(())
        }

        fn saw_nobody_leave(&self) -> Result<()> {
            for (who, mark, other) in [
                (&self.alice, self.marks.0, self.bob.jid()),
                (&self.bob, self.marks.1, self.alice.jid()),
            ] {
                let seen = who.since(mark);
                let gone = seen.iter().find(|e| e.is_presence("unavailable", other));
                ensure!(gone.is_none(), "{} saw {gone:?}", who.jid());
            }
            Ok(())
        }
    }
}
