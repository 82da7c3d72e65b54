use super::*;
use crate::Backend;
use crate::fake::Fake;
use muster_cluster::{DayWindow, HaReason, Setting};
use muster_types::{GroupId, NodeId, SlotId};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

fn homing(fake: &Fake) -> Homing {
    let (state, live) = (fake.cluster(), fake.live());
    of(&state, &live, state.node(A).expect("node a"))
}

/// The users of a are served by b, and a is in this state.
fn away(state: HaState, reason: HaReason) -> std::sync::Arc<Fake> {
    let fake = Fake::pair();
    fake.must(ControlCommand::SlotDesire {
        slot: SlotId(1),
        node: B,
        reason,
    });
    let states = [(A, state), (B, HaState::RunningInBackupMode)];
    for (node, state) in states {
        fake.must(ControlCommand::HaTransition {
            node,
            state,
            reason,
        });
    }
    fake.change_live(|live| {
        live.home_in.insert(A, Some(Duration::from_secs(90)));
    });
    fake
}

#[tokio::test]
async fn the_countdown_and_what_else_is_waited_for_are_said() {
    assert_eq!(homing(&Fake::pair()), Homing::default(), "at home");
    let by_hand = homing(&away(HaState::Idle, HaReason::AdminRequest));
    assert_eq!(by_hand.due_in, None);
    assert!(by_hand.waits.contains("an operator moved them"));

    let fake = away(HaState::FailedOver, HaReason::Initialization);
    let due_in = Some(Duration::from_secs(90));
    let waits = String::new();
    assert_eq!(homing(&fake), Homing { due_in, waits });
    let window = Some(DayWindow {
        from: 1_320,
        to: 300,
    });
    fake.must(ControlCommand::SettingsSet(vec![Setting::FallbackWindow(
        window,
    )]));
    assert_eq!(homing(&fake).waits, "only at 22:00-05:00 UTC");
    let (group, held) = (GroupId(1), true);
    fake.must(ControlCommand::GroupHold { group, held });
    assert!(homing(&fake).waits.starts_with("held"));
    fake.must(ControlCommand::SettingsSet(vec![Setting::FallbackAuto(
        false,
    )]));
    assert!(
        homing(&fake)
            .waits
            .starts_with("by hand: fallback-auto is off")
    );
}
