//! The driver of one slot's replica: its inboxes, its lease, its log.
//!
//! ```text
//! raft  -- committed entries --> .---------.  -- proposals --> proposer task -> raft
//! links -- envelopes ----------> | Replica |  -- envelopes --> links, router
//! router - envelopes ----------> '---------'  -- writes -----> back to raft's batch
//! ```
//!
//! The driver waits for the router but never for raft: raft waits for the driver to apply.

use crate::accounts::View;
use crate::control::unreadable;
use crate::services::{Answer, QUESTIONS};
use crate::shared::{Shared, wall};
use crate::supervise::supervise;
use futures_util::future::BoxFuture;
use muster_owner::{Config, Input, Output, OwnerEvent, Replica};
use muster_raft::{Applied, Group, Lease, RaftGroupId, Records, StateMachine, Status};
use muster_slot::{SlotCommand, SlotState};
use muster_types::{Epoch, Instant, LogIndex, Machine, NodeId, Replicated, SlotId, Writes};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Envelopes from other nodes that may wait; a full inbox slows the link down.
const FROM_LINKS: usize = 16_384;
/// Orders and news of this node that may wait. Full would be a bug: they come a few a second.
const TOLD: usize = 4_096;
/// Proposals that may wait for the log. More are dropped, and made again by the replica.
const PROPOSALS: usize = 65_536;
/// Entries that may be in the log and not applied yet before proposals wait: a log that grows faster than disks
/// and other nodes take it would outgrow what is kept of it in memory.
const UNAPPLIED: u64 = 8_192;
/// Events that may wait for the node's HA machine and for watchers.
type Events = mpsc::UnboundedSender<(SlotId, OwnerEvent)>;

/// The way to one replica. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SlotHandle {
    pub(crate) slot: SlotId,
    pub(crate) group: Group,
    /// What the replica does now, for the HA machine and for people.
    pub(crate) duty: watch::Receiver<Duty>,
    told: mpsc::Sender<Input>,
    links: mpsc::Sender<Input>,
    router: mpsc::UnboundedSender<Input>,
    questions: mpsc::Sender<Answer>,
}

impl SlotHandle {
    /// An order or news from this node itself.
    pub(crate) fn tell(&self, input: Input) {
        if self.told.try_send(input).is_err() {
            tracing::error!(slot = %self.slot, "a replica does not take its orders");
        }
    }

    /// Asks for a sign of work.
    pub(crate) fn ask(&self, answer: Answer) {
        // One that is not taken says by that that nobody is there.
        let _ = self.questions.try_send(answer);
    }

    /// An envelope from another node, or from a replica here.
    pub(crate) async fn take_from_link(&self, input: Input) {
        // A replica that has ended has no use for it.
        let _ = self.links.send(input).await;
    }

    /// An envelope from the router here, which must not wait; the router's books bound how many
    /// there are.
    pub(crate) fn take_from_router(&self, input: Input) {
        // A replica that has ended has no use for it.
        let _ = self.router.send(input);
    }
}

/// What a replica does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duty {
    /// The epoch this node serves the slot in.
    pub(crate) serving: Option<Epoch>,
    /// The last `Open` in the slot's log.
    pub(crate) last_open: Option<(NodeId, Epoch)>,
}

/// The Raft group of a slot.
pub(crate) fn group_of(slot: SlotId) -> RaftGroupId {
    RaftGroupId(u32::from(slot.0))
}

/// Starts the replica of `slot` with its Raft group.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    slot: SlotId,
    events: Events,
) -> Result<SlotHandle, muster_raft::StartError> {
    let (entries_tx, entries) = mpsc::channel(1);
    let (told_tx, told) = mpsc::channel(TOLD);
    let (links_tx, links) = mpsc::channel(FROM_LINKS);
    let (router_tx, router) = mpsc::unbounded_channel();
    let (questions_tx, questions) = mpsc::channel(QUESTIONS);
    let (duty_tx, duty) = watch::channel(Duty::default());
    let (proposals, proposals_rx) = mpsc::channel(PROPOSALS);
    let config = Config {
        node: shared.node,
        boot: shared.boot,
        slot,
        limits: shared.config().limits.limits(),
    };
    // The driver must run before the group: starting a group installs the stored state.
    let (lease_tx, lease) = oneshot::channel();
    let driver = Driver {
        shared: Arc::clone(shared),
        slot,
        replica: Replica::new(config, SlotState::default()),
        duty: duty_tx,
        lease: Lease::default(),
        proposals,
        events,
    };
    let inboxes = Inboxes {
        entries,
        told,
        links,
        router,
        questions,
        lease,
    };
    supervise(&shared.main, "replica", driver.run(inboxes));
    let host = crate::node::host(shared);
    let machine = Box::new(Feed {
        entries: entries_tx,
    });
    let group = shared
        .raft
        .spawn(async move { Group::start(&host, group_of(slot), machine).await })
        .await
        .expect("starting a group does not panic")?;
    // The driver waits for it; it cannot be gone.
    let _ = lease_tx.send(group.lease());
    supervise(
        &shared.raft,
        "proposer",
        propose(group.clone(), proposals_rx),
    );
    shared.groups.insert(group.clone());
    Ok(SlotHandle {
        slot,
        group,
        duty,
        told: told_tx,
        links: links_tx,
        router: router_tx,
        questions: questions_tx,
    })
}

