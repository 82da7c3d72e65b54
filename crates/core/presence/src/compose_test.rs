//! What watchers see, and what an explanation says.

use crate::rules::{DeviceState, Rules};
use crate::source::{FromNow, Report, Says, Span};
use crate::{Overlay, Presentity, Publication};
use muster_stanza::{Element, Stanza};
use muster_types::{Boot, Epoch, Instant, NodeId, SessionId, Timestamp};
use std::time::Duration;

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn report(source: &str, spans: &[(&str, u64, Option<u64>)]) -> Report<Instant> {
    let source = source.parse().unwrap();
    let span = |(word, begins, ends): &(&str, u64, Option<u64>)| Span {
        says: Says::read(&source, word).unwrap(),
        note: None,
        begins: at(*begins),
        ends: ends.map(at),
        until: ends.map(|ends| Timestamp(ends * 1000)),
    };
    let spans = spans.iter().map(span).collect();
    Report { source, spans }
}

fn device(presence: &str) -> Publication {
    let element = Element::parse(presence.as_bytes()).unwrap();
    let session = SessionId {
        node: NodeId(1),
        boot: Boot(1),
        serial: 1,
    };
    Publication::new(session, Stanza::from_element(&element).unwrap())
}

fn alice(presence: &str) -> Presentity {
    let mut alice = Presentity::new(Epoch::NONE);
    alice.publish("desk".parse().unwrap(), device(presence));
    alice
}

fn shown(alice: &Presentity) -> String {
    let (_, publication) = alice.publications().next().unwrap();
    let stanza = alice.overlay().shown(&publication.stanza);
    String::from_utf8(stanza.content.to_vec()).unwrap()
}

#[test]
fn with_no_source_but_devices_presence_passes_as_it_came() {
    let rules = Rules::shipped();
    let text = "<show>dnd</show><status>no</status>";
    let mut alice = alice(&format!("<presence>{text}</presence>"));
    assert_eq!(alice.recompose(at(0), &rules).before, None);
    assert_eq!(shown(&alice), text);
    let why = alice.explain(at(0), &rules);
    assert_eq!(
        (why.show.as_str(), why.status),
        ("dnd", None),
        "each client has its own"
    );
    // Nor does a source that does not win change it.
    alice.report(report("phone/1", &[("off-hook", 0, Some(9))]));
    assert_eq!(alice.recompose(at(0), &rules).before, None);
    assert_eq!(shown(&alice), text);
}

#[test]
fn a_source_that_wins_takes_the_place_of_show_and_status_and_of_nothing_else() {
    let rules = Rules::shipped();
    let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='y'/>";
    let mut alice = alice(&format!(
        "<presence><show>away</show><priority>5</priority><status xml:lang='de'>weg</status>{caps}</presence>"
    ));
    alice.report(report("calendar/work", &[("busy", 10, Some(20))]));
    let recomposed = alice.recompose(at(0), &rules);
    assert_eq!((recomposed.before, recomposed.next), (None, Some(at(10))));
    let recomposed = alice.recompose(at(10), &rules);
    assert_eq!(recomposed.before, Some(Overlay::AsItCame));
    assert_eq!(recomposed.next, Some(at(20)));
    assert_eq!(
        shown(&alice),
        format!(
            "<show>dnd</show><status>In a meeting</status><composed xmlns='urn:muster:presence:1' \
             state='in-a-meeting' by='calendar' until='1970-01-01T00:00:20.000Z'/>\
             <priority>5</priority>{caps}"
        )
    );
    let recomposed = alice.recompose(at(20), &rules);
    assert!(recomposed.before.is_some() && recomposed.next.is_none());
    assert!(shown(&alice).starts_with("<show>away</show>"));
    assert_eq!(alice.reports().count(), 0, "what is over is forgotten");
}

#[test]
fn a_note_is_what_watchers_read_and_is_escaped() {
    let rules = Rules::shipped();
    let mut alice = alice("<presence/>");
    let mut manual = report("manual", &[("vacation", 0, None)]);
    manual.spans[0].note = Some("a <b> & 'c'".to_owned());
    alice.report(manual);
    alice.recompose(at(0), &rules);
    let shown = shown(&alice);
    assert!(
        shown.starts_with("<show>xa</show><status>a &lt;b"),
        "{shown}"
    );
    Element::parse(format!("<x xmlns='jabber:client'>{shown}</x>").as_bytes()).unwrap();
}

#[test]
fn who_chose_to_be_offline_is_hidden() {
    let rules = Rules::shipped();
    let mut alice = alice("<presence/>");
    alice.report(report("manual", &[("offline", 0, None)]));
    alice.recompose(at(0), &rules);
    assert_eq!(alice.overlay(), &Overlay::Hidden);
}

