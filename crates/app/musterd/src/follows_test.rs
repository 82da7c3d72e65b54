use super::*;
use muster_presence::Explanation;
use muster_types::LogIndex;

fn composed(epoch: u64, seq: u64, state: &str) -> Composed {
    let version = Version {
        epoch: Epoch::opened_at(LogIndex(epoch)),
        seq,
    };
    let presence = Explanation {
        state: state.to_owned(),
        ..Explanation::default()
    };
    Composed { version, presence }
}

#[test]
fn the_newest_counts_whatever_comes_in_which_order() {
    let follows = Follows::default();
    let alice = BareJid::new("alice@example.com").unwrap();
    let newest = watch::Sender::new(None);
    let looking = newest.subscribe();
    let entry = Entry {
        newest,
        streams: 1,
        asked: None,
    };
    follows.table().users.insert(alice.clone(), entry);
    let state = || match &*looking.borrow() {
        Some(Ok(composed)) => composed.presence.state.clone(),
        other => format!("{other:?}"),
    };
    let tell = |told| follows.news(vec![(alice.clone(), told)]);
    tell(None);
    assert!(state().contains("FollowRefused"));
    for (told, then) in [
        (composed(7, 2, "away"), "away"),
        (composed(7, 1, "busy"), "away"),
        (composed(9, 1, "busy"), "busy"),
        (composed(7, 3, "lunch"), "busy"),
    ] {
        tell(Some(told));
        assert_eq!(state(), then);
    }
    tell(None);
    assert_eq!(state(), "busy", "what is known stays known");
    follows.end(&alice);
    assert!(follows.is_empty(), "nobody was asked, so nobody is told");
}