/// Hands proposals to the log, in order, and no faster than they are applied.
async fn propose(group: Group, mut proposals: mpsc::Receiver<SlotCommand>) {
    let mut status = group.status();
    // A log that others lead takes nothing from here: no reason to wait.
    let has_room =
        |now: &Status| !now.leading || now.last_log.saturating_sub(now.applied) < UNAPPLIED;
    while let Some(command) = proposals.recv().await {
        if status.wait_for(has_room).await.is_err() {
            return;
        }
        if group.submit(command.to_entry()).await.is_err() {
            return;
        }
    }
}

/// What raft wants of the driver.
enum Entries {
    Install(Records, oneshot::Sender<Result<(), String>>),
    Apply(
        Vec<(LogIndex, Vec<u8>)>,
        oneshot::Sender<Result<Vec<Applied>, String>>,
    ),
}

/// Raft's side of the driver.
struct Feed {
    entries: mpsc::Sender<Entries>,
}

impl StateMachine for Feed {
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let (tx, rx) = oneshot::channel();
            self.hand(Entries::Install(records, tx)).await?;
            rx.await.map_err(|_| ENDED.to_owned())?
        })
    }

    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>> {
        Box::pin(async {
            let (tx, rx) = oneshot::channel();
            self.hand(Entries::Apply(commands, tx)).await?;
            rx.await.map_err(|_| ENDED.to_owned())?
        })
    }
}

/// Of a replica whose driver is gone: nothing more can be applied.
const ENDED: &str = "the replica has ended";

impl Feed {
    async fn hand(&self, entries: Entries) -> Result<(), String> {
        let handed = self.entries.send(entries).await;
        handed.map_err(|_| ENDED.to_owned())
    }
}

struct Inboxes {
    entries: mpsc::Receiver<Entries>,
    told: mpsc::Receiver<Input>,
    links: mpsc::Receiver<Input>,
    router: mpsc::UnboundedReceiver<Input>,
    questions: mpsc::Receiver<Answer>,
    lease: oneshot::Receiver<Lease>,
}

struct Driver {
    shared: Arc<Shared>,
    slot: SlotId,
    replica: Replica,
    lease: Lease,
    duty: watch::Sender<Duty>,
    proposals: mpsc::Sender<SlotCommand>,
    events: Events,
}

impl Driver {
    async fn run(mut self, mut inboxes: Inboxes) {
        let mut leased = false;
        // The newest one is enough, however many there were.
        let mut cluster = self.shared.state.subscribe();
        cluster.mark_changed();
        loop {
            self.wake().await;
            let wake = self.replica.deadline();
            let serving = self.replica.serving().is_some();
            let lease_ends = self.shared.clock.reading(self.lease.until()).into();
            tokio::select! {
                biased;
                lease = &mut inboxes.lease, if !leased => {
                    leased = true;
                    self.lease = lease.unwrap_or_default();
                }
                entries = inboxes.entries.recv() => match entries {
                    Some(entries) => self.take_entries(entries).await,
                    None => return,
                },
                Some(answer) = inboxes.questions.recv() => answer.good(),
                () = tokio::time::sleep_until(lease_ends), if serving => self.check_lease().await,
                Some(input) = inboxes.told.recv() => self.handle(input).await,
                Ok(()) = cluster.changed() => {
                    let newest = Arc::clone(&cluster.borrow_and_update());
                    self.handle(Input::View(Arc::new(View(newest)))).await;
                }
                // Other nodes and the clients here take turns.
                Some(input) = either(&mut inboxes.links, &mut inboxes.router) => {
                    self.handle(input).await;
                }
                () = sleep_until(&self.shared, wake), if wake.is_some() => {}
            }
        }
    }