#[test]
fn an_explanation_names_the_rule_that_won_and_what_each_source_says_until_when() {
    let rules = Rules::shipped();
    let mut alice = alice("<presence><show>away</show><status>weg</status></presence>");
    alice.report(report("phone/1", &[("off-hook", 0, Some(60))]));
    alice.report(report("phone/2", &[("on-hook", 0, Some(60))]));
    alice.report(report("calendar/work", &[("busy", 30, Some(90))]));
    alice.report(report("app/old", &[("sleeping", 0, Some(60))]));
    let why = alice.explain(at(10), &rules);
    assert_eq!(
        (why.state.as_str(), why.show.as_str()),
        ("on-the-phone", "dnd")
    );
    assert_eq!(
        (why.rule.as_str(), why.status.as_deref()),
        ("on the phone", Some("On the phone"))
    );
    let said: Vec<_> = why
        .said
        .iter()
        .map(|said| {
            let remark = said.remark.as_deref().unwrap_or_default();
            (
                said.source.as_str(),
                said.says.as_str(),
                said.until.map(|t| t.0),
                said.won,
                remark,
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("device/desk", "idle", None, false, ""),
            ("phone/1", "off-hook", Some(60_000), true, ""),
            ("phone/2", "on-hook", Some(60_000), false, ""),
            (
                "calendar/work",
                "busy",
                Some(90_000),
                false,
                "it begins in 20 s"
            ),
            (
                "app/old",
                "sleeping",
                Some(60_000),
                false,
                "the rule table has no such state"
            ),
        ]
    );
}

#[test]
fn what_is_told_to_another_node_is_kept_there_by_its_own_clock() {
    let kept = report(
        "calendar/work",
        &[("busy", 5, Some(20)), ("free", 0, Some(9))],
    );
    let told = kept.told(at(10));
    assert_eq!(told.spans.len(), 1, "what is over is not told");
    assert_eq!(
        (told.spans[0].begins, told.spans[0].ends),
        (FromNow(0), Some(FromNow(10_000)))
    );
    let there = told.kept(at(1000));
    assert_eq!(
        (there.spans[0].begins, there.spans[0].ends),
        (at(1000), Some(at(1010)))
    );
}

#[test]
fn who_does_not_use_any_client_becomes_idle_by_itself_and_then_idle_for_long() {
    let rules = Rules::shipped();
    let wall = Timestamp(1_800_000_000_000);
    let since = Timestamp(wall.0 - 100_000);
    for (idle, after) in [
        (
            format!("<idle xmlns='urn:xmpp:idle:1' since='{since}'/>"),
            100,
        ),
        (
            "<query xmlns='jabber:iq:last' seconds='100'/>".to_owned(),
            100,
        ),
        (
            "<idle xmlns='urn:xmpp:idle:1' since='2999-01-01T00:00:00Z'/>".to_owned(),
            0,
        ),
    ] {
        let mut alice = Presentity::new(Epoch::NONE);
        let presence = device(&format!("<presence>{idle}</presence>"));
        alice.publish(
            "desk".parse().unwrap(),
            presence.with_idle(at(1000), wall, Duration::ZERO),
        );
        // A source that wins while she is idle, and not before.
        alice.report(report("app/tickets", &[("busy", 0, Some(5000))]));
        let quiet = at(1300 - after);
        assert_eq!(alice.recompose(at(1000), &rules).next, Some(quiet));
        for (seconds, says) in [
            (1299, "active"),
            (1300, "idle"),
            (2799, "idle"),
            (2800, "long-idle"),
        ] {
            let why = alice.explain(at(seconds - after), &rules);
            assert_eq!(why.said[0].says, says, "{seconds} {idle}");
        }
        assert_eq!(alice.recompose(quiet, &rules).next, Some(at(2800 - after)));
    }
    // A node that has just started knows of idleness from before.
    let long = Timestamp(wall.0 - 10_800_000);
    let presence = device(&format!(
        "<presence><idle xmlns='urn:xmpp:idle:1' since='{long}'/></presence>"
    ));
    let started = presence.with_idle(at(0), wall, Duration::ZERO);
    assert_eq!(started.state_at(at(0), &rules), DeviceState::LongIdle);
    let mut alice =
        alice("<presence><show>dnd</show><idle xmlns='urn:xmpp:idle:1' since='no'/></presence>");
    alice.report(report("phone/1", &[("on-hook", 0, Some(9))]));
    assert_eq!(alice.explain(at(9), &rules).said[0].says, "dnd");
}

#[test]
fn a_clients_do_not_disturb_is_the_users_choice_where_it_counts_as_one() {
    let rules = Rules::shipped();
    let mut alice = alice("<presence><show>away</show></presence>");
    let dnd = device("<presence><show>dnd</show><status>Exam</status></presence>");
    alice.publish("phone".parse().unwrap(), dnd);
    let compose = |alice: &mut Presentity, counts: bool| {
        alice.set_dnd_is_manual(counts);
        alice.recompose(at(0), &rules);
        shown(alice)
    };
    let as_it_is = "<show>away</show>";
    assert_eq!(compose(&mut alice, false), as_it_is);
    let overlaid = compose(&mut alice, true);
    assert!(
        overlaid.contains("<show>dnd</show><status>Exam</status>")
            && overlaid.contains("by='manual'"),
        "{overlaid}"
    );
    let why = alice.explain(at(0), &rules);
    assert_eq!(why.rule, "chosen: do not disturb");
    assert_eq!(alice.reports().count(), 0, "nothing is kept of it");

    // Another choice is stronger than a client, and waits for it where that counts as one.
    alice.report(report("manual", &[("vacation", 0, None)]));
    let vacation = compose(&mut alice, false);
    assert!(vacation.contains("state='vacation'"), "{vacation}");
    assert_eq!(compose(&mut alice, true), overlaid);
    let why = alice.explain(at(0), &rules);
    let vacation = why.said.last().unwrap();
    assert_eq!((vacation.says.as_str(), vacation.won), ("vacation", false));
    assert!(vacation.remark.is_some());
    // The same choice made otherwise keeps its note, and whoever hides is hidden.
    let mut same = report("manual", &[("do-not-disturb", 0, None)]);
    same.spans[0].note = Some("Thesis".to_owned());
    alice.report(same);
    assert!(compose(&mut alice, true).contains("Thesis"));
    alice.report(report("manual", &[("offline", 0, None)]));
    compose(&mut alice, true);
    assert_eq!(alice.overlay(), &Overlay::Hidden);
    alice.report(report("manual", &[]));

    alice.publish("phone".parse().unwrap(), device("<presence/>"));
    assert_eq!(compose(&mut alice, true), as_it_is, "it says so no more");
    assert!(alice.is_plain());
}
