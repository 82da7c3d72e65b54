//! The driver of one shard of the node's router: clients on one side, owners of slots on the other.

use crate::outbox::{Order, Outbox, Place};
use crate::services::Answer;
use crate::shared::Shared;
use muster_router::{Config, HeardLinks, Input, Output, Router};
use muster_types::{Instant, Machine, SessionId, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What clients sent and a shard has not seen yet; full makes them wait.
pub(crate) const FROM_CLIENTS: usize = 4_096;
/// Envelopes that may wait for a shard; full makes links and slots wait.
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
    shard: ShardId,
    config: Config,
    mut clients: mpsc::Receiver<FromClient>,
    mut envelopes: mpsc::Receiver<Input>,
    mut questions: mpsc::Receiver<Answer>,
) {
    let mut driver = Driver {
        shard,
        router: Router::new(config, shared.cluster_state()),
        links: HeardLinks::default(),
        outboxes: BTreeMap::new(),
        shared: Arc::clone(&shared),
    };
    let mut state = shared.state.subscribe();
    state.mark_changed();
    loop {
        let wake = driver
            .router
            .deadline()
            .map(|at| shared.clock.reading(at).into());
        let never = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
        tokio::select! {
            Ok(()) = state.changed() => {
                let newest = Arc::clone(&state.borrow_and_update());
                driver.handle(shared.clock.now(), Input::Cluster(newest));
            }
            Some(answer) = questions.recv() => answer.good(),
            Some(input) = envelopes.recv() => {
                let now = shared.clock.now();
                driver.handle(now, input);
                for _ in 0..BATCH {
                    let Ok(input) = envelopes.try_recv() else { break };
                    driver.handle(now, input);
                }
            }
            Some(said) = clients.recv() => {
                driver.take(said);
                for _ in 0..BATCH {
                    let Ok(said) = clients.try_recv() else { break };
                    driver.take(said);
                }
            }
            () = tokio::time::sleep_until(wake.unwrap_or(never)), if wake.is_some() => {
                driver.router.wake(shared.clock.now());
                driver.carry_out();
            }
            else => return,
        }
    }
}

type Outboxes = BTreeMap<SessionId, Arc<Outbox>>;

struct Driver {
    shared: Arc<Shared>,
    shard: ShardId,
    router: Router,
    links: HeardLinks,
    outboxes: Outboxes,
}

impl Driver {
    fn take(&mut self, said: FromClient) {
        match said {
            FromClient::Attach(session, outbox) => {
                self.outboxes.insert(session, outbox);
            }
            FromClient::Said(input, _place) => self.handle(self.shared.clock.now(), input),
            FromClient::Detach(session) => {
                self.outboxes.remove(&session);
            }
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.links.note(&input);
        self.router.handle(now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let outboxes = &self.outboxes;
        while let Some(output) = self.router.poll() {
            match output {
                Output::Send { to, envelope } => {
                    let ways = (to, self.shared.node);
                    let send = |envelope| self.shared.send_from_router(to, envelope);
                    (self.shared.shards).say(self.shard, &self.links, ways, envelope, send);
                }
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
