//! What others say of users, and what their watchers see of it.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{Answer, Envelope, Explained, Question, ReportRefusal, Seen};
use muster_presence::rules::SHIPPED_TEXT;
use muster_presence::source::{FromNow, Policy, Report, Says, Span};
use muster_types::{BareJid, SessionId};
use std::time::Duration;

pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const MINUTE: u64 = 60_000;

pub(crate) fn jid(user: &str) -> BareJid {
    BareJid::new(user).unwrap()
}

/// What a source says from `begins` to `ends`, in milliseconds from now.
pub(crate) fn says(source: &str, word: &str, begins: u64, ends: Option<u64>) -> Report<FromNow> {
    let source = source.parse().unwrap();
    let span = Span {
        says: Says::read(&source, word).unwrap(),
        note: None,
        begins: FromNow::ahead(begins),
        ends: ends.map(FromNow::ahead),
        until: None,
    };
    Report {
        source,
        spans: vec![span],
    }
}

pub(crate) fn nothing(source: &str) -> Report<FromNow> {
    let source = source.parse().unwrap();
    Report {
        source,
        spans: Vec::new(),
    }
}

impl Net {
    pub(crate) fn report(&mut self, report: Report<FromNow>) -> Option<ReportRefusal> {
        self.report_of(ALICE, report)
    }

    pub(crate) fn report_of(
        &mut self,
        user: &str,
        report: Report<FromNow>,
    ) -> Option<ReportRefusal> {
        let reports = vec![(jid(user), report)];
        let Answer::Reports(mut refused) = self.ask(B, Question::Reports(reports)) else {
            panic!("something else is answered");
        };
        refused.pop().unwrap()
    }

    pub(crate) fn explain(&mut self, watcher: Option<&str>) -> Explained {
        self.explain_of(ALICE, watcher)
    }

    pub(crate) fn explain_of(&mut self, user: &str, watcher: Option<&str>) -> Explained {
        let (user, watcher) = (jid(user), watcher.map(jid));
        let Answer::Explained(explained) = self.ask(B, Question::Explain { user, watcher }) else {
            panic!("something else is answered");
        };
        *explained
    }
}

/// Alice has two clients on A, and bob sees her from B.
pub(crate) fn watched() -> (Net, SessionId, SessionId, SessionId) {
    let mut net = Net::pair();
    let desk = net.login(A, "alice@example.com/desk");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(desk, bob);
    let mobile = net.login(A, "alice@example.com/mobile");
    net.publish(mobile, "<show>away</show><priority>-1</priority>");
    net.forget();
    (net, desk, mobile, bob)
}

pub(crate) fn presences(net: &mut Net, of: SessionId) -> Vec<String> {
    let got = net.take(of);
    got.into_iter()
        .filter(|xml| xml.starts_with(ALICE))
        .collect()
}

#[test]
fn a_call_overlays_each_client_and_its_end_shows_them_as_they_are() {
    let (mut net, desk, _, bob) = watched();
    assert_eq!(
        net.report(says("phone/1", "off-hook", 0, Some(60 * MINUTE))),
        None
    );
    let seen = presences(&mut net, bob);
    assert_eq!(seen.len(), 2, "{seen:?}");
    for xml in &seen {
        assert!(
            xml.contains("<show>dnd</show><status>On the phone</status>"),
            "{xml}"
        );
        assert!(xml.contains("state='on-the-phone' by='phone'"), "{xml}");
    }
    assert!(seen[1].contains("<priority>-1</priority>"), "{seen:?}");
    // What a client says meanwhile goes out with the overlay.
    net.publish(desk, "<show>chat</show><status>hello</status>");
    let seen = presences(&mut net, bob);
    assert!(seen.len() == 1 && seen[0].contains("On the phone") && !seen[0].contains("hello"));
    net.report(says("phone/1", "on-hook", 0, Some(60 * MINUTE)));
    let seen = presences(&mut net, bob);
    assert!(
        seen[0].contains("<show>chat</show><status>hello</status>"),
        "{seen:?}"
    );
    assert!(seen[1].contains("<show>away</show>"), "{seen:?}");
}

#[test]
fn what_makes_no_difference_is_told_to_nobody() {
    let (mut net, _, _, bob) = watched();
    net.report(says("calendar/work", "free", 0, Some(60 * MINUTE)));
    net.report(says("phone/1", "ringing", 0, Some(60 * MINUTE)));
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
}

#[test]
fn a_choice_ends_when_the_last_client_has_signed_out_and_not_before() {
    let (mut net, desk, mobile, _) = watched();
    net.report(says("manual", "vacation", 0, None));
    net.leave(desk, true);
    assert_eq!(net.explain(None).explanation.state, "vacation");
    net.leave(mobile, true);
    let explained = net.explain(None).explanation;
    assert_eq!(
        (explained.state.as_str(), explained.said.len()),
        ("offline", 0)
    );
}

