//! A user with as many contacts as a roster holds: it is bounded, and nobody else feels it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use muster_testkit::{Options, Outcome, PATIENCE, Quickstart, Raw, UserFacts, until};
use muster_tests::Talk;

/// As many as a roster holds.
const CONTACTS: usize = 5_000;
/// Clients with which one user prepares its roster at the same time.
const HANDS: usize = 16;
/// Questions a client asks before it waits for the answers.
const AT_A_TIME: usize = 50;
/// Threads for the contacts.
const THREADS: usize = 8;
/// How often all contacts change.
const ROUNDS: usize = 3;
/// Until all contacts have been seen.
const ALL: Duration = Duration::from_secs(60);
/// By how much a node may grow at most: all changes are 30 MB for each of three clients, the newest of each
/// contact 10 MB.
const GROWTH: u64 = 150 << 20;

/// A cluster in which a roster may be full.
struct Place {
    cluster: Quickstart,
    /// Where the first user is at home, and elsewhere.
    home: String,
    peer: String,
    /// The process at the home.
    pid: u32,
}

impl Place {
    fn with(users: usize) -> Result<Self> {
        let cluster = Quickstart::start_with(Options {
            users,
            plaintext: true,
            ..Options::default()
        })?;
        let ctl = cluster.ctl();
        ctl.run(&["settings", "set", "auto-authorise=on", "contacts-max=0"])?;
        let node = ctl.home_of(&cluster.user(0).jid)?;
        let mut addresses = cluster.plaintext()?;
        if node != "a" {
            addresses.reverse();
        }
        let [home, peer] = &addresses[..] else {
            anyhow::bail!("this is no pair: {addresses:?}");
        };
        Ok(Self {
            home: home.clone(),
            peer: peer.clone(),
            pid: cluster.node(&node)?.pid,
            cluster,
        })
    }

    /// A client of the first user, at its home.
    fn own(&self, resource: &str) -> Result<Raw> {
        Raw::login_plaintext(&self.home, self.cluster.user(0), resource)
    }

    /// A figure of the home's memory, in bytes.
    fn memory(&self, figure: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let lines = status.lines();
        let mut found = lines.filter_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let words = found.next().and_then(|kb| kb.split_whitespace().next());
        let kb: u64 = words.context("no such figure")?.parse()?;
        Ok(kb * 1024)
    }

    fn logs(&self) -> Result<String> {
        let log = |node: &str| {
            let path = self.cluster.folder().join(format!("{node}.log"));
            fs::read_to_string(path)
        };
        Ok(log("a")? + &log("b")?)
    }
}

/// A talk between two at two nodes.
fn talk(place: &Place, one: &UserFacts, other: &UserFacts) -> Result<Talk> {
    let says = Raw::login_plaintext(&place.peer, one, "says")?;
    let hears = Raw::login_plaintext(&place.home, other, "hears")?;
    Talk::between(says, hears, &other.jid)
}

/// Lets many clients of one user do work that each does one after the other.
fn share(place: &Place, work: &[String]) -> Result<()> {
    let mut hands = Vec::new();
    for n in 0..HANDS {
        hands.push(place.own(&format!("hand{n}"))?);
    }
    // What follows is answered when the log has what came before.
    let last = "<iq type='get' id='done'><vCard xmlns='vcard-temp'/></iq>";
    for work in work.chunks(HANDS * AT_A_TIME) {
        for (hand, work) in hands.iter_mut().zip(work.chunks(AT_A_TIME)) {
            hand.send(work.concat() + last)?;
        }
        for hand in hands.iter_mut().take(work.len().div_ceil(AT_A_TIME)) {
            let said = hand.read_until("id='done'")?;
            ensure!(!said.contains("<error"), "{said}");
            hand.read_until("</iq>")?;
        }
    }
    Ok(())
}

fn ask_roster(client: &mut Raw, id: &str) -> Result<()> {
    client.send(format!(
        "<iq type='get' id='{id}'><query xmlns='jabber:iq:roster'/></iq>"
    ))
}

fn roster(client: &mut Raw, id: &str) -> Result<String> {
    ask_roster(client, id)?;
    client.read_until(&format!("id='{id}'"))?;
    client.read_until("</iq>")
}

/// What a client was shown of its contacts.
#[derive(Default)]
struct Seen {
    rest: String,
    /// The last change of each.
    newest: BTreeMap<String, usize>,
    presences: usize,
}

