//! What phones, calendars, applications and people say about a user, as real clients see it.

use anyhow::Result;
use muster_testkit::{Client, Ctl, Library, Outcome, PATIENCE, Quickstart, never, until};
use muster_tests::{Couple, log_in};
use serde_json::{Value, json};
use std::time::Duration;

/// Alice, and bob who sees her from another node.
struct Scene {
    cluster: Quickstart,
    couple: Couple,
    ctl: Ctl,
    alice: Client,
    bob: Client,
}

impl Scene {
    fn new() -> Result<Self> {
        let cluster = Quickstart::start()?;
        let couple = Couple::of(&cluster)?;
        let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
        let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
        alice.befriend(&mut bob)?;
        Ok(Self {
            ctl: cluster.ctl(),
            cluster,
            couple,
            alice,
            bob,
        })
    }

    fn set(&self, source: &str, state: &str, more: &[&str]) -> Result<()> {
        let mut words = vec!["presence", "set", &self.couple.alice.jid, source, state];
        words.extend(more);
        self.ctl.run(&words).map(drop)
    }

    fn clear(&self, source: &str) -> Result<()> {
        let words = ["presence", "clear", &self.couple.alice.jid, source];
        self.ctl.run(&words).map(drop)
    }

    fn explain(&self) -> Result<Value> {
        let watcher = &self.couple.bob.jid;
        self.ctl
            .json(&["explain", &self.couple.alice.jid, "--as", watcher])
    }

    /// Bob sees alice so, after `mark`.
    fn bob_sees(&mut self, mark: usize, show: &str, status: &str) -> Result<()> {
        self.bob
            .expect(mark, &format!("alice {show} {status:?}"), |e| {
                e.is_presence("available", &self.couple.alice.jid)
                    && e.text("show") == show
                    && e.text("status") == status
            })
            .map(drop)
    }
}

#[test]
fn what_a_phone_and_a_calendar_say_is_seen_by_watchers_and_explained() -> Outcome {
    let mut scene = Scene::new()?;
    let mark = scene.bob.mark();
    scene.set("phone/desk", "off-hook", &["--for", "1h"])?;
    scene.bob_sees(mark, "dnd", "On the phone")?;
    let meeting = ["--for", "2h", "--note", "Budget <2027> & more"];
    scene.set("calendar/work", "busy", &meeting)?;
    let why = scene.explain()?;
    assert_eq!(why["state"], "on-the-phone", "{why}");
    assert_eq!(why["rule"], "on the phone", "{why}");
    assert!(why["until"].is_string(), "{why}");
    let said = why["said"].as_array().cloned().unwrap_or_default();
    let won = |source: &str| {
        let said = said.iter().find(|said| said["source"] == source);
        said.map(|said| said["won"] == true && said["until"].is_string())
    };
    assert_eq!(won("phone/desk"), Some(true), "{why}");
    assert_eq!(won("calendar/work"), Some(false), "{why}");
    let client = &why["seen"]["clients"][0];
    assert_eq!(client["show"], "dnd", "{why}");
    assert_eq!(client["status"], "On the phone", "{why}");

    // The call ends by a word, the meeting by its time.
    let mark = scene.bob.mark();
    scene.clear("phone/desk")?;
    scene.bob_sees(mark, "dnd", "Budget <2027> & more")?;
    scene.ctl.run_with(
        &["presence", "rules", "set", "-"],
        &without_spread(&scene.ctl)?,
    )?;
    let mark = scene.bob.mark();
    scene.set("calendar/work", "busy", &["--for", "2s"])?;
    scene.bob_sees(mark, "dnd", "In a meeting")?;
    scene.bob.expect(mark, "alice as she is", |e| {
        e.is_presence("available", &scene.couple.alice.jid) && e.value("show").is_null()
    })?;

    // What the administrator decides goes before all of it.
    let policy = |switch| {
        let words = [
            "user",
            "policy",
            &scene.couple.alice.jid,
            "sharing-off",
            switch,
        ];
        scene.ctl.run(&words)
    };
    let mark = scene.bob.mark();
    policy("on")?;
    scene.bob.expect(mark, "alice is gone", |e| {
        e.is_presence("unavailable", &scene.couple.alice.jid)
    })?;
    let user = scene.ctl.find("users", "jid", &scene.couple.alice.jid)?;
    assert_eq!(user["policies"], json!(["sharing-off"]), "{user}");
    assert!(scene.explain()?["seen"]["nothing"].is_string());
    let mark = scene.bob.mark();
    policy("off")?;
    scene.bob.expect(mark, "alice is there", |e| {
        e.is_presence("available", &scene.couple.alice.jid)
    })?;

    // A choice of her own ends with her last client, and with nothing else.
    let mark = scene.bob.mark();
    let choice = "<command xmlns='http://jabber.org/protocol/commands' action='complete' \
         node='urn:muster:presence:choose'><x xmlns='jabber:x:data' type='submit'>\
         <field var='state'><value>be-right-back</value></field></x></command>";
    let done = scene
        .alice
        .ask(json!({"do": "iq", "type": "set", "payload": choice}))?;
    assert!(done.text("payload").contains("completed"), "{done:?}");
    scene.bob_sees(mark, "away", "Be right back")?;
    scene.alice.quit()?;
    scene.bob.expect(mark, "alice has gone", |e| {
        e.is_presence("unavailable", &scene.couple.alice.jid)
    })?;
    let mark = scene.bob.mark();
    let couple = &scene.couple;
    scene.alice = log_in(
        &scene.cluster,
        Library::Slixmpp,
        &couple.alice,
        &couple.home,
    )?;
    let seen = scene.bob.expect(mark, "alice is back", |e| {
        e.is_presence("available", &couple.alice.jid)
    })?;
    assert!(seen.value("show").is_null(), "{seen:?}");
    Ok(())
}

