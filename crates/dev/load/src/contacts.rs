//! Who is whose contact: plans of mutual contacts, and making the rosters so by the protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use muster_stanza::{Element, ElementRef, Writer, ns};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::arrive::bare;
use crate::client::{Session, SessionError};
use crate::crowd::{self, Member};
use crate::target::Target;

/// Requests of one user that wait for an answer at once, at most.
const REQUESTS: usize = 16;
/// Users that ask at once, the others only answer: preparing is not meant to bury a server.
const ASKING: usize = 256;
/// How long one who has nothing to ask waits for the others: until one of them gives up.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// Mutual contacts, by the numbers of the users.
pub(crate) struct Contacts(Vec<Vec<usize>>);

impl Contacts {
    /// All users in a ring; each has the `contacts` nearest ones.
    ///
    /// # Errors
    /// When there are too few users, or their number and that of the contacts are both odd.
    pub(crate) fn ring(users: usize, contacts: usize) -> Result<Self> {
        if contacts == 0 || contacts >= users {
            bail!("{users} users cannot have {contacts} contacts each among themselves");
        }
        if contacts % 2 == 1 && users % 2 == 1 {
            bail!(
                "{users} users cannot have {contacts} mutual contacts each: one of the numbers must be even"
            );
        }
        let of = |user: usize| {
            let near =
                (1..=contacts / 2).flat_map(|d| [(user + d) % users, (user + users - d) % users]);
            let opposite = (contacts % 2 == 1).then_some((user + users / 2) % users);
            near.chain(opposite).collect()
        };
        Ok(Self((0..users).map(of).collect()))
    }

    /// The first `watchers` users share the others out among them: each other one is the contact of one of them.
    pub(crate) fn watched(watchers: usize, users: usize) -> Self {
        let of = |user: usize| {
            if user < watchers {
                (watchers..users)
                    .filter(|other| other % watchers == user)
                    .collect()
            } else {
                Vec::from_iter(user.checked_rem(watchers))
            }
        };
        Self((0..users).map(of).collect())
    }

    /// The contacts of one user.
    pub(crate) fn of(&self, user: usize) -> &[usize] {
        &self.0[user]
    }
}

/// What one user still has to reach: bare JIDs of contacts and what the roster says of each.
struct Wanted(HashMap<String, Subscription>);

/// The two directions of a subscription, and whether the request is on its way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Subscription {
    to: bool,
    from: bool,
    asked: bool,
}

impl Wanted {
    fn of(target: &Target, contacts: &Contacts, number: usize) -> Self {
        let jids = contacts
            .of(number)
            .iter()
            .map(|n| target.users[*n].jid.to_string());
        Self(jids.map(|jid| (jid, Subscription::default())).collect())
    }

    /// Takes what a roster or a roster push says.
    fn learn(&mut self, element: &Element) {
        let Some(query) = element.child("query", ns::ROSTER) else {
            return;
        };
        for item in query.children() {
            self.learn_item(&item);
        }
    }

    fn learn_item(&mut self, item: &ElementRef<'_>) {
        let Some(known) = item.attr("jid").and_then(|jid| self.0.get_mut(&*jid)) else {
            return;
        };
        let state = item.attr("subscription");
        known.to = matches!(state.as_deref(), Some("to" | "both"));
        known.from = matches!(state.as_deref(), Some("from" | "both"));
    }

    fn missing(&self) -> usize {
        self.0.values().filter(|s| !(s.to && s.from)).count()
    }

    /// Whether some of them still have to say yes.
    fn has_to_ask(&self) -> bool {
        self.0.values().any(|s| !s.to)
    }

    /// The next contacts to send a request to, and marks them.
    fn next_requests(&mut self) -> Vec<String> {
        let under_way = self.0.values().filter(|s| s.asked && !s.to).count();
        let open = self.0.iter_mut().filter(|(_, s)| !s.asked && !s.to);
        open.take(REQUESTS.saturating_sub(under_way))
            .map(|(jid, state)| {
                state.asked = true;
                jid.clone()
            })
            .collect()
    }
}

/// Makes everybody's rosters as planned, by subscribing and approving. What is there already is left.
///
/// # Errors
/// When a stream ends, or nothing comes for as long as the target's timeout.
pub(crate) async fn befriend(
    target: &Arc<Target>,
    contacts: &Contacts,
    members: Vec<Member>,
) -> Result<Vec<Member>> {
    let all = Arc::new(Together {
        left: AtomicUsize::new(members.len()),
        done: watch::channel(false).0,
        turns: Semaphore::new(ASKING),
        patience: target.timeout,
    });
    crowd::each("have their contacts", members, |mut member| {
        let wanted = Wanted::of(target, contacts, member.number);
        let all = Arc::clone(&all);
        async move {
            reach(&mut member.session, wanted, &all).await?;
            Ok(member)
        }
    })
    .await
}