    /// Timers fire however full the inboxes are.
    async fn wake(&mut self) {
        let now = self.shared.clock.now();
        if self.replica.deadline().is_some_and(|at| at <= now) {
            self.check_lease().await;
            self.replica.wake(now);
            self.carry_out(None).await;
        }
    }

    /// An owner without lease stops before it does anything else.
    async fn check_lease(&mut self) {
        if self.has_lost_lease() {
            tracing::warn!(slot = %self.slot, "lease lost: this node stops serving the slot");
            self.replica.handle(self.shared.clock.now(), Input::Close);
            self.carry_out(None).await;
        }
    }

    fn has_lost_lease(&self) -> bool {
        self.replica.serving().is_some() && !self.lease.holds(self.shared.clock.now())
    }

    async fn handle(&mut self, input: Input) {
        self.check_lease().await;
        let now = self.shared.clock.now();
        self.replica.handle(now, Input::Wall(wall()));
        self.replica.handle(now, input);
        self.carry_out(None).await;
    }

    async fn take_entries(&mut self, entries: Entries) {
        match entries {
            Entries::Install(records, reply) => {
                let loaded = SlotState::load(&mut records.into_iter());
                let outcome = loaded.map_err(|e| e.to_string()).map(|state| {
                    let now = self.shared.clock.now();
                    self.replica.handle(now, Input::Installed(Box::new(state)));
                });
                self.carry_out(None).await;
                // Raft waits unless it is being shut down.
                let _ = reply.send(outcome);
            }
            Entries::Apply(commands, reply) => {
                self.check_lease().await;
                // Raft waits unless it is being shut down.
                let _ = reply.send(self.apply(commands).await);
            }
        }
    }

    async fn apply(&mut self, commands: Vec<(LogIndex, Vec<u8>)>) -> Result<Vec<Applied>, String> {
        let mut applied = Vec::with_capacity(commands.len());
        for (index, bytes) in commands {
            let command = SlotCommand::from_entry(&bytes).map_err(|e| unreadable(index, &e))?;
            let now = self.shared.clock.now();
            self.replica.handle(now, Input::Wall(wall()));
            self.replica
                .handle(now, Input::Committed { index, command });
            let mut one = Applied::default();
            self.carry_out(Some(&mut one)).await;
            applied.push(one);
        }
        Ok(applied)
    }

    async fn carry_out(&mut self, mut applied: Option<&mut Applied>) {
        while let Some(output) = self.replica.poll() {
            let speaks = matches!(output, Output::Send { .. } | Output::Broadcast(_));
            if speaks && self.has_lost_lease() {
                self.fall_silent(&mut applied);
                continue;
            }
            match output {
                Output::Persist { writes, .. } => keep(&mut applied, writes),
                Output::Propose(command) => {
                    if self.proposals.try_send(command).is_err() {
                        tracing::warn!(slot = %self.slot, "the log is too slow: proposal dropped");
                    }
                }
                Output::Send { to, envelope } => self.shared.send_from_slot(to, envelope).await,
                Output::Broadcast(envelope) => self.shared.broadcast(envelope).await,
                // The receiver lives as long as the node.
                Output::Event(event) => drop(self.events.send((self.slot, event))),
            }
        }
        self.show_duty();
    }

    /// Whatever was decided under a lease that is over stays unsaid, all of it: a confirmation must not
    /// go out without the delivery before it. What the log decided is true all the same.
    fn fall_silent(&mut self, applied: &mut Option<&mut Applied>) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Persist { writes, .. } => keep(applied, writes),
                Output::Event(event) => drop(self.events.send((self.slot, event))),
                Output::Propose(_) | Output::Send { .. } | Output::Broadcast(_) => (),
            }
        }
        self.replica.handle(self.shared.clock.now(), Input::Close);
    }

    fn show_duty(&self) {
        let state = self.replica.state();
        let duty = Duty {
            serving: self.replica.serving(),
            last_open: state.owner().map(|(node, _)| (node, state.epoch())),
        };
        self.duty.send_if_modified(|shown| {
            let changed = *shown != duty;
            *shown = duty;
            changed
        });
    }
}

fn keep(applied: &mut Option<&mut Applied>, writes: Writes) {
    if let Some(applied) = applied {
        applied.writes.extend(writes);
    }
}

async fn either(
    links: &mut mpsc::Receiver<Input>,
    router: &mut mpsc::UnboundedReceiver<Input>,
) -> Option<Input> {
    tokio::select! {
        input = links.recv() => input,
        input = router.recv() => input,
    }
}

async fn sleep_until(shared: &Shared, at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(shared.clock.reading(at).into()).await,
        None => std::future::pending().await,
    }
}
