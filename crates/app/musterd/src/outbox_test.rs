use super::*;
use muster_stanza::{MessageType, PresenceType, Stanza, StreamCondition};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn presence(id: &str) -> Encoded {
    Stanza::presence(PresenceType::Available)
        .with_id(id)
        .encode()
}

fn message(id: &str) -> Encoded {
    Stanza::message(MessageType::Chat).with_id(id).encode()
}

fn key(jid: &str) -> Option<Arc<FullJid>> {
    Some(Arc::new(FullJid::new(jid).unwrap()))
}

impl Outbox {
    /// Whether the session's task is to look, since it last did.
    fn wakes(&self) -> bool {
        let filled = pin!(self.filled());
        filled
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    /// How many stanzas are due; takes them all.
    fn empty(&self) -> usize {
        let each = std::iter::from_fn(|| Some(self.take().stanzas).filter(|taken| *taken > 0));
        each.sum()
    }

    /// The ids of what is due, in order.
    fn ids(&self) -> Vec<String> {
        let text = String::from_utf8(self.take().bytes).unwrap();
        let ids = text.split(" id='").skip(1);
        ids.map(|rest| rest.split('\'').next().unwrap().to_owned())
            .collect()
    }
}

fn inactive() -> Outbox {
    let outbox = Outbox::default();
    outbox.client_is(ClientState::Inactive);
    outbox
}

/// Presence of ever more senders, until the task is to look; returns of how many.
fn deliver_until_due(outbox: &Outbox, prefix: &str) -> usize {
    let stanza = presence(&"x".repeat(10_000));
    let wakes = (1..1000).find(|n| {
        outbox.deliver(stanza.clone(), None, key(&format!("{prefix}{n}@x/1")));
        outbox.wakes()
    });
    assert_eq!(wakes, Some(BYTES_MAX / stanza.len() + 1));
    wakes.unwrap()
}

#[test]
fn a_newer_presence_replaces_an_unsent_one_and_nothing_else() {
    let outbox = Outbox::default();
    outbox.deliver(presence("old"), None, key("a@x/1"));
    outbox.deliver(presence("other"), None, key("b@x/1"));
    outbox.deliver(presence("queued"), None, None);
    outbox.deliver(presence("new"), None, key("a@x/1"));
    assert_eq!(outbox.ids(), ["new", "other", "queued"]);
    outbox.deliver(presence("later"), None, key("a@x/1"));
    assert_eq!(outbox.ids(), ["later"]);
}

#[test]
fn a_client_that_does_not_read_overflows() {
    let outbox = Outbox::default();
    let stanza = message(&"x".repeat(100_000));
    let fill = |is_over: fn(&Outbox) -> bool| {
        let mut until = 1..1000;
        let over = until.find(|_| {
            outbox.deliver(stanza.clone(), None, None);
            is_over(&outbox)
        });
        over.unwrap()
    };
    let crowded = fill(Outbox::is_crowded);
    assert_eq!(crowded, BYTES_MAX / stanza.len() + 1);
    let over = fill(Outbox::overflows);
    assert_eq!(crowded + over, BURST_MAX / stanza.len() + 1);
    assert!(outbox.take().overflow);
}

#[test]
fn much_is_taken_in_portions_and_in_order() {
    let outbox = Outbox::default();
    let pad = "x".repeat(100_000);
    for n in 0..10 {
        let from = (n % 2 == 0).then(|| key(&format!("a{n}@x/1"))).flatten();
        outbox.deliver(presence(&format!("{n} {pad}")), None, from);
    }
    assert_eq!(outbox.take().stanzas, 3);
    // What was taken is not replaced any more, what waits is.
    for n in [2, 8] {
        outbox.deliver(
            presence(&format!("new {n}")),
            None,
            key(&format!("a{n}@x/1")),
        );
    }
    let rest: Vec<_> = std::iter::from_fn(|| Some(outbox.ids()).filter(|ids| !ids.is_empty()))
        .flatten()
        .map(|id| id.trim_end_matches('x').trim().to_owned())
        .collect();
    assert_eq!(rest, ["3", "4", "5", "6", "7", "new 8", "9", "new 2"]);
    assert!(!outbox.is_crowded());
}

#[test]
fn before_the_end_everything_is_taken() {
    let outbox = Outbox::default();
    for _ in 0..10 {
        outbox.deliver(message(&"x".repeat(100_000)), None, None);
    }
    outbox.order(Order::Bound(BindAnswer::TooBusy));
    assert_eq!(outbox.take().stanzas, 3);
    outbox.order(Order::End(StreamError::new(StreamCondition::Conflict)));
    assert_eq!(outbox.take().stanzas, 7);
}

#[test]
fn presence_that_grew_while_it_waited_counts() {
    let outbox = Outbox::default();
    for size in [1, BYTES_MAX] {
        assert!(!outbox.is_crowded());
        outbox.deliver(presence(&"x".repeat(size)), None, key("a@x/1"));
    }
    assert!(outbox.is_crowded());
}

#[test]
fn presence_waits_for_an_inactive_client_and_the_newest_comes_when_it_is_active() {
    let outbox = inactive();
    outbox.deliver(presence("old"), None, key("a@x/1"));
    outbox.deliver(presence("other"), None, key("b@x/1"));
    let gone = Stanza::presence(PresenceType::Unavailable).with_id("gone");
    outbox.deliver(gone.encode(), None, key("a@x/1"));
    outbox.deliver(presence("new"), None, key("a@x/1"));
    assert!(!outbox.wakes());
    assert_eq!(outbox.take().stanzas, 0);

    outbox.client_is(ClientState::Active);
    assert!(outbox.wakes());
    assert_eq!(outbox.ids(), ["new", "other"]);
    outbox.deliver(presence("later"), None, key("a@x/1"));
    assert!(outbox.wakes());
    assert_eq!(outbox.ids(), ["later"]);
}

#[test]
fn what_is_no_presence_goes_to_an_inactive_client_at_once_and_alone() {
    let outbox = inactive();
    outbox.deliver(presence("held"), None, key("a@x/1"));
    let asks = Stanza::presence(PresenceType::Subscribe).with_id("asks");
    for stanza in [message("said"), asks.encode()] {
        outbox.deliver(stanza, None, None);
        assert!(outbox.wakes());
    }
    assert_eq!(outbox.ids(), ["said", "asks"]);
    outbox.pause(true);
    assert!(outbox.wakes() && outbox.is_paused());
    assert_eq!(outbox.take().stanzas, 0);

    // What it is told when it wakes comes before what is said to it then.
    outbox.client_is(ClientState::Active);
    outbox.deliver(message("now"), None, None);
    assert_eq!(outbox.ids(), ["held", "now"]);
}

#[test]
fn a_client_that_says_it_twice_is_what_it_said() {
    let outbox = inactive();
    outbox.deliver(presence("held"), None, key("a@x/1"));
    outbox.client_is(ClientState::Inactive);
    assert!(!outbox.wakes());
    outbox.client_is(ClientState::Active);
    outbox.client_is(ClientState::Active);
    assert_eq!(outbox.ids(), ["held"]);
}

#[test]
fn presence_that_is_due_already_is_replaced_where_it_is() {
    let outbox = Outbox::default();
    outbox.deliver(presence("old"), None, key("a@x/1"));
    outbox.deliver(message("said"), None, None);
    outbox.client_is(ClientState::Inactive);
    outbox.deliver(presence("new"), None, key("a@x/1"));
    assert_eq!(outbox.ids(), ["new", "said"]);
    outbox.deliver(presence("held"), None, key("a@x/1"));
    assert!(outbox.ids().is_empty());
    outbox.client_is(ClientState::Active);
    assert_eq!(outbox.ids(), ["held"]);
}

#[test]
fn held_presence_that_reaches_its_bound_goes_out_and_closes_nobody() {
    let outbox = inactive();
    for round in ["a", "b", "c"] {
        // A client that does not read may have nearly the whole bound waiting already.
        outbox.deliver(message(&"x".repeat(BYTES_MAX - 100)), None, None);
        assert!(outbox.wakes());
        let count = deliver_until_due(&outbox, round);
        assert!(!outbox.is_crowded());
        assert_eq!(outbox.empty(), count + 1);
    }
}

#[test]
fn what_was_held_closes_nobody_who_has_not_been_sent_it_yet() {
    let outbox = inactive();
    for n in 0..100 {
        let from = key(&format!("a{n}@x/1"));
        outbox.deliver(presence(&"x".repeat(10_000)), None, from);
    }
    outbox.deliver(message(&"x".repeat(BYTES_MAX - 100)), None, None);
    outbox.client_is(ClientState::Active);
    outbox.deliver(message("more"), None, None);
    assert!(!outbox.is_crowded());
    assert_eq!(outbox.empty(), 102);

    // What it was sent counts as usual from then on.
    outbox.deliver(message(&"x".repeat(BYTES_MAX)), None, None);
    assert!(outbox.is_crowded());
}

#[test]
fn an_inactive_client_has_to_read_what_it_is_sent_too() {
    let outbox = inactive();
    deliver_until_due(&outbox, "a");
    assert!(!outbox.is_crowded());
    deliver_until_due(&outbox, "b");
    assert!(outbox.is_crowded());
}

#[test]
fn a_client_has_so_many_stanzas_before_the_router_and_the_next_when_it_has_seen_one() {
    let outbox = Arc::new(Outbox::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut places: Vec<_> = (0..UNTAKEN_MAX)
        .map(|_| match pin!(outbox.place()).poll(&mut cx) {
            Poll::Ready(place) => place,
            Poll::Pending => panic!("no place"),
        })
        .collect();
    let mut next = pin!(outbox.place());
    assert!(next.as_mut().poll(&mut cx).is_pending());
    places.pop();
    let Poll::Ready(last) = next.as_mut().poll(&mut cx) else {
        panic!("no place although the router has seen one");
    };
    assert!(pin!(outbox.place()).poll(&mut cx).is_pending());
    drop((last, places));
    assert!(pin!(outbox.place()).poll(&mut cx).is_ready());
}