impl Seen {
    fn take(&mut self, text: &str) {
        self.rest += text;
        let Some(end) = self.rest.rfind("</presence>") else {
            return;
        };
        for one in self.rest[..end].split("<presence").skip(1) {
            let between = |from: &str, to: &str| {
                let (_, after) = one.split_once(from)?;
                after.split_once(to).map(|(between, _)| between.to_owned())
            };
            let round = between("<status>round ", "<").and_then(|round| round.parse().ok());
            if let (Some(contact), Some(round)) = (between("from='", "/"), round) {
                self.newest.insert(contact, round);
                self.presences += 1;
            }
        }
        self.rest.drain(..end);
    }

    /// Whether each contact was seen as it is after this round.
    fn all(&self, round: usize) -> bool {
        let seen = self.newest.values().filter(|newest| **newest == round);
        seen.count() == CONTACTS
    }
}

/// All contacts at once.
struct Crowd(Vec<Raw>);

impl Crowd {
    /// Half of them at each node.
    fn gather(place: &Place) -> Result<Self> {
        let contacts = &place.cluster.facts().users[1..=CONTACTS];
        let parts: Vec<_> = contacts.chunks(CONTACTS.div_ceil(THREADS)).collect();
        let arrived: Vec<Result<Vec<Raw>>> = thread::scope(|scope| {
            let arrive = |contacts: &[UserFacts]| {
                let both = [&place.home, &place.peer].into_iter().cycle();
                let all = contacts.iter().zip(both);
                all.map(|(user, at)| Raw::login_plaintext(at, user, "c"))
                    .collect()
            };
            let threads: Vec<_> = parts
                .into_iter()
                .map(|part| scope.spawn(move || arrive(part)))
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|ended| ended.unwrap_or_else(|_| anyhow::bail!("a thread has failed")))
                .collect()
        });
        let arrived: Result<Vec<_>> = arrived.into_iter().collect();
        Ok(Self(arrived?.into_iter().flatten().collect()))
    }

    /// Each changes its presence.
    fn change(&mut self, round: usize) -> Result<()> {
        let pad = "x".repeat(if round == 0 { 0 } else { 2_000 });
        let presence = format!(
            "<presence><status>round {round}</status><pad xmlns='urn:example:pad'>{pad}</pad></presence>"
        );
        self.0
            .iter_mut()
            .try_for_each(|contact| contact.send(&presence))
    }
}

/// Reads all that comes until it is told to stop.
fn read_on(mut reader: Raw, seen: &Mutex<Seen>, stop: &AtomicBool) -> Result<Raw> {
    while !stop.load(Ordering::Acquire) {
        let text = reader.read_some()?;
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(&text);
    }
    Ok(reader)
}

/// All contacts change a few times. One client reads all of it, one a little now and then; others chat.
fn rounds(crowd: &mut Crowd, reader: Raw, slow: &mut Raw, talk: &mut Talk) -> Result<(Raw, Seen)> {
    let (seen, stop) = (Mutex::new(Seen::default()), AtomicBool::new(false));
    let mut late = Seen::default();
    let reader = thread::scope(|scope| {
        let reading = scope.spawn(|| read_on(reader, &seen, &stop));
        let mut changed = || {
            for round in 0..=ROUNDS {
                crowd.change(round)?;
                until("every contact is seen", ALL, || {
                    talk.goes_on()?;
                    late.take(&slow.read_some()?);
                    ensure!(!reading.is_finished(), "the reader has ended");
                    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    Ok(seen.all(round).then_some(()))
                })?;
            }
            anyhow::Ok(())
        };
        let outcome = changed();
        stop.store(true, Ordering::Release);
        let reader = reading.join();
        outcome?;
        reader.unwrap_or_else(|_| anyhow::bail!("the reader has failed"))
    })?;
    Ok((reader, late))
}

