use crate::testing::*;
use crate::{Announcing, HeardLinks, Losses};
use muster_types::{ShardId, Shards};

const OWNER: NodeId = NodeId(2);
const SHARDS: usize = 2;

/// What happens to a shard: the link to the owner is up and it announces, in two parts.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    /// The shard hears of the link and announces.
    Up,
    /// It says the last part.
    Rest,
    /// It hears that the link was lost.
    Lost,
}

/// What the owner gets: the round, whose part, and its flags.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Got {
    round: u64,
    shard: usize,
    first: bool,
    last: bool,
    heard: Option<LogIndex>,
}

fn part(first: bool, last: bool, heard: u64) -> Announcement {
    Announcement {
        sessions: Vec::new(),
        watches: Vec::new(),
        heard: Some(LogIndex(heard)),
        first,
        last,
    }
}

/// A node of two shards whose link is lost after so many steps, if it is.
fn play(order: &[usize], script: &[Step], lost_after: Option<usize>) -> Vec<Got> {
    let mut announcing = Announcing::new(Shards::new(2).unwrap());
    let mut losses = Losses::default();
    let mut links = [HeardLinks::default(), HeardLinks::default()];
    let (mut at, mut round) = ([0; SHARDS], [0; SHARDS]);
    let mut got = Vec::new();
    for (step, shard) in order.iter().copied().enumerate() {
        if lost_after == Some(step) {
            losses.lost(OWNER);
        }
        let begins = match script[at[shard]] {
            Step::Lost => {
                links[shard].note(&Input::NodeLost(OWNER));
                at[shard] += 1;
                continue;
            }
            Step::Up => {
                let (node, boot) = (OWNER, Boot(1));
                links[shard].note(&Input::NodeUp { node, boot });
                round[shard] += 1;
                true
            }
            Step::Rest => false,
        };
        at[shard] += 1;
        // The first has heard of more.
        let heard = 10 * round[shard] - shard as u64;
        let mut part = part(begins, !begins, heard);
        announcing.merge(ShardId(shard as u16), MINE, &mut part);
        if links[shard].may_say(&losses, OWNER) {
            got.push(Got {
                round: round[shard],
                shard,
                first: part.first,
                last: part.last,
                heard: part.heard.filter(|_| part.last),
            });
        }
    }
    got
}

/// Every way in which two shards can go through `steps` each.
fn interleavings(steps: usize) -> Vec<Vec<usize>> {
    let bits = 0_u32..1 << (2 * steps);
    let fair = bits.filter(|bits| bits.count_ones() as usize == steps);
    fair.map(|bits| {
        (0..2 * steps)
            .map(|at| usize::from(bits >> at & 1 == 1))
            .collect()
    })
    .collect()
}

/// The owner is to hear of a round: one first part before all others, one last part after them.
fn check(order: &[usize], got: &[Got], round: u64) {
    let of_round = || got.iter().filter(|got| got.round == round);
    let firsts = of_round().filter(|got| got.first).count();
    assert!(firsts <= 1, "{order:?}: {got:?}");
    let Some(last) = got.iter().position(|got| got.round == round && got.last) else {
        return;
    };
    let first = got.iter().position(|got| got.round == round && got.first);
    let first = first.unwrap_or_else(|| panic!("{order:?}: a last part without a first: {got:?}"));
    let all: Vec<_> = got[first..=last]
        .iter()
        .filter(|got| got.round == round)
        .collect();
    assert_eq!(
        all.len(),
        2 * SHARDS,
        "{order:?}: a part is missing: {got:?}"
    );
    assert_eq!(got[last].heard, Some(LogIndex(10 * round - 1)), "the least");
    assert!(got[last + 1..].iter().all(|got| got.round > round));
}

#[test]
fn however_shards_announce_the_owner_hears_one_announcement_of_a_node() {
    let script = [Step::Up, Step::Rest, Step::Up, Step::Rest];
    let all = interleavings(script.len());
    assert_eq!(all.len(), 70);
    for order in all {
        let got = play(&order, &script, None);
        check(&order, &got, 1);
        check(&order, &got, 2);
        let completed = |round| got.iter().any(|got| got.round == round && got.last);
        assert!(completed(2), "{order:?}: {got:?}");
        let begun = got.iter().position(|got| got.round == 2).unwrap();
        let behind = got[begun..].iter().any(|got| got.round == 1);
        assert_eq!(
            completed(1),
            !behind,
            "{order:?}: what is overtaken is not completed"
        );
    }
}

/// The second announcement goes over a new link. However late a shard hears of it, nothing of it goes over a link
/// that it has not heard of, and no announcement is made of parts of two.
#[test]
fn an_announcement_that_the_link_was_lost_under_is_completed_by_the_next_one_only() {
    let script = [Step::Up, Step::Rest, Step::Lost, Step::Up, Step::Rest];
    let mut completed = [0, 0];
    for order in interleavings(script.len()) {
        // Shards hear of a loss after it has happened.
        let heard = |at: usize| {
            let before = |shard| order[..at].iter().filter(|one| **one == shard).count();
            before(0).max(before(1)) > 2
        };
        for lost in (0..order.len()).take_while(|at| !heard(*at)) {
            let got = play(&order, &script, Some(lost));
            let old = got.iter().filter(|got| got.round == 1).count();
            assert!(old <= lost, "{order:?}: said after the loss");
            check(&order, &got, 1);
            check(&order, &got, 2);
            for round in [1, 2] {
                let last = got.iter().any(|got| got.round == round && got.last);
                completed[round as usize - 1] += usize::from(last);
            }
            assert!(got.iter().any(|got| got.round == 2 && got.last));
        }
    }
    let [first, second] = completed;
    assert!(first > 0 && first < second, "both happen: {completed:?}");
}

#[test]
fn one_shard_announces_as_it_is() {
    let mut announcing = Announcing::new(Shards::ONE);
    for (first, last) in [(true, true), (true, false), (false, true)] {
        let mut merged = part(first, last, 7);
        announcing.merge(ShardId(0), MINE, &mut merged);
        assert_eq!(merged, part(first, last, 7));
    }
}

#[test]
fn who_has_heard_of_nothing_makes_no_minimum() {
    let mut announcing = Announcing::new(Shards::new(2).unwrap());
    let mut nothing = Announcement {
        heard: None,
        ..part(true, true, 0)
    };
    announcing.merge(ShardId(0), MINE, &mut nothing);
    let mut some = part(true, true, 7);
    announcing.merge(ShardId(1), MINE, &mut some);
    assert_eq!(some.heard, Some(LogIndex(7)));
    assert!(some.last && !some.first);
}
