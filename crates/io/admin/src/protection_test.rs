use super::*;
use crate::Backend;
use crate::fake::Fake;
use muster_cluster::{ControlCommand, HaReason};
use muster_types::{GroupId, SlotId};

fn words(fake: &Fake) -> String {
    let [east] = &protection(&fake.cluster(), &fake.live())[..] else {
        panic!("one group")
    };
    assert_eq!(east.protected, !east.words.starts_with("not protected"));
    east.words.clone()
}

#[test]
fn a_pair_with_everything_is_protected() {
    assert_eq!(
        words(&Fake::pair()),
        "protected: if a or b fails now, its users are served by the other"
    );
}

#[test]
fn what_is_missing_is_named() {
    type Change = fn(&Fake);
    let table: &[(Change, &str)] = &[
        (|fake| fake.heard(NodeId(3), None), "w is not reachable"),
        (|fake| fake.heard(NodeId(2), None), "b is not reachable"),
        (
            |fake| fake.change_live(|live| live.control_quorum = false),
            "no control quorum",
        ),
        (
            |fake| fake.change_live(|live| live.slots.get_mut(&SlotId(1)).unwrap().last_log = 500),
            "b has not caught up with the users of a yet",
        ),
        (
            |fake| {
                let voters = vec![NodeId(1), NodeId(2)];
                fake.must(ControlCommand::SlotVotersChanged {
                    slot: SlotId(1),
                    voters,
                });
            },
            "the users of a have no vote of w yet",
        ),
        (
            |fake| {
                let (state, reason) = (HaState::RunningInBackupMode, HaReason::PeerDown);
                fake.must(ControlCommand::HaTransition {
                    node: NodeId(2),
                    state,
                    reason,
                });
            },
            "b is in state Running in Backup Mode (Peer Down)",
        ),
        (
            |fake| fake.must(ControlCommand::GroupDisableHa { group: GroupId(1) }),
            "high availability is not enabled",
        ),
    ];
    for (change, part) in table {
        let fake = Fake::pair();
        change(&fake);
        let words = words(&fake);
        assert!(
            words.starts_with("not protected: ") && words.contains(part),
            "{words}"
        );
    }
}

#[test]
fn a_missing_witness_is_named_once() {
    let fake = Fake::pair();
    fake.heard(NodeId(3), None);
    assert_eq!(words(&fake), "not protected: w is not reachable");
}
