//! The driver of the node's HA machine: what it hears of slots, links and the control log, and
//! what it wants done.

use crate::control;
use crate::shared::Shared;
use crate::slot::SlotHandle;
use muster_ha::{HaEvent, Input, NodeMachine, Output, SlotRole};
use muster_owner::Input as SlotInput;
use muster_raft::{Group, Status};
use muster_types::{Machine, NodeId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Inputs that may wait: beats and changes of roles. Full drops beats, which come again.
pub(crate) const INBOX: usize = 4_096;
/// How long the first look at the cluster waits for the control log to be up to date.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// How often a slot's part is looked at when nothing changes.
const LOOK: Duration = Duration::from_millis(100);
/// How long a transfer of leadership may take.
const TRANSFER: Duration = Duration::from_millis(1_500);

/// Runs until the node ends. `stopped` is told when everything that could be handed over is.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut machine: NodeMachine,
    inbox_tx: mpsc::Sender<Input>,
    mut inbox: mpsc::Receiver<Input>,
    stopped: oneshot::Sender<()>,
    events: mpsc::UnboundedSender<HaEvent>,
) {
    let mut stopped = Some(stopped);
    loop {
        let wake = machine.deadline().map(|at| shared.clock.reading(at).into());
        let never = tokio::time::Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            input = inbox.recv() => match input {
                Some(input) => machine.handle(shared.clock.now(), input),
                None => return,
            },
            () = tokio::time::sleep_until(wake.unwrap_or(never)), if wake.is_some() => {
                machine.wake(shared.clock.now());
            }
        }
        while let Some(output) = machine.poll() {
            carry_out(&shared, &inbox_tx, &mut stopped, &events, output);
        }
        shared.homecomings.note(machine.homecomings());
    }
}

fn carry_out(
    shared: &Arc<Shared>,
    inbox: &mpsc::Sender<Input>,
    stopped: &mut Option<oneshot::Sender<()>>,
    events: &mpsc::UnboundedSender<HaEvent>,
    output: Output,
) {
    match output {
        Output::OpenSlot(slot) => {
            if let Some(handle) = shared.slot(slot) {
                handle.group.lease().withhold(false);
                handle.tell(SlotInput::Open);
            }
        }
        Output::CloseSlot(slot) => {
            if let Some(handle) = shared.slot(slot) {
                handle.tell(SlotInput::Close);
            }
        }
        Output::Transfer { slot, to } => {
            let (group, inbox) = (shared.slot(slot).map(|handle| handle.group), inbox.clone());
            shared.raft.spawn(async move {
                let ok = match group {
                    Some(group) => {
                        // A replica that is stuck must not find its lease again.
                        group.lease().withhold(true);
                        transfer(group, to).await
                    }
                    None => false,
                };
                // The machine ends only with the node.
                let _ = inbox.send(Input::Transferred { slot, ok }).await;
            });
        }
        Output::Propose(command) => {
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                // The machine looks at the effect, and proposes again while it is missing.
                if let Err(error) = control::propose(&shared, command).await {
                    tracing::debug!(%error, "proposal of the HA machine");
                }
            });
        }
        Output::Event(event) => {
            tell_operator(&event);
            // The receiver lives as long as the node.
            drop(events.send(event));
        }
        Output::Stopped => {
            if let Some(stopped) = stopped.take() {
                // Whoever stops the node waits for it.
                let _ = stopped.send(());
            }
        }
    }
}

/// What has to be in the log at once, also while the main runtime stands still.
fn tell_operator(event: &HaEvent) {
    match event {
        HaEvent::ServiceFailed {
            service,
            critical: true,
        } => tracing::error!(service, "a critical service has failed"),
        HaEvent::ServiceFailed { service, .. } => tracing::warn!(service, "a service has failed"),
        HaEvent::ServiceRecovered { service } => tracing::info!(service, "the service is back"),
        HaEvent::Stuck(slot) => {
            tracing::error!(%slot, "the replica does not close: giving its leadership away");
        }
        _ => {}
    }
}

async fn transfer(group: Group, to: NodeId) -> bool {
    if let Err(error) = group.transfer(to).await {
        tracing::info!(group = %group.id(), %to, %error, "no transfer");
        return false;
    }
    let mut status = group.status();
    let led = status.wait_for(|status| status.leader == Some(to));
    tokio::time::timeout(TRANSFER, led)
        .await
        .is_ok_and(|led| led.is_ok())
}

/// Tells the machine of every change of a slot's part on this node, until the slot ends.
pub(crate) async fn watch_slot(
    shared: Arc<Shared>,
    handle: SlotHandle,
    inbox: mpsc::Sender<Input>,
) {
    let (mut status, mut duty) = (handle.group.status(), handle.duty.clone());
    let mut tick = muster_ticks::ticks(LOOK);
    let mut told = None;
    loop {
        let now = role(&shared, &handle, &status.borrow_and_update());
        let does = duty.borrow_and_update().clone();
        let role = SlotRole {
            opened: does.serving,
            last_open: does.last_open,
            ..now
        };
        if told.as_ref() != Some(&role) {
            if inbox.send(Input::SlotRole(role.clone())).await.is_err() {
                return;
            }
            told = Some(role);
        }
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            changed = duty.changed() => if changed.is_err() { return },
            // Who is in contact changes without the group's doing.
            _ = tick.tick() => {}
        }
    }
}

fn role(shared: &Shared, handle: &SlotHandle, status: &Status) -> SlotRole {
    let in_contact = shared.in_contact();
    let caught_up = status
        .matched
        .iter()
        .filter(|(node, at)| status.voters.contains(node) && **at == status.last_log)
        .filter(|(node, _)| in_contact.contains(node))
        .map(|(node, _)| *node)
        .collect();
    SlotRole {
        leading: status.leading,
        caught_up,
        ..SlotRole::idle(handle.slot)
    }
}

/// Tells the machine of the cluster's state, first when this node has caught up with the control
/// log (or nobody leads it), then on every change.
pub(crate) async fn watch_control(shared: Arc<Shared>, control: Group, inbox: mpsc::Sender<Input>) {
    let mut state = shared.state.subscribe();
    let mut status = control.status();
    // Late is answered like never: the node acts on what it has.
    let _ = tokio::time::timeout(FIRST_LOOK, control.catch_up()).await;
    state.mark_changed();
    let mut led = None;
    loop {
        let leading = status.borrow_and_update().leading;
        if led != Some(leading) {
            led = Some(leading);
            if inbox.send(Input::ControlRole { leading }).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = state.changed() => {
                let newest = Arc::clone(&state.borrow_and_update());
                if changed.is_err() || inbox.send(Input::Cluster(newest)).await.is_err() {
                    return;
                }
            }
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}
