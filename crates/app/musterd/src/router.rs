//! The driver of the node's router: clients on one side, owners of slots on the other.

use crate::outbox::{Order, Outbox, Place};
use crate::services::Answer;
use crate::shared::Shared;
use muster_router::{Config, Input, Output, Router};
use muster_types::{Machine, SessionId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What clients sent and the router has not seen yet; full makes them wait.
pub(crate) const FROM_CLIENTS: usize = 4_096;
/// Envelopes that may wait; full makes links and slots wait.
pub(crate) const ENVELOPES: usize = 16_384;
/// Inputs taken before the clock is looked at again.
const BATCH: usize = 64;

/// What a session's task tells the router.
pub(crate) enum FromClient {
    /// A client has logged in: its outbox, before anything else of it.
    Attach(SessionId, Arc<Outbox>),
    /// Anything a session says. What comes from the client holds one of the session's places here until it is taken.
    Said(Input, Option<Place>),
    /// The session's task ends: its outbox goes.
    Detach(SessionId),
}

/// Runs until the node ends.
pub(crate) async fn run(
    shared: Arc<Shared>,
    config: Config,
    mut clients: mpsc::Receiver<FromClient>,
    mut envelopes: mpsc::Receiver<Input>,
    mut links: mpsc::UnboundedReceiver<Input>,
    mut questions: mpsc::Receiver<Answer>,
) {
    let mut router = Router::new(config, shared.cluster_state());
    let mut outboxes = BTreeMap::new();
    let mut state = shared.state.subscribe();
    state.mark_changed();
    loop {
        let wake = router.deadline().map(|at| shared.clock.reading(at).into());
        let never = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
        tokio::select! {
            Ok(()) = state.changed() => {
                let newest = Arc::clone(&state.borrow_and_update());
                router.handle(shared.clock.now(), Input::Cluster(newest));
                carry_out(&shared, &mut router, &mut outboxes);
            }
            Some(answer) = questions.recv() => answer.good(),
            Some(input) = links.recv() => {
                router.handle(shared.clock.now(), input);
                carry_out(&shared, &mut router, &mut outboxes);
            }
            Some(input) = envelopes.recv() => {
                let now = shared.clock.now();
                router.handle(now, input);
                carry_out(&shared, &mut router, &mut outboxes);
                for _ in 0..BATCH {
                    let Ok(input) = envelopes.try_recv() else { break };
                    router.handle(now, input);
                    carry_out(&shared, &mut router, &mut outboxes);
                }
            }
            Some(said) = clients.recv() => {
                take(&shared, &mut router, &mut outboxes, said);
                for _ in 0..BATCH {
                    let Ok(said) = clients.try_recv() else { break };
                    take(&shared, &mut router, &mut outboxes, said);
                }
            }
            () = tokio::time::sleep_until(wake.unwrap_or(never)), if wake.is_some() => {
                router.wake(shared.clock.now());
                carry_out(&shared, &mut router, &mut outboxes);
            }
            else => return,
        }
    }
}

type Outboxes = BTreeMap<SessionId, Arc<Outbox>>;

fn take(shared: &Shared, router: &mut Router, outboxes: &mut Outboxes, said: FromClient) {
    match said {
        FromClient::Attach(session, outbox) => {
            outboxes.insert(session, outbox);
        }
        FromClient::Said(input, _place) => {
            router.handle(shared.clock.now(), input);
            carry_out(shared, router, outboxes);
        }
        FromClient::Detach(session) => {
            outboxes.remove(&session);
        }
    }
}

fn carry_out(shared: &Shared, router: &mut Router, outboxes: &mut Outboxes) {
    while let Some(output) = router.poll() {
        match output {
            Output::Send { to, envelope } => shared.send_from_router(to, envelope),
            Output::Deliver {
                session,
                stanza,
                to,
                key,
            } => {
                if let Some(outbox) = outboxes.get(&session) {
                    outbox.deliver(stanza, to, key);
                }
            }
            Output::Bound { session, answer } => order(outboxes, session, Order::Bound(answer)),
            Output::End { session, error } => order(outboxes, session, Order::End(error)),
            Output::Pause { session } => pause(outboxes, session, true),
            Output::Resume { session } => pause(outboxes, session, false),
        }
    }
}

fn pause(outboxes: &Outboxes, session: SessionId, paused: bool) {
    if let Some(outbox) = outboxes.get(&session) {
        outbox.pause(paused);
    }
}

fn order(outboxes: &Outboxes, session: SessionId, order: Order) {
    if let Some(outbox) = outboxes.get(&session) {
        outbox.order(order);
    }
}
