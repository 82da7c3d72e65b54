//! The session side of a node: a router for each shard, with inboxes, as `musterd` drives them.
//!
//! One shard takes what comes at once. Several take turns by chance, and now and then one is late: what all of them are
//! told hits each at another time, and what one says may come before what another was told earlier.

use super::Setup;
use crate::Rng;
use crate::plan::Sabotage;
use muster_envelope::{Envelope, ToOwner};
use muster_router::{Announcing, HeardLinks, Input, Losses, Output, Router, Split, split};
use muster_types::{BareJid, Boot, Instant, Machine, NodeId, SessionId, ShardId};
use std::collections::VecDeque;

/// How many shards a node has at most.
const SHARDS_MAX: u64 = 3;
/// In so many of 100 cases an input comes to a shard that is late from then on.
const LATE: u64 = 3;
/// The same of what all shards are told.
const LATE_IN_ORDER: u64 = 30;
/// How late it is at most, in milliseconds.
const LATE_MS: u64 = 20;

/// All shards of a node's process.
pub(super) struct Shards {
    node: NodeId,
    sabotage: Option<Sabotage>,
    shards: muster_types::Shards,
    all: Vec<Shard>,
    announcing: Announcing,
    losses: Losses,
    /// Of its own, so that everything else of a run happens as with one shard.
    rng: Rng,
}

struct Shard {
    id: ShardId,
    router: Router,
    links: HeardLinks,
    clients: VecDeque<Input>,
    envelopes: VecDeque<Input>,
    /// The newest state of the cluster that it was not told.
    cluster: Option<Input>,
    late_until: Instant,
}

impl Shards {
    /// A process that starts.
    pub(super) fn new(setup: &Setup, boot: Boot, router: impl Fn() -> Router) -> Self {
        let process = u64::from(setup.id.0) << 32 | boot.0;
        let mut rng = Rng::new(setup.seed ^ process.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let count = u16::try_from(1 + rng.below(SHARDS_MAX)).unwrap_or(1);
        let shards = muster_types::Shards::new(count).unwrap_or(muster_types::Shards::ONE);
        let shard = |id| Shard {
            id,
            router: router(),
            links: HeardLinks::default(),
            clients: VecDeque::new(),
            envelopes: VecDeque::new(),
            cluster: None,
            late_until: Instant::ZERO,
        };
        Self {
            node: setup.id,
            sabotage: setup.sabotage,
            shards,
            all: shards.all().map(shard).collect(),
            announcing: Announcing::new(shards),
            losses: Losses::default(),
            rng,
        }
    }

    /// The id of a session whose user is known.
    pub(super) fn session_of(&self, session: SessionId, user: &BareJid) -> SessionId {
        self.shards.session_of(session, user)
    }

    /// Brings something to the shards that it is for.
    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Bind { session, .. }
            | Input::Stanza { session, .. }
            | Input::Ended { session, .. } => {
                let shard = self.shards.of_session(session);
                self.put(now, shard, LATE, input, |shard| &mut shard.clients);
            }
            Input::Envelope(envelope) => match split(self.shards, envelope) {
                Split::Parts(parts) => {
                    for (shard, input) in parts {
                        self.put(now, shard, LATE, input, |shard| &mut shard.envelopes);
                    }
                }
                Split::InOrder(input) => self.tell_all(now, &input),
            },
            Input::NodeLost(node) => {
                self.losses.lost(node);
                self.tell_all(now, &input);
            }
            Input::NodeUp { .. } | Input::Limits(_) => self.tell_all(now, &input),
            // Made of envelopes, above.
            Input::Presence { .. } => {}
            Input::Cluster(_) => {
                for shard in &mut self.all {
                    shard.cluster = Some(input.clone());
                }
            }
        }
        if self.all.len() == 1 {
            while self.all[0].take_next(now, &mut self.rng) {}
        }
    }

    fn tell_all(&mut self, now: Instant, input: &Input) {
        for shard in self.shards.all() {
            let input = input.clone();
            self.put(now, shard, LATE_IN_ORDER, input, |shard| {
                &mut shard.envelopes
            });
        }
    }

    fn put(
        &mut self,
        now: Instant,
        shard: ShardId,
        late: u64,
        input: Input,
        inbox: impl Fn(&mut Shard) -> &mut VecDeque<Input>,
    ) {
        let several = self.all.len() > 1;
        let Some(shard) = self.all.get_mut(usize::from(shard.0)) else {
            return;
        };
        if several && !shard.is_late(now) && self.rng.chance(late) {
            shard.late_until = now + self.rng.millis(0..LATE_MS);
        }
        inbox(shard).push_back(input);
    }

    /// What is to be done next; some shard takes what waits for it, if any is ready to.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Output> {
        loop {
            for at in 0..self.all.len() {
                while let Some(output) = self.all[at].router.poll() {
                    if let Some(output) = self.pass(at, output) {
                        return Some(output);
                    }
                }
            }
            let ready = |(_, shard): &(usize, &Shard)| !shard.is_late(now) && shard.has_input();
            let ready = self.all.iter().enumerate().filter(ready);
            let ready: Vec<_> = ready.map(|(at, _)| at).collect();
            let at = *self.rng.pick(&ready)?;
            self.all[at].take_next(now, &mut self.rng);
        }
    }

    /// What leaves the node of what a shard says.
    fn pass(&mut self, at: usize, mut output: Output) -> Option<Output> {
        let shard = &self.all[at];
        let Output::Send { to, envelope } = &mut output else {
            return Some(output);
        };
        if let Envelope::ToOwner {
            slot,
            body: ToOwner::Announce(part),
            ..
        } = envelope
            && self.sabotage != Some(Sabotage::EachShardAnnounces)
        {
            self.announcing.merge(shard.id, *slot, part);
        }
        let may = *to == self.node || shard.links.may_say(&self.losses, *to);
        may.then_some(output)
    }

    /// Timers that are due fire.
    pub(super) fn wake(&mut self, now: Instant) {
        for shard in self.all.iter_mut().filter(|shard| !shard.is_late(now)) {
            if shard.router.deadline().is_some_and(|due| due <= now) {
                shard.router.wake(now);
            }
        }
    }

    /// When it has to be woken.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |shard: &Shard| {
            let timer = shard.router.deadline();
            let input = shard.has_input().then_some(shard.late_until);
            let due = [timer, input].into_iter().flatten().min()?;
            Some(due.max(shard.late_until))
        };
        self.all.iter().filter_map(due).min()
    }
}

impl Shard {
    fn is_late(&self, now: Instant) -> bool {
        now < self.late_until
    }

    fn has_input(&self) -> bool {
        self.cluster.is_some() || !self.clients.is_empty() || !self.envelopes.is_empty()
    }

    /// Takes one of what waits; between its inboxes there is no order.
    fn take_next(&mut self, now: Instant, rng: &mut Rng) -> bool {
        let clients_first = self.envelopes.is_empty() || rng.chance(50);
        let input = match self.cluster.take() {
            Some(cluster) => Some(cluster),
            None if clients_first && !self.clients.is_empty() => self.clients.pop_front(),
            None => self.envelopes.pop_front(),
        };
        let Some(input) = input else {
            return false;
        };
        self.links.note(&input);
        self.router.handle(now, input);
        true
    }
}
