use super::*;
use futures_util::FutureExt;
use muster_envelope::{Announcement, ToNode};
use muster_types::{Boot, Epoch, LogIndex, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);

fn count(shards: u16) -> Count {
    Count::new(shards).unwrap()
}

fn epoch(index: u64) -> Epoch {
    Epoch::opened_at(LogIndex(index))
}

/// For the session with this number, and so for one shard.
fn published(serial: u64) -> Envelope {
    let session = SessionId {
        node: HERE,
        boot: Boot(1),
        serial,
    };
    Envelope::ToNode {
        slot: SlotId(1),
        epoch: epoch(1),
        body: ToNode::Published { session },
    }
}

fn opened(index: u64) -> Envelope {
    Envelope::Opened {
        slot: SlotId(1),
        epoch: epoch(index),
        node: THERE,
        boot: Boot(1),
    }
}

#[test]
fn inboxes_are_bounded_and_a_full_one_makes_its_sender_wait() {
    for shards in [1, 3, 16] {
        let (to, mut inboxes) = Shards::new(count(shards));
        let mut taken = 0;
        while to.take(published(0)).now_or_never().is_some() {
            taken += 1;
            assert_eq!(to.are_crowded(), taken * CROWDED_SHARE > ENVELOPES);
        }
        assert_eq!(taken, ENVELOPES, "{shards}");
        if shards > 1 {
            let other = to.take(published(1)).now_or_never();
            assert!(other.is_some(), "another shard has room");
        }
        inboxes.envelopes[0].try_recv().unwrap();
        assert!(to.take(published(0)).now_or_never().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_shards_hear_of_owners_and_links_in_one_order() {
    const SOURCES: u64 = 4;
    const EACH: u64 = 100;
    let (to, inboxes) = Shards::new(count(3));
    let to = Arc::new(to);
    let keeping = tokio::spawn(inboxes.order.keep());
    let sources = (0..SOURCES).map(|source| {
        let to = Arc::clone(&to);
        tokio::spawn(async move {
            for number in 0..EACH {
                to.take(opened(source * EACH + number)).await;
                let (node, boot) = (THERE, Boot(source * EACH + number));
                to.tell(Input::NodeUp { node, boot });
            }
        })
    });
    for source in sources.collect::<Vec<_>>() {
        source.await.unwrap();
    }
    to.link_lost(THERE);
    // The last of all: when this is told, everything is.
    to.take(opened(SOURCES * EACH)).await;
    let orders = inboxes.envelopes.into_iter().map(|mut inbox| {
        let all = std::iter::from_fn(|| inbox.try_recv().ok());
        all.map(|input| format!("{input:?}")).collect::<Vec<_>>()
    });
    let orders: Vec<_> = orders.collect();
    assert_eq!(orders[0].len() as u64, 2 * SOURCES * EACH + 2);
    assert!(orders.iter().all(|order| *order == orders[0]));
    keeping.abort();
}

fn announcement(first: bool, last: bool) -> Envelope {
    let part = Announcement {
        sessions: Vec::new(),
        watches: Vec::new(),
        heard: None,
        first,
        last,
    };
    Envelope::ToOwner {
        slot: SlotId(1),
        epoch: epoch(1),
        body: ToOwner::Announce(part),
    }
}

#[test]
fn a_shard_says_nothing_over_a_link_that_it_has_not_heard_of() {
    let (to, _inboxes) = Shards::new(count(2));
    let mut heard = HeardLinks::default();
    let said = |heard: &HeardLinks, node| {
        let mut said = false;
        to.say(ShardId(0), heard, (node, HERE), published(0), |_| {
            said = true
        });
        said
    };
    let (node, boot) = (THERE, Boot(1));
    let (up, lost) = (Input::NodeUp { node, boot }, Input::NodeLost(node));
    assert!(said(&heard, HERE) && !said(&heard, THERE));
    heard.note(&up);
    assert!(said(&heard, THERE));
    to.link_lost(THERE);
    assert!(!said(&heard, THERE), "the next link may stand already");
    heard.note(&lost);
    assert!(!said(&heard, THERE));
    heard.note(&up);
    assert!(said(&heard, THERE));
    for _ in 0..2 {
        to.link_lost(THERE);
    }
    heard.note(&lost);
    heard.note(&up);
    assert!(!said(&heard, THERE), "it was lost again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_shards_that_announce_at_once_one_is_the_first_and_one_the_last() {
    const SHARDS: u16 = 8;
    const ROUNDS: usize = 200;
    let (to, _inboxes) = Shards::new(count(SHARDS));
    let to = Arc::new(to);
    // As the queue to an owner: whatever is said is said in an order.
    let (owner, mut said) = mpsc::unbounded_channel();
    let shards = count(SHARDS).all().map(|shard| {
        let (to, owner) = (Arc::clone(&to), owner.clone());
        tokio::task::spawn_blocking(move || {
            let heard = HeardLinks::default();
            for _ in 0..ROUNDS {
                for (first, last) in [(true, false), (false, false), (false, true)] {
                    to.say(
                        shard,
                        &heard,
                        (HERE, HERE),
                        announcement(first, last),
                        |said| {
                            owner.send((shard, said)).unwrap();
                        },
                    );
                }
            }
        })
    });
    for shard in shards.collect::<Vec<_>>() {
        shard.await.unwrap();
    }
    drop(owner);
    let mut parts: BTreeMap<ShardId, usize> = BTreeMap::new();
    let mut newest = 0;
    let mut completed = 0;
    while let Some((shard, envelope)) = said.recv().await {
        let Envelope::ToOwner {
            body: ToOwner::Announce(part),
            ..
        } = envelope
        else {
            unreachable!()
        };
        let of_shard = parts.entry(shard).or_default();
        *of_shard += 1;
        if part.first {
            newest += 1;
            assert_eq!(
                *of_shard,
                3 * newest - 2,
                "who begins is in the newest round"
            );
        }
        if part.last {
            completed += 1;
            let done = parts.values().filter(|parts| **parts == 3 * newest).count();
            assert_eq!(done, usize::from(SHARDS), "all have said all of it");
        }
    }
    assert_eq!(newest, ROUNDS);
    assert!(completed >= 1, "the last round is completed at least");
}
