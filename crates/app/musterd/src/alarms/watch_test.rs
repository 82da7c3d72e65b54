use super::*;
use muster_admin::Backend;
use muster_admin::fake::Fake;
use muster_telemetry::alarms::Severity;
use muster_types::{Epoch, LogIndex, SlotId};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

/// What stands after all that is wrong has lasted for a minute, with its words.
fn standing(fake: &Fake) -> Vec<(&'static str, String)> {
    let (state, live) = (fake.cluster(), fake.live());
    let (mut since, now) = (BTreeMap::new(), Instant::now());
    due(&mut since, now, &state, &live);
    let found = due(&mut since, now + Duration::from_secs(60), &state, &live);
    let raised = |(watched, words): (&Watched, Option<String>)| Some((watched.alarm.name, words?));
    found.into_iter().filter_map(raised).collect()
}

fn names(fake: &Fake) -> Vec<&'static str> {
    standing(fake).into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn what_a_node_sees_of_the_others_becomes_an_alarm_that_says_who_it_is() {
    let fake = Fake::pair();
    assert_eq!(names(&fake), [""; 0]);

    fake.heard(B, None);
    let found = standing(&fake);
    let words = |alarm: &Alarm| {
        let mut all = found.iter().filter(|(name, _)| *name == alarm.name);
        all.next().map(|(_, words)| words.clone())
    };
    assert_eq!(
        words(&PEER_NODE_FAILURE).as_deref(),
        Some("node b is not heard")
    );
    let unserved = words(&FAILOVER_FAILED).unwrap();
    assert!(unserved.contains("the users of b"), "{unserved}");

    // The peer takes over: served, and told as that.
    let state = fake.cluster();
    let of_b: Vec<SlotId> = state
        .slots()
        .filter(|slot| slot.home == B)
        .map(|slot| slot.id)
        .collect();
    fake.change_live(|live| {
        for slot in &of_b {
            if let Some(view) = live.slots.get_mut(slot) {
                view.owner = Some((A, Epoch::opened_at(LogIndex(9))));
            }
        }
    });
    let now = names(&fake);
    assert!(now.contains(&FAILOVER.name), "{now:?}");
    assert!(!now.contains(&FAILOVER_FAILED.name), "{now:?}");
    assert_eq!(FAILOVER.severity, Severity::Warning);

    fake.change_live(|live| live.control_quorum = false);
    assert!(names(&fake).contains(&QUORUM_LOST.name));
}

#[tokio::test]
async fn what_is_over_soon_is_no_alarm() {
    let fake = Fake::pair();
    fake.heard(B, None);
    let (state, live) = (fake.cluster(), fake.live());
    let (mut since, now) = (BTreeMap::new(), Instant::now());
    let mut raised = |after: Duration, live: &LiveView| {
        let found = due(&mut since, now + after, &state, live);
        let mut found = found.into_iter().filter(|(_, words)| words.is_some());
        found.any(|(watched, _)| *watched.alarm == PEER_NODE_FAILURE)
    };
    assert!(!raised(Duration::ZERO, &live));
    assert!(!raised(SHORT - Duration::from_millis(1), &live));
    assert!(raised(SHORT, &live));
    fake.heard(B, Some(5));
    assert!(!raised(SHORT, &fake.live()));
    fake.heard(B, None);
    assert!(!raised(SHORT * 2, &fake.live()), "it began anew");
}
