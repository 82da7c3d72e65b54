//! The network: it delays, drops, doubles, reorders, and is cut in one direction or both.

use crate::exec::sleep;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::sim::{host, sim};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_raft::Transport;
use muster_types::NodeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Who reaches whom, and how well.
pub(crate) struct Net {
    /// The shortest time a message takes, and what may come on top.
    base: Duration,
    spread: Duration,
    /// Directions that nothing passes.
    cut: BTreeMap<(NodeId, NodeId), u32>,
    /// In percent.
    pub(crate) loss: u64,
    pub(crate) doubles: u64,
    /// On top of all, up to this.
    pub(crate) lag: Duration,
    rng: Rng,
}

impl Net {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut rng = Rng::new(plan.seed ^ 0x0000_0E70);
        // One run in ten is between towns.
        let far = rng.chance(10);
        let base = if far {
            rng.millis(5..20)
        } else {
            rng.micros(50..1_000)
        };
        Self {
            base,
            spread: if far {
                rng.millis(1..10)
            } else {
                rng.micros(50..2_000)
            },
            cut: BTreeMap::new(),
            loss: 0,
            doubles: 0,
            lag: Duration::ZERO,
            rng,
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.loss = 0;
        self.doubles = 0;
        self.lag = Duration::ZERO;
    }

    fn delay(&mut self) -> Duration {
        let most = u64::try_from((self.spread + self.lag).as_nanos()).unwrap_or(u64::MAX);
        self.base + Duration::from_nanos(self.rng.below(most.max(1)))
    }

    /// When one message arrives: never, once or twice.
    pub(crate) fn fate(&mut self, from: NodeId, to: NodeId) -> Vec<Duration> {
        if self.is_cut(from, to) || self.rng.chance(self.loss) {
            return Vec::new();
        }
        let copies = if self.rng.chance(self.doubles) { 2 } else { 1 };
        (0..copies).map(|_| self.delay()).collect()
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains_key(&(from, to))
    }

    /// Nothing passes from one to the other, until as many calls of [`Net::mend`].
    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        *self.cut.entry((from, to)).or_default() += 1;
    }

    pub(crate) fn mend(&mut self, from: NodeId, to: NodeId) {
        if let Some(count) = self.cut.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.cut.remove(&(from, to));
            }
        }
    }
}

/// A node's way to the others.
pub(crate) struct Wire(pub(crate) NodeId);

type Reply = Rc<RefCell<Option<oneshot::Sender<io::Result<Bytes>>>>>;

impl Transport for Wire {
    fn request(
        &self,
        to: NodeId,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, io::Result<Bytes>> {
        let (answered, answer) = oneshot::channel();
        send(self.0, to, &body, &Rc::new(RefCell::new(Some(answered))));
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = answer => answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                () = sleep(timeout) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}

/// Folds bytes into one number, for the trace.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

fn send(from: NodeId, to: NodeId, body: &Bytes, reply: &Reply) {
    let sim = sim();
    sim.exec.note(digest(body));
    let fate = sim.net.borrow_mut().fate(from, to);
    for delay in fate {
        let (body, reply) = (body.clone(), Rc::clone(reply));
        sim.exec
            .after(delay, move || deliver(from, to, body, reply));
    }
}

fn deliver(from: NodeId, to: NodeId, body: Bytes, reply: Reply) {
    let sim = sim();
    if sim.net.borrow().is_cut(from, to) {
        return;
    }
    let nodes = sim.nodes.borrow();
    let Some(node) = nodes.get(&to) else { return };
    let Some(process) = &node.process else {
        // A machine without the process refuses; one without power says nothing.
        if !node.dark {
            answer(to, from, Err(io::ErrorKind::NotConnected.into()), reply);
        }
        return;
    };
    let groups = process.groups.clone();
    sim.exec.spawn_on(host(to), async move {
        let response = groups.handle(body).await;
        answer(to, from, Ok(response), reply);
    });
}

fn answer(from: NodeId, to: NodeId, response: io::Result<Bytes>, reply: Reply) {
    let sim = sim();
    if let Ok(body) = &response {
        sim.exec.note(digest(body));
    }
    let Some(delay) = sim.net.borrow_mut().fate(from, to).into_iter().next() else {
        return;
    };
    sim.exec.after(delay, move || {
        if let Some(waiting) = reply.borrow_mut().take() {
            // It may have given up.
            let _ = waiting.send(response);
        }
    });
}
