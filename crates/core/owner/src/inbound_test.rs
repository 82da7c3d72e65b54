//! What other slots owe.

use crate::testing::{A, B, Net, ONE};
use std::time::Duration;

#[test]
fn what_is_owed_to_nobody_holds_up_nothing_else() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let zoe = net.login(B, "zoe@example.com/z");
    // Two in a row that slot one will not find: slot two does not know yet that they are gone.
    net.set_account_known("carol@example.com", false);
    net.set_account_known("dan@example.com", false);
    net.owe(ONE, zoe, "carol@example.com");
    net.owe(ONE, zoe, "dan@example.com");
    net.owe(ONE, zoe, "alice@example.com");
    assert!(!net.take(alice).join("").contains("subscribe"));
    net.pass(Duration::from_secs(8));
    assert!(net.take(alice).join("").contains("type='subscribe'"));
    let strangers = ["carol@example.com", "dan@example.com"].map(|user| user.parse().unwrap());
    for user in strangers {
        assert_eq!(net.replica(ONE, A).state().pending_in(&user).count(), 0);
    }
}
