//! Brings a group's membership into line with what is wanted, one step at a time, from whoever leads it:
//! what `musterd/membership.rs` does.

use crate::count::Op;
use crate::exec::sleep;
use crate::node::{self, Seat};
use crate::sim::{Wanted, sim};
use muster_raft::{ChangeError, Status};
use muster_types::NodeId;
use std::collections::BTreeSet;
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
    let known: BTreeSet<NodeId> = status.voters.union(&status.learners).copied().collect();
    let near = |node: &NodeId| {
        let matched = status.matched.get(node);
        status.voters.contains(node) || matched.is_some_and(|at| at + NEARLY >= status.last_log)
    };
    let group = &seat.group;
    if status.joint {
        let outcome = group.finish_change().await;
        done(
            seat,
            Op::ChangeVoters,
            "finishes the change of voters",
            outcome,
        );
    } else if let Some(missing) = wanted.all.difference(&known).next() {
        node::add_group(*missing, seat.replica.group);
        let outcome = group.add_learner(*missing).await;
        done(seat, Op::AddLearner, &format!("adds {missing}"), outcome);
    } else if wanted.voters != status.voters && wanted.voters.iter().all(near) {
        let outcome = group.change_voters(&wanted.voters, true).await;
        let what = format!("changes voters to {:?}", wanted.voters);
        done(seat, Op::ChangeVoters, &what, outcome);
    } else if known.difference(&wanted.all).next().is_some() && wanted.voters == status.voters {
        let gone: BTreeSet<_> = known.difference(&wanted.all).copied().collect();
        let outcome = group.remove_learners(&gone).await;
        done(seat, Op::Remove, &format!("removes {gone:?}"), outcome);
    }
}

fn done(seat: &Seat, op: Op, what: &str, outcome: Result<(), ChangeError>) {
    if outcome.is_ok() {
        sim().did(op);
        sim().say(format!("{} {what}", seat.replica));
    }
}