#[test]
fn who_chose_to_be_offline_is_gone_for_watchers_and_there_for_itself() {
    let (mut net, desk, mobile, bob) = watched();
    net.report(says("manual", "offline", 0, None));
    let seen = presences(&mut net, bob);
    assert!(
        seen.len() == 2 && seen.iter().all(|xml| xml.contains("unavailable")),
        "{seen:?}"
    );
    assert_eq!(
        net.explain(Some("bob@example.com")).seen,
        Some(Seen::Hidden)
    );
    assert_eq!(
        net.explain(Some("zoe@example.com")).seen,
        Some(Seen::NotAllowed)
    );
    net.forget();
    net.publish(desk, "<show>chat</show>");
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
    assert!(presences(&mut net, mobile)[0].contains("chat"));
    net.report(nothing("manual"));
    let seen = presences(&mut net, bob);
    assert!(
        seen.len() == 2 && seen[0].contains("<show>chat</show>"),
        "{seen:?}"
    );
}

#[test]
fn sources_survive_their_owner_and_the_times_stay() {
    for kill in [true, false] {
        let (mut net, _, _, bob) = watched();
        net.report(says("manual", "busy", 0, None));
        net.report(says("app/tickets", "away", 0, Some(5 * MINUTE)));
        net.report(says("calendar/work", "out-of-office", 0, Some(60 * MINUTE)));
        net.forget();
        net.pass(Duration::from_millis(MINUTE));
        if kill {
            net.kill(A);
        }
        net.open(ONE, B);
        // Alice's clients are expected back; bob goes on seeing what he saw.
        assert!(
            presences(&mut net, bob)
                .iter()
                .all(|xml| xml.contains("dnd"))
        );
        let explained = net.explain(Some("bob@example.com"));
        let said = explained
            .explanation
            .said
            .iter()
            .filter(|said| !said.source.starts_with("device"));
        let said: Vec<_> = said.map(|said| (said.source.as_str(), said.won)).collect();
        assert_eq!(
            said,
            [
                ("manual", true),
                ("calendar/work", false),
                ("app/tickets", false)
            ]
        );
        let Some(Seen::Clients(clients)) = explained.seen else {
            panic!("{explained:?}");
        };
        assert!(
            clients.iter().all(|client| client.show == "dnd"),
            "{clients:?}"
        );
        net.pass(Duration::from_millis(4 * MINUTE + 1));
        assert!(
            net.explain(None)
                .explanation
                .said
                .iter()
                .all(|said| said.source != "app/tickets")
        );
    }
}

#[test]
fn other_rules_are_obeyed_at_once() {
    let (mut net, _, _, bob) = watched();
    net.report(says("phone/1", "off-hook", 0, Some(60 * MINUTE)));
    net.forget();
    net.set_rules(&SHIPPED_TEXT.replace("On the phone", "In a call"));
    assert!(presences(&mut net, bob)[0].contains("<status>In a call</status>"));
    net.set_rules(&SHIPPED_TEXT.replace("phone.off-hook", "phone.ringing"));
    assert!(!presences(&mut net, bob)[0].contains("In a call"));
}

#[test]
fn a_report_for_nobody_of_an_unknown_state_or_of_too_many_sources_is_refused() {
    let (mut net, ..) = watched();
    let zoe = vec![(
        jid("nobody@elsewhere.example"),
        says("phone/1", "on-hook", 0, None),
    )];
    let refused = net.ask(B, Question::Reports(zoe));
    assert_eq!(
        refused,
        Answer::Reports(vec![Some(ReportRefusal::NoAccount)])
    );
    let user = jid("nobody@elsewhere.example");
    let watcher = None;
    assert_eq!(
        net.ask(B, Question::Explain { user, watcher }),
        Answer::NoAccount
    );
    let unknown = net.report(says("app/x", "sleeping", 0, None));
    assert_eq!(
        unknown,
        Some(ReportRefusal::UnknownState("sleeping".parse().unwrap()))
    );
    for n in 0..32 {
        assert_eq!(
            net.report(says(&format!("phone/{n}"), "on-hook", 0, None)),
            None
        );
    }
    let more = says("phone/more", "on-hook", 0, None);
    assert_eq!(net.report(more), Some(ReportRefusal::TooManySources(32)));
    assert_eq!(net.report(says("phone/0", "ringing", 0, None)), None);
    assert_eq!(net.report(nothing("phone/1")), None);
}

#[test]
fn nothing_is_left_of_what_was_said_of_a_removed_user() {
    let (mut net, ..) = watched();
    net.report(says("app/tickets", "busy", 0, None));
    net.remove_account(ALICE);
    net.add_account_again(ALICE);
    assert_eq!(net.explain(None).explanation.said, []);
}

