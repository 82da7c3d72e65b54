//! A user's own clients see each other go, also where a link or the owner does.

use crate::Input;
use crate::testing::{A, B, Net, ONE};
use muster_envelope::Envelope;
use muster_types::SessionId;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

fn gone(net: &mut Net, session: SessionId) -> Vec<String> {
    let got = net.take(session).into_iter();
    got.filter(|got| got.contains("unavailable")).collect()
}

/// Alice's desk on A leaves, and her phone on B is not told.
fn untold_departure() -> (Net, SessionId) {
    let mut net = Net::pair();
    let phone = net.login(B, "alice@example.com/phone");
    let desk = net.login(A, "alice@example.com/desk");
    net.pass(2 * GRACE);
    net.forget();
    net.lose = |envelope| matches!(envelope, Envelope::ToNode { .. });
    net.leave(desk, true);
    net.lose = |_| false;
    assert_eq!(net.take(phone), Vec::<String>::new());
    (net, phone)
}

#[test]
fn an_own_client_that_leaves_while_the_link_is_down_is_no_ghost() {
    let (mut net, phone) = untold_departure();
    let boot = muster_types::Boot(1);
    net.input(ONE, A, Input::NodeUp { node: B, boot });
    assert_eq!(
        gone(&mut net, phone),
        ["alice@example.com/desk unavailable"]
    );
    net.pass(2 * GRACE);
    assert_eq!(net.take(phone), Vec::<String>::new());
}

#[test]
fn an_own_client_that_leaves_while_the_owner_changes_is_no_ghost() {
    let (mut net, phone) = untold_departure();
    net.kill(A);
    net.open(ONE, B);
    net.pass(GRACE - MOMENT);
    assert_eq!(gone(&mut net, phone), Vec::<String>::new());
    net.pass(2 * MOMENT);
    assert_eq!(
        gone(&mut net, phone),
        ["alice@example.com/desk unavailable"]
    );
    net.pass(2 * GRACE);
    assert_eq!(net.take(phone), Vec::<String>::new());
}