#[test]
fn who_stops_reading_while_5000_contacts_change_is_closed_and_nobody_else_notices() -> Outcome {
    let place = Place::with(CONTACTS + 3)?;
    let users = &place.cluster.facts().users;
    let requests = users[1..=CONTACTS].iter();
    let requests =
        requests.map(|contact| format!("<presence type='subscribe' to='{}'/>", contact.jid));
    share(&place, &requests.collect::<Vec<_>>())?;
    let mut reader = place.own("reader")?;
    let mut asked = 0;
    until("every request is granted", ALL, || {
        asked += 1;
        let roster = roster(&mut reader, &format!("r{asked}"))?;
        let sees = roster.matches("subscription='to'").count();
        Ok((sees == CONTACTS).then_some(()))
    })?;
    let mut crowd = Crowd::gather(&place)?;
    let mut talk = talk(&place, &users[CONTACTS + 1], &users[CONTACTS + 2])?;
    let (mut deaf, mut slow) = (place.own("deaf")?, place.own("slow")?);
    for client in [&mut reader, &mut slow, &mut deaf] {
        client.send("<presence/>")?;
    }
    // What does not read from here on is sent more than the kernel takes for it.
    let before = place.memory("VmRSS")?;
    let (mut reader, mut late) = rounds(&mut crowd, reader, &mut slow, &mut talk)?;
    until("who does not read is closed", PATIENCE, || {
        talk.goes_on()?;
        late.take(&slow.read_some()?);
        let closed = "a client that does not read what it is sent is closed";
        Ok(place.logs()?.contains(closed).then_some(()))
    })?;
    let grown = place.memory("VmHWM")?.saturating_sub(before);
    assert!(grown < GROWTH, "the node has grown by {grown} bytes");

    // Who reads on is shown how everybody is now, and not all that was between.
    until("who reads on sees all", ALL, || {
        late.take(&slow.read_some()?);
        Ok(late.all(ROUNDS).then_some(()))
    })?;
    let all = (ROUNDS + 1) * CONTACTS;
    assert!(late.presences < all, "{} came", late.presences);
    let text = deaf.read_to_end(PATIENCE)?;
    assert!(
        !text.contains(&format!("round {ROUNDS}<")),
        "the deaf one was not closed"
    );

    // Coming and going all the time is no way to slow the others down either.
    reader.send("<presence type='unavailable'/><presence/>".repeat(200))?;
    for _ in 0..10 {
        talk.goes_on()?;
    }
    let mut again = Seen::default();
    until("who came and went sees all", ALL, || {
        talk.goes_on()?;
        again.take(&reader.read_some()?);
        Ok(again.all(ROUNDS).then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_contact_list_of_100000_is_refused_and_asking_for_a_full_one_all_the_time_slows_nobody()
-> Outcome {
    let place = Place::with(4)?;
    let ctl = place.cluster.ctl();
    for setting in ["contacts-max=100000", "watchers-max=5001"] {
        let (_, why) = ctl.refused(&["settings", "set", setting])?;
        assert!(
            why.contains("must be 0 to 5000: a roster goes to a client in one piece"),
            "{why}"
        );
    }
    let set = |n: usize| {
        format!(
            "<iq type='set' id='s{n}'><query xmlns='jabber:iq:roster'>\
             <item jid='contact{n}@example.com' name='Contact {n}'><group>All of them</group></item></query></iq>"
        )
    };
    share(&place, &(0..CONTACTS).map(set).collect::<Vec<_>>())?;
    let mut own = place.own("one-more")?;
    let why = "the roster is full: it may have 5000 contacts; remove one first";
    own.send(set(CONTACTS))?;
    own.read_until(why)?;
    own.send("<presence type='subscribe' to='one-more@example.com'/>")?;
    own.read_until(why)?;

    let mut talk = talk(&place, place.cluster.user(1), place.cluster.user(2))?;
    let mut all = Vec::new();
    for n in 0..HANDS {
        let mut client = place.own(&format!("asks{n}"))?;
        for n in 0..100 {
            ask_roster(&mut client, &format!("g{n}"))?;
        }
        all.push(client);
        talk.goes_on()?;
    }
    for id in ["g0", "g1"] {
        all[0].read_until(&format!("id='{id}'"))?;
        let roster = all[0].read_until("</iq>")?;
        assert!(roster.matches("<item").count() == CONTACTS);
        talk.goes_on()?;
    }
    drop(all);

    // Few contacts with much in them are no way round.
    let mut other = Raw::login_plaintext(&place.home, place.cluster.user(3), "wordy")?;
    let groups: String = (10..40)
        .map(|n| format!("<group>{n}{}</group>", "x".repeat(1_000)))
        .collect();
    let mut taken = 0;
    let full = until("a roster is full of words", ALL, || {
        taken += 1;
        let item = format!("<item jid='wordy{taken}@example.com'>{groups}</item>");
        let query = format!("<query xmlns='jabber:iq:roster'>{item}</query>");
        other.send(format!("<iq type='set' id='w{taken}'>{query}</iq>"))?;
        let said = other.read_until(&format!("id='w{taken}'"))? + &other.read_until(">")?;
        Ok(said.contains("error").then_some(taken))
    })?;
    assert!((30..40).contains(&full), "{full} were taken");
    other.read_until("may have 1048576 bytes; remove a contact or shorten names first")?;
    talk.goes_on()?;
    Ok(())
}
