//! The work: who does what, and how much of it.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::folder::Place;
use super::load::{Load, PASSWORD};
use super::server::Server;

/// How often contacts are made before it is given up.
const ATTEMPTS: u32 = 5;

/// One kind of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Work {
    /// Presence to contacts, as fast as it goes, and then at a steady rate.
    Fanout,
    /// Messages at a steady rate.
    Chat,
    /// Logins of accounts with empty rosters.
    Login,
    /// Everybody reconnects at once.
    Storm,
    /// Sessions that do nothing.
    Idle,
}

impl Work {
    /// Its name in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Chat => "chat",
            Self::Login => "login",
            Self::Storm => "storm",
            Self::Idle => "idle",
        }
    }
}

/// Accounts whose names begin alike, and how many of each other they have as contacts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crowd {
    /// What the names begin with; numbers from 1 follow.
    pub(crate) name: &'static str,
    /// How many there are.
    pub(crate) users: usize,
    /// Contacts of each, in a ring.
    pub(crate) contacts: usize,
}

impl Crowd {
    /// A user's address; numbers begin with 1.
    pub(crate) fn jid(self, number: usize) -> String {
        format!("{}{number}@example.com", self.name)
    }

    /// A user's contacts, as `muster-load` plans them: the nearest ones in a ring.
    pub(crate) fn contacts_of(self, number: usize) -> impl Iterator<Item = usize> {
        let (own, users) = (number - 1, self.users);
        (1..=self.contacts / 2)
            .flat_map(move |d| [(own + d) % users + 1, (own + users - d) % users + 1])
    }
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Part of the folders' names.
    pub(crate) name: &'static str,
    /// For presence; the first of them chat.
    pub(crate) talkers: Crowd,
    /// How many chat.
    pub(crate) chatters: usize,
    /// Without contacts.
    pub(crate) strangers: Crowd,
    /// For the storm.
    pub(crate) stormers: Crowd,
    /// Who do nothing.
    pub(crate) idlers: Crowd,
    /// How long each measurement at a rate, or as fast as it goes, takes.
    pub(crate) seconds: u32,
    /// Deliveries a second.
    pub(crate) deliveries: u32,
    /// Messages a second.
    pub(crate) messages: u32,
}

pub(crate) const fn crowd(name: &'static str, users: usize, contacts: usize) -> Crowd {
    Crowd {
        name,
        users,
        contacts,
    }
}

impl Scale {
    /// As the goals say.
    pub(crate) const FULL: Self = Self {
        name: "full",
        talkers: crowd("talk", 1_000, 50),
        chatters: 200,
        strangers: crowd("login", 1_000, 0),
        stormers: crowd("storm", 5_000, 20),
        idlers: crowd("idle", 2_000, 30),
        seconds: 5,
        deliveries: 10_000,
        messages: 1_000,
    };
    /// To see whether it works.
    pub(crate) const QUICK: Self = Self {
        name: "quick",
        talkers: crowd("talk", 60, 10),
        chatters: 20,
        strangers: crowd("login", 50, 0),
        stormers: crowd("storm", 100, 10),
        idlers: crowd("idle", 100, 10),
        seconds: 1,
        deliveries: 1_000,
        messages: 200,
    };
}

/// Work that is done by one start of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sitting {
    Talk,
    Storm,
    /// A fresh start each: memory that a process has had it keeps, and later sessions would look cheap.
    IdlePlain,
    IdleTls,
}

impl Sitting {
    /// The memory first, the longest last.
    pub(crate) const ALL: [Self; 4] = [Self::Talk, Self::IdlePlain, Self::IdleTls, Self::Storm];

    /// For people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Talk => "presence, chat and logins",
            Self::Storm => "storm",
            Self::IdlePlain => "idle sessions",
            Self::IdleTls => "idle sessions with TLS",
        }
    }

    /// Whether it is about memory.
    pub(crate) const fn measures_memory(self) -> bool {
        matches!(self, Self::IdlePlain | Self::IdleTls)
    }

    /// What the folder is called. Where memory is measured it has nobody else in it: what a process needs for a moment
    /// to read of others, it has left for its sessions.
    pub(crate) fn folder(self, scale: &Scale) -> String {
        let kept = if self.measures_memory() { "-idle" } else { "" };
        format!("{}{kept}", scale.name)
    }

    /// What is done, and whether with TLS.
    pub(crate) fn work(self) -> impl Iterator<Item = (Work, bool)> {
        let both: &[Work] = match self {
            Self::Talk => &[Work::Fanout, Work::Chat, Work::Login],
            Self::Storm => &[Work::Storm],
            Self::IdlePlain | Self::IdleTls => &[Work::Idle],
        };
        let protections: &[bool] = match self {
            Self::Talk | Self::Storm => &[false, true],
            Self::IdlePlain => &[false],
            Self::IdleTls => &[true],
        };
        protections
            .iter()
            .flat_map(|tls| both.iter().map(|work| (*work, *tls)))
    }

    /// Everybody who is needed.
    pub(crate) fn crowds(self, scale: &Scale) -> Vec<Crowd> {
        let mut all = vec![self.crowd(scale)];
        all.extend((self == Self::Talk).then_some(scale.strangers));
        all
    }

    /// Who is needed besides the strangers; the floor is started for so many.
    pub(crate) const fn crowd(self, scale: &Scale) -> Crowd {
        match self {
            Self::Talk => scale.talkers,
            Self::Storm => scale.stormers,
            Self::IdlePlain | Self::IdleTls => scale.idlers,
        }
    }
}

