//! What each shard gets.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test fails on everything that it does not expect"
)]

use crate::shards_test::*;
use crate::testing::*;
use crate::{Batch, Split, split};
use muster_envelope::TemporaryOutcome;
use muster_types::ShardId;
use std::collections::BTreeMap;

#[test]
fn users_of_the_test_are_in_three_shards() {
    for shard_id in three().all() {
        let count = (0..USERS).filter(|one| shard(*one) == shard_id).count();
        assert!(count >= 2, "{shard_id}: {count}");
    }
}

fn parts(body: ToNode) -> Vec<(ShardId, ToNode)> {
    let (slot, epoch) = (MINE, epoch(5));
    let Split::Parts(parts) = split(three(), Envelope::ToNode { slot, epoch, body }) else {
        panic!("an order for all shards");
    };
    let body = |input| match input {
        Input::Envelope(Envelope::ToNode { body, .. }) => body,
        other => panic!("{other:?}"),
    };
    parts
        .into_iter()
        .map(|(shard, input)| (shard, body(input)))
        .collect()
}

#[test]
fn what_is_for_one_user_goes_to_its_shard_as_it_is() {
    for number in 0..USERS {
        let (session, user, contact) = (id(number), user(number), user(0));
        let serial = 4;
        let watcher = user.clone();
        for body in [
            ToNode::Bound {
                session,
                outcome: BindOutcome::TooMany,
            },
            ToNode::Confirm { session, serial },
            ToNode::Published { session },
            ToNode::Contacts {
                session,
                contacts: Vec::new(),
            },
            ToNode::Interested { session },
            ToNode::Replaced { session },
            ToNode::Items {
                session,
                news: Vec::new(),
                up_to: None,
            },
            ToNode::Temporary {
                session,
                watcher,
                contact: contact.clone(),
                outcome: TemporaryOutcome::Granted,
            },
            ToNode::Notice(Notice::Sees {
                user: user.clone(),
                contact: contact.clone(),
            }),
            ToNode::Notice(Notice::SeesNoMore {
                user: user.clone(),
                contact,
            }),
            ToNode::Access {
                user,
                access: AccessList::default(),
            },
        ] {
            assert_eq!(parts(body.clone()), [(shard(number), body)]);
        }
    }
}

/// All of something, cut by the shards of users: the parts are together the whole, each where it belongs.
fn is_whole<T: PartialEq + std::fmt::Debug>(parts: Vec<(ShardId, Vec<(u64, T)>)>, whole: &[T]) {
    let mut seen = BTreeMap::new();
    for (at, part) in parts {
        for (number, one) in part {
            assert_eq!(shard(number), at);
            assert!(seen.insert(number, one).is_none(), "{number} twice");
        }
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), whole);
}

fn number_of(user: &BareJid) -> u64 {
    let name = user.as_str().strip_suffix("@x").unwrap();
    name[1..].parse().unwrap()
}

#[test]
fn what_is_for_many_is_cut_into_what_is_for_each_shard() {
    let sessions: Vec<_> = (0..USERS).map(id).collect();
    let number_of_session = |one: &SessionId| one.serial / 3 - 1;
    let stanza = Stanza::message(MessageType::Chat);
    let body = ToNode::Deliver {
        sessions: sessions.clone(),
        stanza: stanza.clone(),
    };
    let cut = parts(body).into_iter().map(|(shard, body)| match body {
        ToNode::Deliver {
            sessions,
            stanza: same,
        } if same == stanza => {
            let part = sessions.iter().map(|one| (number_of_session(one), *one));
            (shard, part.collect())
        }
        other => panic!("{other:?}"),
    });
    is_whole(cut.collect(), &sessions);

    let digests: Vec<_> = (0..USERS).map(|one| (id(one), one)).collect();
    let cut = parts(ToNode::ContactsDigests(digests.clone()));
    let cut = cut.into_iter().map(|(shard, body)| match body {
        ToNode::ContactsDigests(part) => (
            shard,
            part.into_iter().map(|one| (one.1, one)).collect::<Vec<_>>(),
        ),
        other => panic!("{other:?}"),
    });
    is_whole(cut.collect(), &digests);
}

/// What presence comes to, by shard.
fn batches(body: ToNode) -> Vec<(ShardId, Vec<Batch>, bool)> {
    let (slot, epoch) = (MINE, epoch(5));
    let Split::Parts(parts) = split(three(), Envelope::ToNode { slot, epoch, body }) else {
        panic!("an order for all shards");
    };
    let batches = |input| match input {
        Input::Presence {
            slot: MINE,
            batches,
            answers,
            ..
        } => (batches, answers),
        other => panic!("{other:?}"),
    };
    let parts = parts.into_iter().map(|(shard, input)| {
        let (batches, answers) = batches(input);
        (shard, batches, answers)
    });
    parts.collect()
}

#[test]
fn presence_goes_to_the_shards_of_its_watchers_and_is_the_same_for_each() {
    let all = users(0..USERS);
    let cut = batches(ToNode::Presence(batch(1, 3, available(), all.clone())));
    assert_eq!(cut.len(), 3);
    let mut news = Vec::new();
    let cut = cut.into_iter().map(|(shard, mut part, answers)| {
        assert!(!answers && part.len() == 1);
        let part = part.remove(0);
        news.push(part.news);
        let watchers = part.watchers.into_iter();
        (shard, watchers.map(|one| (number_of(&one), one)).collect())
    });
    is_whole(cut.collect(), &all);
    let same = |one: &Arc<_>| Arc::ptr_eq(one, &news[0]);
    assert!(news.iter().all(same), "made ready once");
    assert_eq!(news[0].presentity, user(1));

    // Answers stay together, in their order.
    let answers = vec![
        batch(1, 3, available(), all),
        batch(2, 4, available(), users([0])),
    ];
    for (at, part, answers) in batches(ToNode::Answers(answers)) {
        let both = [user(1), user(2)];
        let expected = &both[..1 + usize::from(at == shard(0))];
        let presentities: Vec<_> = part
            .into_iter()
            .map(|one| one.news.presentity.clone())
            .collect();
        assert!(answers);
        assert_eq!(presentities, expected);
    }
    let cut = batches(ToNode::Presence(batch(1, 3, available(), users([4]))));
    assert_eq!(cut.len(), 1, "nobody else is woken");
}

#[test]
fn every_shard_hears_of_an_item_so_that_each_knows_what_it_has_heard() {
    let news = item(9);
    let watchers = users([0, 1]);
    let cut = parts(ToNode::Item {
        news: news.clone(),
        watchers: watchers.clone(),
    });
    assert_eq!(cut.len(), 3);
    let cut = cut.into_iter().map(|(shard, body)| match body {
        ToNode::Item {
            news: same,
            watchers,
        } if same == news => (
            shard,
            watchers
                .into_iter()
                .map(|one| (number_of(&one), one))
                .collect::<Vec<_>>(),
        ),
        other => panic!("{other:?}"),
    });
    is_whole(cut.collect(), &watchers);
}

#[test]
fn who_owns_a_slot_is_told_to_all_shards_in_one_order() {
    let (slot, epoch) = (MINE, epoch(5));
    let closed = Envelope::Closed { slot, epoch };
    assert!(matches!(split(three(), closed), Split::InOrder(_)));
    let Input::Envelope(opened) = opened(MINE, 5) else {
        unreachable!()
    };
    assert!(matches!(split(three(), opened), Split::InOrder(_)));
}