/// The rules in force, by which meetings begin and end exactly when they do.
fn without_spread(ctl: &Ctl) -> Result<String> {
    let rules = ctl.run(&["presence", "rules", "show"])?;
    assert!(rules.contains("calendar-spread = 50"), "{rules}");
    Ok(rules.replace("calendar-spread = 50", "calendar-spread = 0"))
}

#[test]
fn what_was_said_survives_the_node_that_was_told_and_nobody_sees_anything_else() -> Outcome {
    let mut scene = Scene::new()?;
    let mark = scene.bob.mark();
    scene.set("phone/desk", "off-hook", &["--for", "1h"])?;
    scene.set("app/tickets", "busy", &["--for", "1h"])?;
    scene.set("manual", "vacation", &["--note", "Back in May"])?;
    scene.bob_sees(mark, "xa", "Back in May")?;
    let (here, there) = (scene.alice.mark(), scene.bob.mark());
    let home = scene.couple.home.clone();
    scene.cluster.kill(&home)?;
    scene
        .alice
        .expect_within(here, "she is served by the peer", PATIENCE, |e| {
            e.is("ready")
        })?;
    scene.bob.chat(&scene.couple.alice.jid, "still there?")?;
    scene
        .alice
        .expect(here, "a message", |e| e.is_message("still there?"))?;
    let why = scene.explain()?;
    assert_eq!(why["state"], "vacation", "{why}");
    let said = why["said"].as_array().cloned().unwrap_or_default();
    let sources: Vec<_> = said
        .iter()
        .filter_map(|said| said["source"].as_str())
        .collect();
    for source in ["manual", "phone/desk", "app/tickets"] {
        assert!(sources.contains(&source), "{source} in {why}");
    }
    never("alice otherwise", Duration::from_secs(3), || {
        let seen = scene.bob.since(there).into_iter();
        Ok(seen
            .filter(|e| e.is("presence"))
            .find(|e| e.text("show") != "xa" || e.text("status") != "Back in May"))
    })?;
    let mark = scene.bob.mark();
    scene.clear("manual")?;
    scene.bob_sees(mark, "dnd", "On the phone")?;
    Ok(())
}

#[test]
fn another_rule_table_is_in_force_at_once_on_all_nodes_and_a_wrong_one_is_refused() -> Outcome {
    let mut scene = Scene::new()?;
    let mark = scene.bob.mark();
    scene.set("phone/desk", "ringing", &["--for", "1h"])?;
    let shipped = scene.ctl.run(&["presence", "rules", "show"])?;
    let own = shipped
        .replace("status = \"On the phone\"", "status = \"In a call\"")
        .replace("phone.off-hook", "phone.ringing");
    scene
        .ctl
        .run_with(&["presence", "rules", "set", "-"], &own)?;
    scene.bob_sees(mark, "dnd", "In a call")?;
    for node in [&scene.couple.home, &scene.couple.peer] {
        let socket = scene.cluster.folder().join(node).join("admin.sock");
        let socket = format!("unix:{}", socket.display());
        let ctl = scene.ctl.with_prefix(&["--address", &socket]);
        until("the table is there", PATIENCE, || {
            let rules = ctl.run(&["presence", "rules", "show"])?;
            Ok((rules.trim() == own.trim()).then_some(()))
        })?;
    }
    for (wrong, part) in [
        (
            "[[state]]\nname='x'\nlike='x'\n[[rule]]\nname='d'\nstate='x'\n",
            "in a loop",
        ),
        (
            "[[state]]\nname='x'\nshow='dnd'\n[[rule]]\nname='d'\nwhen=['fax.busy']\nstate='x'\n",
            "fax.busy",
        ),
        (
            "[[state]]\nname='x'\nshow='dnd'\n[[rule]]\nname='d'\nwhen=['phone.dnd']\nstate='x'\n",
            "end with one",
        ),
    ] {
        let refused = scene
            .ctl
            .run_with(&["presence", "rules", "set", "-"], wrong);
        let why = refused.unwrap_or_else(|error| error.to_string());
        assert!(why.contains(part), "{part}: {why}");
    }
    for (words, part) in [
        (
            ["presence", "set", "nobody@example.com", "manual", "away"],
            "no user nobody@example.com",
        ),
        (
            [
                "presence",
                "set",
                &scene.couple.alice.jid,
                "phone/desk",
                "off-hook",
            ],
            "must say when this ends",
        ),
        (
            [
                "presence",
                "set",
                &scene.couple.alice.jid,
                "manual",
                "sleeping",
            ],
            "no state sleeping",
        ),
        (
            [
                "presence",
                "set",
                &scene.couple.alice.jid,
                "fax/desk",
                "busy",
            ],
            "is no source",
        ),
    ] {
        let (_, why) = scene.ctl.refused(&words)?;
        assert!(why.contains(part), "{part}: {why}");
    }
    let mark = scene.bob.mark();
    scene.ctl.run(&["presence", "rules", "reset"])?;
    scene.bob.expect(mark, "alice as she is", |e| {
        e.is_presence("available", &scene.couple.alice.jid) && e.value("show").is_null()
    })?;
    Ok(())
}
