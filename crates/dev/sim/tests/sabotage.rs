//! The harness is tested too: each bug put in on purpose is seen.

use muster_sim::{Plan, Sabotage, run};

#[test]
fn every_invariant_sees_its_bug() {
    for (sabotage, invariants) in [
        (Sabotage::IgnoreLease, &["at most one owner of a slot"][..]),
        (
            Sabotage::CommitAlone,
            &["replicas apply the same log", "no acknowledged write lost"],
        ),
        (
            Sabotage::ShowEverybody,
            &["no presence without a subscription"],
        ),
        (Sabotage::NoGrace, &["no false unavailable"]),
    ] {
        let violations = (0..30).filter_map(|seed| {
            let sabotage = Some(sabotage);
            run(&Plan {
                sabotage,
                ..Plan::random(seed)
            })
            .violation
        });
        let mut seen = violations.map(|violation| violation.invariant);
        assert!(
            seen.any(|invariant| invariants.contains(&invariant)),
            "{sabotage:?} is not seen"
        );
    }
}
