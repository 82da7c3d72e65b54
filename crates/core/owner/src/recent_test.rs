//! What was committed and not told.

use crate::Input;
use crate::testing::{A, B, Net, ONE};
use muster_envelope::Envelope;
use std::time::Duration;

#[test]
fn what_the_old_owner_committed_and_did_not_tell_is_told_by_the_new_one() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    // Carol is on the node that lives, her owner on the one that dies.
    let carol = net.login(B, "carol@example.com/there");
    net.send(
        carol,
        "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
    );
    net.take(carol);
    net.lose = |envelope| matches!(envelope, Envelope::ToNode { .. });
    net.send(carol, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='dan@example.com' name='Dan'/></query></iq>");
    assert_eq!(net.take(carol), Vec::<String>::new());
    net.kill(A);
    net.lose = |_| false;
    net.open(ONE, B);
    let told = net.take(carol).join("");
    assert!(
        told.contains("type='set'") && told.contains("name='Dan'"),
        "{told}"
    );
    // What is older than the last commits is not told again.
    net.pass(Duration::from_secs(5));
    net.send(carol, "<iq type='set' id='t'><query xmlns='jabber:iq:roster'><item jid='eve@example.com'/></query></iq>");
    net.take(carol);
    net.input(ONE, B, Input::Close);
    net.open(ONE, B);
    assert!(!net.take(carol).join("").contains("Dan"));
    assert_eq!(
        net.take(bob)
            .iter()
            .filter(|seen| seen.contains("carol@example.com/there unavailable"))
            .count(),
        0
    );
}