/// What all users have in common while they make their contacts.
struct Together {
    /// Users that do not have all contacts yet.
    left: AtomicUsize,
    done: watch::Sender<bool>,
    turns: Semaphore,
    patience: Duration,
}

/// One user's part: asks in its turn, and goes on answering the others until all are done.
async fn reach(
    session: &mut Session,
    mut wanted: Wanted,
    all: &Together,
) -> Result<(), SessionError> {
    wanted.learn(&session.roster().await?);
    session.queue(b"<presence/>")?;
    let mut ended = all.done.subscribe();
    let mut done = false;
    let mut turn = None;
    let next_turn = all.turns.acquire();
    tokio::pin!(next_turn);
    let mut waits = wanted.has_to_ask();
    loop {
        if turn.is_some() {
            for jid in wanted.next_requests() {
                session.queue(&presence(&jid, "subscribe"))?;
            }
            if !wanted.has_to_ask() {
                turn = None;
            }
        }
        if !done && wanted.missing() == 0 {
            done = true;
            if all.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                all.done.send_replace(true);
            }
        }
        let limit = if turn.is_some() {
            all.patience
        } else {
            FOREVER
        };
        let element = tokio::select! {
            element = timeout(limit, session.next()) => element.map_err(|_| SessionError::Timeout(limit))??,
            permit = &mut next_turn, if waits => {
                // Never closed.
                turn = permit.ok();
                waits = false;
                continue;
            }
            () = crowd::raised(&mut ended) => return session.flush().await,
        };
        if element.name() == "presence" && element.attr("type").as_deref() == Some("subscribe") {
            let from = element.attr("from").unwrap_or_default();
            if wanted.0.contains_key(bare(&from)) {
                session.queue(&presence(bare(&from), "subscribed"))?;
            }
        } else if element.name() == "iq" {
            wanted.learn(&element);
        }
    }
}

/// Checks that everybody's roster is as planned, at least.
///
/// # Errors
/// Names the first user whose roster is not.
pub(crate) async fn check(
    target: &Arc<Target>,
    contacts: &Contacts,
    members: Vec<Member>,
) -> Result<Vec<Member>> {
    crowd::each("rosters checked", members, |mut member| {
        let mut wanted = Wanted::of(target, contacts, member.number);
        async move {
            wanted.learn(&member.session.roster().await?);
            match wanted.missing() {
                0 => Ok(member),
                missing => bail!(
                    "{} misses {missing} of {} mutual contacts: run once with --setup",
                    bare(member.session.jid()),
                    wanted.0.len()
                ),
            }
        }
    })
    .await
}

fn presence(to: &str, kind: &str) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("presence").attr("to", to).attr("type", kind);
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rings_are_mutual_and_even() {
        for (users, contacts) in [(2, 1), (3, 2), (4, 3), (5, 4), (10, 4), (10, 5), (1000, 50)] {
            let plan = Contacts::ring(users, contacts).unwrap();
            for user in 0..users {
                let own: BTreeSet<_> = plan.of(user).iter().copied().collect();
                assert_eq!(own.len(), contacts, "{users} {contacts}");
                assert!(!own.contains(&user));
                assert!(own.iter().all(|other| plan.of(*other).contains(&user)));
            }
        }
        for (users, contacts) in [(5, 3), (5, 5), (1, 1), (5, 0)] {
            assert!(
                Contacts::ring(users, contacts).is_err(),
                "{users} {contacts}"
            );
        }
    }

    #[test]
    fn watchers_and_clients_are_mutual() {
        let plan = Contacts::watched(2, 5);
        assert_eq!(plan.of(0), [2, 4]);
        assert_eq!(plan.of(1), [3]);
        assert_eq!(plan.of(3), [1]);
        assert_eq!(plan.of(4), [0]);
        assert_eq!(Contacts::watched(1, 4).of(0), [1, 2, 3]);
        assert!(Contacts::watched(0, 2).of(1).is_empty());
    }

    #[test]
    fn requests_go_out_a_few_at_a_time_and_once() {
        let jids = (0..20).map(|n| format!("u{n}@b"));
        let mut wanted = Wanted(jids.map(|jid| (jid, Subscription::default())).collect());
        let first = wanted.next_requests();
        assert_eq!(first.len(), REQUESTS);
        assert_eq!(wanted.next_requests().len(), 0);
        for (jid, state) in [(&first[0], "to"), (&first[1], "both"), (&first[2], "from")] {
            let push = format!(
                "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='{jid}' subscription='{state}'/></query></iq>"
            );
            wanted.learn(&Element::parse(push.as_bytes()).unwrap());
        }
        assert_eq!(wanted.missing(), 19);
        assert_eq!(wanted.next_requests().len(), 2);
    }
}
