//! The replicated state of a simulated group: whose it is, and the last number of each client.

use crate::plan::Mistake;
use crate::sim::sim;
use crate::truth::Replica;
use futures_util::future::BoxFuture;
use muster_raft::{Applied, Records, StateMachine};
use muster_types::{LogIndex, NodeId, Write, Writes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a group's log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// From here on this start of this node serves; the entry's index is the epoch.
    Open { node: NodeId, boot: u64 },
    /// A client's next number.
    Put {
        epoch: u64,
        client: u16,
        number: u64,
        /// The proposer's wall clock, in milliseconds.
        at: i64,
        filler: Vec<u8>,
    },
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Opened,
    Accepted,
    /// It was there already.
    Known,
    /// The owner that proposed it was replaced.
    OldEpoch,
    /// A number was left out.
    Gap,
}

/// The part that is compared between replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Index of the last command.
    pub(crate) index: u64,
    pub(crate) epoch: u64,
    /// Everything that was applied, in one number.
    pub(crate) chain: u64,
}

/// What a replica holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    pub(crate) numbers: BTreeMap<u16, u64>,
}

const HEAD: u8 = 1;
const NUMBER: u8 = 2;
const FILLER: u8 = 3;
/// Fillers are kept under so many keys.
const FILLERS: u64 = 8;

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain types always encode")
}

impl State {
    fn load(records: &Records) -> Result<Self, String> {
        let mut state = Self::default();
        for (key, value) in records {
            let unreadable = |error: postcard::Error| format!("record {key:?}: {error}");
            match key.split_first() {
                Some((&HEAD, _)) => state.head = postcard::from_bytes(value).map_err(unreadable)?,
                Some((&NUMBER, client)) => {
                    let client = postcard::from_bytes(client).map_err(unreadable)?;
                    let number = postcard::from_bytes(value).map_err(unreadable)?;
                    state.numbers.insert(client, number);
                }
                _ => {}
            }
        }
        Ok(state)
    }

    fn apply(&mut self, index: u64, bytes: &[u8]) -> Result<(Outcome, Writes), String> {
        let command: Command =
            postcard::from_bytes(bytes).map_err(|error| format!("entry {index}: {error}"))?;
        self.head.index = index;
        self.head.chain = crate::net::digest(&encode(&(self.head.chain, index, bytes)));
        let mut writes = Vec::new();
        let outcome = match command {
            Command::Open { .. } => {
                self.head.epoch = index;
                Outcome::Opened
            }
            Command::Put {
                epoch,
                client,
                number,
                filler,
                ..
            } => {
                let outcome = self.judge(epoch, client, number);
                if outcome == Outcome::Accepted {
                    self.numbers.insert(client, number);
                    writes.push(put(NUMBER, &client, encode(&number)));
                    writes.push(put(FILLER, &(client, number % FILLERS), filler));
                }
                outcome
            }
        };
        writes.push(put(HEAD, &(), encode(&self.head)));
        Ok((outcome, writes))
    }

    fn judge(&self, epoch: u64, client: u16, number: u64) -> Outcome {
        let last = self.numbers.get(&client).copied().unwrap_or_default();
        let unchecked = sim().plan.mistake == Some(Mistake::EpochUnchecked);
        if epoch != self.head.epoch && !unchecked {
            Outcome::OldEpoch
        } else if number <= last {
            Outcome::Known
        } else if number > last + 1 {
            Outcome::Gap
        } else {
            Outcome::Accepted
        }
    }
}

fn put(table: u8, key: &impl Serialize, value: Vec<u8>) -> Write {
    Write {
        key: [&[table][..], &encode(key)].concat(),
        value: Some(value),
    }
}

/// The state of one replica, behind a real group.
pub(crate) struct Machine {
    replica: Replica,
    state: State,
    /// For whoever serves from it.
    shown: Arc<Mutex<State>>,
    /// It has had its state from the store.
    begun: bool,
    /// Commands it has seen, for a mistake.
    seen: u64,
}

impl StateMachine for Machine {
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>> {
        let loaded = State::load(&records).map(|state| {
            let sim = sim();
            self.state = state;
            if self.begun {
                sim.did(crate::count::Op::Snapshot);
            }
            sim.truth
                .borrow_mut()
                .installed(self.replica, &self.state, self.begun);
            self.begun = true;
            self.show();
        });
        Box::pin(async move { loaded })
    }

    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>> {
        let applied = commands
            .into_iter()
            .map(|(index, bytes)| self.apply_one(index.0, &bytes))
            .collect();
        self.show();
        Box::pin(async move { applied })
    }
}

impl Machine {
    pub(crate) fn new(replica: Replica, shown: Arc<Mutex<State>>) -> Self {
        Self {
            replica,
            state: State::default(),
            shown,
            begun: false,
            seen: 0,
        }
    }

    fn show(&self) {
        if let Ok(mut shown) = self.shown.lock() {
            shown.clone_from(&self.state);
        }
    }

    fn apply_one(&mut self, index: u64, bytes: &[u8]) -> Result<Applied, String> {
        let sim = sim();
        self.seen += 1;
        if sim.plan.mistake == Some(Mistake::LeavesOut)
            && self.replica.node == NodeId(2)
            && self.seen == 40
        {
            return Ok(Applied::default());
        }
        let (outcome, writes) = self.state.apply(index, bytes)?;
        sim.truth
            .borrow_mut()
            .applied(self.replica, &self.state, bytes, outcome);
        Ok(Applied {
            answer: encode(&outcome),
            writes,
        })
    }
}
