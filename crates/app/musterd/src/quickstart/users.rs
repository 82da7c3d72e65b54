//! The users of a quickstart. `users.csv` keeps their passwords for the next start.
//!
//! A user is written there before the cluster gets it, marked `new` in the third column until the
//! cluster has it. A user without the mark that the cluster does not have was removed by an
//! operator, and stays so; what operators do to the others is left alone too.

use super::DOMAIN;
use super::files::write_private;
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One user and the password to show.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) jid: String,
    pub(crate) password: String,
    #[serde(skip)]
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// The cluster may not have it yet.
    New,
    /// The cluster has it, or had it once.
    Known,
    /// An operator has removed it.
    Removed,
}

/// All users there ever were.
pub(crate) struct Users {
    path: PathBuf,
    all: Vec<User>,
}

impl Users {
    /// The users of an earlier start, and new ones up to `count`.
    pub(crate) fn prepare(dir: &Path, count: u32) -> anyhow::Result<Self> {
        let path = dir.join("users.csv");
        let known = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e).with_context(|| path.display().to_string()),
        };
        let mut all: Vec<User> = known.lines().skip(1).filter_map(read).collect();
        for number in all.len()..usize::try_from(count)? {
            all.push(User {
                jid: format!("{}@{DOMAIN}", user_name(number)),
                password: password()?,
                standing: Standing::New,
            });
        }
        let users = Self { path, all };
        users.write()?;
        Ok(users)
    }

    /// Those that the cluster should get, when it has the users `there`.
    pub(crate) fn missing(&self, there: &BTreeSet<String>) -> Vec<&User> {
        let new = |user: &&User| user.standing == Standing::New && !there.contains(&user.jid);
        self.all.iter().filter(new).collect()
    }

    /// The cluster has the users `there`, and none is missing.
    pub(crate) fn settle(&mut self, there: &BTreeSet<String>) -> anyhow::Result<()> {
        for user in &mut self.all {
            user.standing = if there.contains(&user.jid) {
                Standing::Known
            } else {
                Standing::Removed
            };
        }
        self.write()
    }

    /// Those that can log in.
    pub(crate) fn present(&self) -> impl Iterator<Item = &User> {
        let is_there = |user: &&User| user.standing != Standing::Removed;
        self.all.iter().filter(is_there)
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut text = "jid,password,new\n".to_owned();
        for user in &self.all {
            let mark = match user.standing {
                Standing::New => "new",
                Standing::Known | Standing::Removed => "",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{},{},{mark}", user.jid, user.password);
        }
        write_private(&self.path, text.as_bytes())
    }
}

fn read(line: &str) -> Option<User> {
    let (jid, rest) = line.split_once(',')?;
    let (password, mark) = rest.split_once(',').unwrap_or((rest, ""));
    Some(User {
        jid: jid.to_owned(),
        password: password.to_owned(),
        standing: if mark == "new" {
            Standing::New
        } else {
            Standing::Known
        },
    })
}

fn user_name(number: usize) -> String {
    const NAMES: [&str; 10] = [
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy",
    ];
    NAMES
        .get(number)
        .map_or_else(|| format!("user{}", number + 1), |name| (*name).to_owned())
}

/// 80 random bits, easy to type.
fn password() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no randomness from the system")?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(jids: &[&str]) -> BTreeSet<String> {
        jids.iter().map(|jid| (*jid).to_owned()).collect()
    }

    fn jids<'a>(users: impl IntoIterator<Item = &'a User>) -> Vec<&'a str> {
        users.into_iter().map(|user| user.jid.as_str()).collect()
    }

    #[test]
    fn what_operators_did_to_users_stays_done() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Users::prepare(dir.path(), 2).unwrap();
        assert_eq!(
            jids(first.missing(&set(&[]))),
            ["alice@example.com", "bob@example.com"]
        );
        first
            .settle(&set(&["alice@example.com", "bob@example.com"]))
            .unwrap();

        // An operator removes alice and adds zoe; there should be three users from now on.
        let there = set(&["bob@example.com", "zoe@example.com"]);
        let mut second = Users::prepare(dir.path(), 3).unwrap();
        assert_eq!(jids(second.missing(&there)), ["carol@example.com"]);
        let there = set(&["bob@example.com", "carol@example.com", "zoe@example.com"]);
        second.settle(&there).unwrap();
        assert_eq!(
            jids(second.present()),
            ["bob@example.com", "carol@example.com"]
        );

        let third = Users::prepare(dir.path(), 3).unwrap();
        assert!(third.missing(&there).is_empty());
        let of_bob = |users: &Users| users.all[1].password.clone();
        assert_eq!(of_bob(&third), of_bob(&first), "no password changes");
    }

    #[test]
    fn a_start_that_was_cut_off_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let first = Users::prepare(dir.path(), 2).unwrap();
        // The cluster got alice, and then everything ended.
        let second = Users::prepare(dir.path(), 2).unwrap();
        assert_eq!(second.all, first.all);
        let missing = second.missing(&set(&["alice@example.com"]));
        assert_eq!(jids(missing), ["bob@example.com"]);
    }

    #[test]
    fn users_of_an_earlier_release_are_known() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("users.csv"),
            "jid,password\nalice@example.com,secret\n",
        )
        .unwrap();
        let users = Users::prepare(dir.path(), 1).unwrap();
        assert_eq!(users.all[0].password, "secret");
        assert!(users.missing(&set(&[])).is_empty());
    }
}
