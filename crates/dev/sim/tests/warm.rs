//! The owner of 10,000 online users dies, and the peer takes over: what is said between the nodes, and
//! what clients see. Real machines of owners and routers, without sockets.
//!
//! The bounds, for 10,000 users with 20 contacts each (200,000 pairs of contact and watcher):
//!
//! | what | bound |
//! |---|---|
//! | probes (RFC 6121 §4.3) | none: nodes announce, nobody asks |
//! | envelopes from `Open` to the last complete answer | a twentieth of the users |
//! | envelopes an owner wants sent out of one call | 16 |
//! | bytes of one envelope | 128 KiB |
//! | presence shown to a client that stayed | none |
//! | presence shown to a client that came back | each contact and itself, once |

mod town;

use std::time::Duration;
use town::{A, B, C, Loss, Town, USERS};

const MOMENT: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(60);

/// What holds whatever the copy knew.
fn takeover(town: &mut Town) {
    town.begin_count();
    town.kill(A);
    town.open(B);
    town.pass(MOMENT);
    assert_eq!(town.shown(), 0, "clients that stayed notice nothing");
    let said = town.said();
    assert_eq!(said.probes, 0);
    assert!(said.envelopes <= USERS / 20, "{said:?}");
    assert!(said.of_one_call <= 16, "{said:?}");
    assert!(said.largest <= 128 << 10, "{said:?}");
    eprintln!("taken over: {said:?}");
}

/// Everybody who was on the dead node comes back on the others, and nobody notices but they.
fn return_of_all(town: &mut Town) {
    let back = town.come_back();
    assert_eq!(back, USERS.div_ceil(3));
    assert_eq!(town.shown(), 0, "who stayed sees no difference");
    assert_eq!(town.shown_to_returned(), town.contacts_of_returned());
    assert_eq!(town.twice(), 0);
}

/// The complete answers that were owed show nobody anything.
fn end_of_grace(town: &mut Town) {
    town.begin_count();
    town.pass(GRACE + MOMENT);
    assert_eq!(town.shown(), 0, "the grace is over and nobody has gone");
    assert_eq!(town.twice(), 0);
    let said = town.said();
    assert_eq!(said.probes, 0);
    assert!(said.envelopes <= USERS / 20, "{said:?}");
    assert!(said.of_one_call <= 16, "{said:?}");
    eprintln!("complete: {said:?}");
}

#[test]
fn a_takeover_of_10_000_online_users_is_no_burst_and_shows_nobody_anything() {
    let mut town = Town::online(Loss::Nothing);
    assert!(town.is_warm(B));
    takeover(&mut town);
    return_of_all(&mut town);
    end_of_grace(&mut town);
    assert!(town.everybody_sees_everybody());
}

#[test]
fn a_takeover_with_a_gap_in_the_copy_is_no_burst_and_shows_nobody_anything() {
    let mut town = Town::online(Loss::Gap(3_000..6_000));
    assert!(!town.is_warm(B), "the copy says that it is incomplete");
    takeover(&mut town);
    return_of_all(&mut town);
    end_of_grace(&mut town);
    assert!(town.everybody_sees_everybody());
}

#[test]
fn a_takeover_with_a_copy_that_lacks_the_end_is_no_burst_and_shows_nobody_anything() {
    let mut town = Town::online(Loss::Tail(3_000));
    assert!(town.is_warm(B), "it cannot know");
    takeover(&mut town);
    return_of_all(&mut town);
    end_of_grace(&mut town);
    assert!(town.everybody_sees_everybody());
}

#[test]
fn who_does_not_come_back_of_10_000_becomes_unavailable_once_after_the_grace() {
    for loss in [Loss::Nothing, Loss::Gap(3_000..6_000), Loss::Tail(3_000)] {
        let mut town = Town::online(loss);
        takeover(&mut town);
        town.pass(GRACE - 3 * MOMENT);
        assert_eq!(town.shown(), 0, "unknown is never unavailable");
        town.pass(4 * MOMENT);
        assert_eq!(town.unavailable(), town.watchers_of(A));
        assert_eq!(town.shown(), town.unavailable());
        assert_eq!(town.twice(), 0);
        assert!(town.sees_only_the_living(&[B, C]));
    }
}
