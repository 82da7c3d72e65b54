//! The unsafe takeover: whether it may be done, and what the operator must know before it is.

use crate::{Backend, LiveView, SlotView, audit, proto, refused, resolve};
use muster_cluster::{ClusterState, ControlCommand, Node, Slot};
use muster_types::NodeId;
use std::time::Duration;
use tonic::Status;

/// How long a node must have been silent: longer than a pause or a cut that ends by itself.
const SILENCE: Duration = Duration::from_secs(10);

/// Says what a takeover would do, and does it if that is asked.
pub(crate) async fn run(
    backend: &dyn Backend,
    request: proto::NodeTakeoverRequest,
) -> Result<proto::NodeTakeoverResponse, Status> {
    let (state, live) = (backend.cluster(), backend.live());
    let lost = resolve::holder(&state, &request.node)?;
    let (slot, view) = check(&state, &live, lost)?;
    let name = &lost.name;
    if !request.accept_unsafe {
        return Err(Status::failed_precondition(format!(
            "without a third voter nobody can know that {name} does not run, nor what it has \
             acknowledged last: a takeover can lose data and must be asked for as unsafe (`musterctl \
             node takeover {name} --unsafe`)"
        )));
    }
    let preview = if request.carry_out { "" } else { ": preview" };
    audit::about(format!("node {name}{preview}"));
    let mut answer = describe(&state, &live, lost, slot, view);
    if request.carry_out {
        let done = backend.take_over(lost.id).await;
        done.map_err(Status::failed_precondition)?;
        answer.done = true;
    }
    Ok(answer)
}

/// The slot of the node that is taken for lost, and this node's copy of it, if it may be taken over.
fn check<'a>(
    state: &'a ClusterState,
    live: &'a LiveView,
    lost: &Node,
) -> Result<(&'a Slot, &'a SlotView), Status> {
    let refuse = |why: String| Err(Status::failed_precondition(why));
    let name = &lost.name;
    if let Some(by) = lost.ousted_by() {
        let by = resolve::name_of(state, by);
        return refuse(format!("{by} has taken over the users of {name} already"));
    }
    if lost.id == live.node {
        return refuse(format!(
            "{name} is the node asked: a takeover is asked of the other node of its pair"
        ));
    }
    let (node, by) = (lost.id, live.node);
    let command = ControlCommand::NodeOust { node, by };
    crate::moves::dry_run(state, &command).map_err(|why| refused::status(state, &why))?;
    silent(live, lost)?;
    let decides = |voters: &[NodeId]| voters == [lost.id];
    let control: Vec<_> = live.control_voters.iter().copied().collect();
    if !live.control_quorum && !decides(&control) {
        return refuse(
            "the control log has no quorum, and more than the lost node votes there: bring back a \
             majority of its voters"
                .to_owned(),
        );
    }
    let copy = state.slot_of_home(lost.id).and_then(|slot| {
        let view = live.slots.get(&slot.id)?;
        (decides(&slot.voters) && view.last_log > 0 && view.applied > 0).then_some((slot, view))
    });
    copy.ok_or_else(|| {
        Status::failed_precondition(format!(
            "this node has no copy of the users' data of {name}: it cannot take over from it"
        ))
    })
}

/// A node that lives is stopped first.
fn silent(live: &LiveView, lost: &Node) -> Result<(), Status> {
    let name = &lost.name;
    let limit = SILENCE.as_secs();
    match heard(live, lost.id) {
        Some(ago) if ago < SILENCE => Err(Status::failed_precondition(format!(
            "{name} was heard {} ms ago, so it runs or has just ended: stop it for good, and ask again \
             when it has been silent for {limit} s",
            ago.as_millis()
        ))),
        None if live.up < SILENCE => Err(Status::failed_precondition(format!(
            "this node has run for {} ms only and may not have heard {name} yet: ask again when it has \
             run for {limit} s",
            live.up.as_millis()
        ))),
        Some(_) | None => Ok(()),
    }
}

fn heard(live: &LiveView, node: NodeId) -> Option<Duration> {
    live.heard_ms.get(&node).copied().map(Duration::from_millis)
}

fn describe(
    state: &ClusterState,
    live: &LiveView,
    lost: &Node,
    slot: &Slot,
    view: &SlotView,
) -> proto::NodeTakeoverResponse {
    let heard = heard(live, lost.id);
    let mut answer = proto::NodeTakeoverResponse {
        node: lost.name.clone(),
        by: resolve::name_of(state, live.node),
        node_id: lost.id.0.into(),
        users: state.slot_accounts(slot.id),
        last_log: view.last_log,
        control: !live.control_quorum,
        control_last_log: live.control_last,
        heard: heard.is_some(),
        heard_ms_ago: heard
            .map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
            .unwrap_or_default(),
        warnings: Vec::new(),
        done: false,
    };
    answer.warnings = warnings(&answer, live, slot);
    answer
}

fn warnings(answer: &proto::NodeTakeoverResponse, live: &LiveView, slot: &Slot) -> Vec<String> {
    let (lost, by) = (&answer.node, &answer.by);
    let last = answer.last_log;
    let mut words = vec![if answer.heard {
        let seconds = answer.heard_ms_ago / 1_000;
        format!("{by} has last heard {lost} {seconds} s ago")
    } else {
        let seconds = live.up.as_secs();
        format!("{by} has never heard {lost} since it started {seconds} s ago")
    }];
    words.push(format!(
        "{by} has the data of the {} users of {lost} up to entry {last} of their log: whatever {lost} \
         acknowledged after that (messages, roster changes) is lost",
        answer.users
    ));
    let opened = slot.owner.map(|(_, epoch)| epoch.index());
    if let Some(opened) = opened.filter(|opened| *opened > last) {
        words.push(format!(
            "that is known not to be all: {lost} wrote at least up to entry {opened}"
        ));
    }
    if answer.control {
        words.push(format!(
            "{lost} alone decided for the cluster: {by} decides from now on, from entry {} of the control \
             log; accounts, passwords and settings changed after that are lost",
            answer.control_last_log
        ));
    }
    words.push(format!(
        "nobody can tell {by} that {lost} is off: if it still runs, both serve the same users and their \
         data grows apart until the two meet; make sure that it is off"
    ));
    words.push(format!(
        "{lost} is refused from now on: move its data folder away before it is started again. Started with \
         it, it ends as soon as it reaches {by}, but where it does not reach {by} it serves what was given up"
    ));
    words.push(format!(
        "afterwards bring the machine in as a new node (`musterctl token create`, `musterctl cluster join`) \
         and give it the place of {lost}: `musterctl node replace n{} NEW`",
        answer.node_id
    ));
    words
}

#[cfg(test)]
#[path = "takeover_test.rs"]
mod takeover_test;
