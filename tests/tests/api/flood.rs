//! A program that says more of one user than anybody can see, and what the others have of it.

use super::{Program, in_path};
use anyhow::{Context, Result, ensure};
use muster_testkit::{Library, Outcome, Quickstart, Raw};
use muster_tests::{Couple, Talk, c2s, log_in};
use std::thread;
use std::time::Instant;

/// A talk between the two who are not the couple, each at another node.
fn talk_beside(cluster: &Quickstart, couple: &Couple) -> Result<Talk> {
    let users = cluster.facts().users.iter();
    let mut others = users.filter(|user| **user != couple.alice && **user != couple.bob);
    let both = others.next().zip(others.next());
    let (one, other) = both.context("there are only two users")?;
    let trust = cluster.trust()?;
    let says = Raw::login(c2s(cluster.node(&couple.home)?)?, &trust, one, "says")?;
    let hears = Raw::login(c2s(cluster.node(&couple.peer)?)?, &trust, other, "hears")?;
    Talk::between(says, hears, &other.jid)
}
/// Publications of a flood, and how many of them are sent before the first is answered.
const FLOOD: usize = 10_000;
const AT_A_TIME: usize = 50;

/// How often those who see a user with one client are told of it: so much at once, and then so much a second.
const SHOWN_AT_ONCE: f64 = 20.0;
const SHOWN_A_SECOND: f64 = 10.0;

/// A phone rings and is picked up as often as a program can say it.
fn flood(program: &Program, user: &str) -> Result<()> {
    let path = format!("/v1/presence/{user}/sources/phone/desk");
    let call = |n: usize| {
        let state = ["off-hook", "dnd"][n % 2];
        let body = format!(r#"{{"state":"{state}","note":"call {n}","expires_in":3600}}"#);
        program.request("PUT", &path, "Content-Type: application/json\r\n", &body)
    };
    let calls: Vec<_> = (1..=FLOOD).map(call).collect();
    let mut raw = Raw::connect_tls(&program.address, &program.trust)?;
    for calls in calls.chunks(AT_A_TIME) {
        raw.send(calls.concat())?;
        for _ in calls {
            let head = raw.read_until("\r\n\r\n")?;
            ensure!(head.starts_with("HTTP/1.1 204"), "{head}");
        }
    }
    Ok(())
}

#[test]
fn a_flood_of_publications_of_one_user_disturbs_nobody_and_its_last_is_seen() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let alice_is = in_path(&couple.alice.jid);
    let program = Program::new(&cluster, &couple.peer, "flood", &[])?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let mut talk = talk_beside(&cluster, &couple)?;
    let (mark, begun) = (bob.mark(), Instant::now());
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&program, &alice_is));
        while !flooding.is_finished() {
            talk.goes_on()?;
        }
        let flooded = flooding.join();
        flooded.unwrap_or_else(|_| anyhow::bail!("the flood has failed"))
    })?;
    let last = format!("call {FLOOD}");
    bob.expect(mark, "the last of all calls", |e| {
        e.is_presence("available", &couple.alice.jid) && e.text("status") == last
    })?;
    let took = begun.elapsed();
    talk.goes_on()?;
    let seen = bob.since(mark);
    let seen: Vec<_> = seen.iter().filter(|e| e.is("presence")).collect();
    let newest = seen.last().context("nothing was seen")?;
    assert_eq!(newest.text("status"), last, "and nothing older after it");
    let fair = SHOWN_AT_ONCE + SHOWN_A_SECOND * (took.as_secs_f64() + 1.0);
    let shown = f64::from(u32::try_from(seen.len())?);
    assert!(shown <= fair, "{shown} in {took:?}");
    Ok(())
}
