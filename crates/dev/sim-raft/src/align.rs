//! Brings a group's membership into line with what is wanted, one step at a time, from whoever leads it:
//! what `musterd/membership.rs` does.

use crate::count::Op;
use crate::exec::sleep;
use crate::node::{self, Seat};
use crate::sim::{Wanted, sim};
use muster_ha::{MemberStep, Members, member_step};
use muster_raft::{ChangeError, Status};
use muster_types::NodeId;
use std::rc::Rc;
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(200);
const STEP: Duration = Duration::from_secs(2);
/// A learner that lags no more than this becomes a voter.
const NEARLY: u64 = 100;

pub(crate) async fn keep(seat: Rc<Seat>) {
    loop {
        sleep(PERIOD).await;
        let status = seat.group.status().borrow().clone();
        let wanted = sim().wanted(seat.replica.group);
        if !status.leading || status.changing || wanted.voters.is_empty() {
            continue;
        }
        tokio::select! {
            biased;
            () = step(&seat, &status, &wanted) => {}
            () = sleep(STEP) => {}
        }
    }
}

async fn step(seat: &Seat, status: &Status, wanted: &Wanted) {
    let near = |node: &NodeId| {
        let matched = status.matched.get(node);
        matched.is_some_and(|at| at + NEARLY >= status.last_log)
    };
    let now = Members {
        voters: status.voters.clone(),
        learners: status.learners.clone(),
    };
    let to = Members {
        voters: wanted.voters.clone(),
        learners: wanted.all.difference(&wanted.voters).copied().collect(),
    };
    // Who is in contact the links would say, which are not here: whoever lags too much is not.
    let Some(step) = member_step(&now, status.joint, &to, &wanted.all, near) else {
        return;
    };
    let group = &seat.group;
    let (op, what, outcome) = match step {
        MemberStep::Complete => (
            Op::ChangeVoters,
            "finishes the change of voters".to_owned(),
            group.finish_change().await,
        ),
        MemberStep::AddLearner(missing) => {
            node::add_group(missing, seat.replica.group);
            let outcome = group.add_learner(missing).await;
            (Op::AddLearner, format!("adds {missing}"), outcome)
        }
        MemberStep::ChangeVoters => (
            Op::ChangeVoters,
            format!("changes voters to {:?}", wanted.voters),
            group.change_voters(&wanted.voters, true).await,
        ),
        MemberStep::RemoveLearners(gone) => (
            Op::Remove,
            format!("removes {gone:?}"),
            group.remove_learners(&gone).await,
        ),
    };
    done(seat, op, &what, outcome);
}

fn done(seat: &Seat, op: Op, what: &str, outcome: Result<(), ChangeError>) {
    if outcome.is_ok() {
        sim().did(op);
        sim().say(format!("{} {what}", seat.replica));
    }
}