#[test]
fn who_is_hidden_stays_hidden_while_a_client_comes_back_in_vain() {
    let (mut net, desk, mobile, bob) = watched();
    net.leave(mobile, true);
    net.report(says("manual", "offline", 0, None));
    net.leave(desk, false);
    let again = net.bind(A, "alice@example.com/desk");
    net.forget();
    net.leave(again, false);
    assert_eq!(net.explain(None).explanation.state, "offline");
    net.disable_account(ALICE);
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
}

#[test]
fn a_new_owner_hides_who_was_hidden_when_the_old_one_could_not_say_so_any_more() {
    let (mut net, _, _, bob) = watched();
    net.lose = |envelope| matches!(envelope, Envelope::ToNode { .. });
    net.report(says("manual", "offline", 0, None));
    net.lose = |_| false;
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
    net.kill(A);
    net.open(ONE, B);
    let seen = presences(&mut net, bob);
    let gone = seen.iter().filter(|line| line.contains("unavailable"));
    assert_eq!((gone.count(), seen.len()), (2, 2), "{seen:?}");
}

#[test]
fn a_choice_survives_a_takeover_and_ends_with_who_does_not_come_back() {
    let (mut net, ..) = watched();
    net.report(says("manual", "busy", 0, None));
    net.kill(A);
    net.open(ONE, B);
    assert_eq!(net.explain(None).explanation.state, "busy");
    net.pass(Duration::from_secs(61));
    assert_eq!(net.explain(None).explanation.said, []);
}

#[test]
fn what_is_said_again_is_no_news_for_the_copy() {
    let (mut net, ..) = watched();
    let meeting = || says("calendar/work", "busy", 5 * MINUTE, Some(9 * MINUTE));
    net.report(meeting());
    net.lose = |envelope| {
        assert!(!matches!(envelope, Envelope::ToPeer { .. }), "{envelope:?}");
        false
    };
    net.report(meeting());
}

#[test]
fn whose_sharing_is_off_is_seen_by_nobody_whatever_else_is_said_also_after_a_takeover() {
    let (mut net, desk, _, bob) = watched();
    net.decide(ALICE, Policy::SharingOff, true);
    let seen = presences(&mut net, bob);
    assert!(
        seen.len() == 2 && seen.iter().all(|line| line.contains("unavailable")),
        "{seen:?}"
    );
    net.report(says("manual", "available", 0, None));
    net.publish(desk, "<show>chat</show>");
    net.decide(ALICE, Policy::NotLicensed, true);
    net.decide(ALICE, Policy::SharingOff, false);
    for to in ["bob@example.com", "bob@example.com/b"] {
        net.send(desk, &format!("<presence to='{to}'/>"));
    }
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
    let why = net.explain(Some("bob@example.com"));
    assert_eq!(
        (why.explanation.state.as_str(), why.seen),
        ("offline", Some(Seen::Hidden))
    );
    let policy = why
        .explanation
        .said
        .iter()
        .find(|said| said.source == "policy")
        .unwrap();
    assert_eq!((policy.says.as_str(), policy.won), ("not-licensed", true));
    // Nobody told the new owner: it knows by itself.
    net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
    net.kill(A);
    net.open(ONE, B);
    net.lose = |_| false;
    net.login(B, "alice@example.com/new");
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
    net.decide(ALICE, Policy::NotLicensed, false);
    assert!(
        presences(&mut net, bob)
            .iter()
            .any(|line| line.contains("/new available"))
    );
}

#[test]
fn who_is_removed_while_hidden_is_shown_to_nobody_on_the_way_out() {
    let (mut net, _, _, bob) = watched();
    net.decide(ALICE, Policy::SharingOff, true);
    net.forget();
    net.forget_decisions();
    net.remove_account(ALICE);
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
}

#[test]
fn no_rule_table_shows_whose_sharing_is_off() {
    let (mut net, _, _, bob) = watched();
    let careless =
        "[[state]]\nname = 'here'\nshow = 'available'\n[[rule]]\nname = 'd'\nstate = 'here'\n";
    net.set_rules(careless);
    net.decide(ALICE, Policy::SharingOff, true);
    let seen = presences(&mut net, bob);
    assert!(
        seen.len() == 2 && seen.iter().all(|line| line.contains("unavailable")),
        "{seen:?}"
    );
    let why = net.explain(Some("bob@example.com"));
    assert_eq!(
        (why.explanation.state.as_str(), why.seen),
        ("offline", Some(Seen::Hidden))
    );
    net.set_rules(SHIPPED_TEXT);
    assert_eq!(presences(&mut net, bob), Vec::<String>::new());
}