/// Makes the accounts and contacts that a sitting needs; answers whether there was anything to make.
///
/// # Errors
/// With what the server or `muster-load` said.
pub(crate) fn prepare(
    load: &Load,
    server: &dyn Server,
    place: &Place,
    scale: &Scale,
    sitting: Sitting,
) -> Result<bool> {
    if !server.has_accounts() {
        return Ok(false);
    }
    let mut made = false;
    for crowd in sitting.crowds(scale) {
        made |= gather(load, server, place, crowd)?;
    }
    Ok(made)
}

/// The same for one crowd; what an earlier run has made is there.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn gather(
    load: &Load,
    server: &dyn Server,
    place: &Place,
    crowd: Crowd,
) -> Result<bool> {
    if place.has(crowd.name) {
        return Ok(false);
    }
    let Crowd { name, users, .. } = crowd;
    eprintln!("making {users} accounts {name}1 to {name}{users}");
    match server.import(&csv(crowd)?) {
        Some(imported) => imported.context("importing accounts")?,
        None => load.prepare(server, crowd, &["--register"])?,
    }
    let made = server.befriend(crowd).transpose();
    if crowd.contacts > 0 && made.context("writing rosters")?.is_none() {
        befriend(load, server, crowd)?;
    }
    place.note(crowd.name)?;
    Ok(true)
}

/// By the protocol. What is subscribed stays so: another attempt, with new sessions, goes on where one stopped. On a busy
/// machine a pair may change owners under this load, and a client that waits for what was pushed meanwhile waits in vain.
fn befriend(load: &Load, server: &dyn Server, crowd: Crowd) -> Result<()> {
    let contacts = crowd.contacts.to_string();
    let words = ["--contacts", contacts.as_str(), "--timeout", "30s"];
    for attempt in 1..ATTEMPTS {
        match load.prepare(server, crowd, &words) {
            Ok(()) => return Ok(()),
            Err(stopped) => eprintln!("attempt {attempt} of {ATTEMPTS}: {stopped:#}"),
        }
    }
    load.prepare(server, crowd, &words)
}

fn csv(crowd: Crowd) -> Result<String> {
    let mut rows = "jid,password,home,name\n".to_owned();
    for n in 1..=crowd.users {
        writeln!(rows, "{},{PASSWORD},,", crowd.jid(n))?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_is_done_once_with_tls_and_once_without() {
        for work in Work::value_variants() {
            for tls in [false, true] {
                let doing = Sitting::ALL.iter().flat_map(|sitting| sitting.work());
                assert_eq!(
                    doing.filter(|done| *done == (*work, tls)).count(),
                    1,
                    "{work:?}"
                );
            }
        }
    }

    #[test]
    fn contacts_are_the_nearest_in_the_ring_and_mutual() {
        let ring = crowd("u", 5, 4);
        assert_eq!(ring.contacts_of(1).collect::<Vec<_>>(), [2, 5, 3, 4]);
        assert!(
            ring.contacts_of(3)
                .all(|other| ring.contacts_of(other).any(|back| back == 3))
        );
        assert_eq!(ring.jid(3), "u3@example.com");
    }

    #[test]
    fn crowds_can_have_their_contacts_and_the_floor_seats_for_all() {
        for scale in [Scale::FULL, Scale::QUICK] {
            for sitting in Sitting::ALL {
                let crowd = sitting.crowd(&scale);
                assert!(crowd.contacts.is_multiple_of(2) && crowd.contacts < crowd.users);
            }
            assert!(scale.chatters.is_multiple_of(2) && scale.chatters <= scale.talkers.users);
            assert!(scale.strangers.users <= scale.talkers.users);
        }
    }
}
