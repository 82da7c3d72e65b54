use crate::{MemberStep, Members, member_step};
use muster_types::NodeId;
use std::collections::BTreeSet;

fn nodes(ids: &[u16]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn members(voters: &[u16], learners: &[u16]) -> Members {
    Members {
        voters: nodes(voters),
        learners: nodes(learners),
    }
}

fn step(now: &Members, wanted: &Members, alive: &[u16]) -> Option<MemberStep> {
    member_step(now, false, wanted, &nodes(alive), |node| *node != NodeId(9))
}

#[test]
fn a_group_gets_its_members_one_step_after_the_other() {
    let alive = [1, 3, 4];
    let wanted = members(&[1, 3, 4], &[]);
    for (now, then) in [
        (
            members(&[1, 2, 3], &[]),
            Some(MemberStep::AddLearner(NodeId(4))),
        ),
        (members(&[1, 2, 3], &[4]), Some(MemberStep::ChangeVoters)),
        (
            members(&[1, 3, 4], &[2]),
            Some(MemberStep::RemoveLearners(nodes(&[2]))),
        ),
        (members(&[1, 3, 4], &[]), None),
    ] {
        assert_eq!(step(&now, &wanted, &alive), then, "{now:?}");
    }
}

#[test]
fn voters_change_when_all_of_the_new_ones_are_there_and_near() {
    let now = members(&[1, 2, 3], &[4, 9]);
    let change = Some(MemberStep::ChangeVoters);
    for (wanted, alive, then) in [
        (&[1, 2, 4], [1, 2, 3, 4, 9].as_slice(), change.clone()),
        (&[1, 2, 4], &[1, 2, 4], change),
        (&[1, 2, 4], &[1, 2, 3], None),
        (&[1, 2, 4], &[1, 3, 4], None),
        (&[1, 2, 9], &[1, 2, 3, 4, 9], None),
    ] {
        let wanted = members(wanted, &[4, 9]);
        let wanted = Members {
            learners: wanted
                .learners
                .difference(&wanted.voters)
                .copied()
                .collect(),
            ..wanted
        };
        assert_eq!(step(&now, &wanted, alive), then, "{wanted:?} {alive:?}");
    }
}

#[test]
fn a_node_is_let_in_while_another_that_should_vote_is_gone() {
    // Node 2 is gone for good, 6 shall replace it, and makes the voters seven for a while.
    let now = members(&[1, 2, 3, 4, 5], &[]);
    let wanted = members(&[1, 2, 3, 4, 5, 6, 7], &[]);
    let alive = [1, 3, 4, 5, 6, 7];
    assert_eq!(
        step(&now, &wanted, &alive),
        Some(MemberStep::AddLearner(NodeId(6)))
    );
    let all_in = members(&[1, 2, 3, 4, 5], &[6, 7]);
    assert_eq!(step(&all_in, &wanted, &alive), None, "but it does not vote");
}

#[test]
fn a_change_that_was_left_half_done_is_completed_whoever_is_there() {
    let now = members(&[1, 2, 3, 4], &[]);
    let wanted = members(&[1, 3, 4], &[]);
    let step = |wanted| member_step(&now, true, &wanted, &nodes(&[1, 3]), |_| true);
    assert_eq!(step(wanted), Some(MemberStep::Complete));
    assert_eq!(step(Members::default()), None, "nothing is known yet");
}
