use super::*;
use muster_admin::proto::{Protection, Slot};

/// Alice is at home on a, bob on b, and both are connected there and see each other.
fn pair() -> Scene {
    let person =
        |name: &str, home: &str| Person::new(format!("{name}@example.com"), home.to_owned(), false);
    let mut scene = Scene::new(&[], vec![person("alice", "a"), person("bob", "b")], 1);
    for (who, node, contact) in [(0, "a", "bob"), (1, "b", "alice")] {
        let at = Instant::now();
        scene.hear(News::Served { who, node, at });
        scene.hear(sees(who, contact, true));
    }
    scene
}

fn sees(watcher: usize, contact: &str, online: bool) -> News {
    News::Sees {
        watcher,
        contact: format!("{contact}@example.com"),
        online,
    }
}

/// Both slots as the cluster tells of them.
fn owned(owner_of_a: &str) -> News {
    let slot = |home: &str, owner: &str| Slot {
        home: home.to_owned(),
        owner: owner.to_owned(),
        ..Slot::default()
    };
    News::Status(Box::new(StatusResponse {
        slots: vec![slot("a", owner_of_a), slot("b", "b")],
        protection: vec![Protection {
            protected: owner_of_a == "a",
            ..Protection::default()
        }],
        ..StatusResponse::default()
    }))
}

#[tokio::test]
async fn a_takeover_lasts_until_the_first_answer_to_a_user_of_the_killed_node() {
    let mut scene = pair();
    let killed = Instant::now();
    let after = |ms| killed + Duration::from_millis(ms);
    scene.kill("a", killed);
    assert!(!scene.all_connected() && !scene.all_served());
    assert_eq!(scene.takeover(), None);
    // Bob was not served by a: that his client comes back is no takeover.
    let (who, node, at) = (1, "b", after(100));
    scene.hear(News::Served { who, node, at });
    assert_eq!(scene.takeover(), None);
    let (who, at) = (0, after(700));
    scene.hear(News::Served { who, node, at });
    let told = Some((Duration::from_millis(700), Duration::from_millis(700)));
    assert_eq!(scene.takeover(), told);
    scene.hear(owned("b"));
    assert!(scene.all_connected() && scene.all_served() && !scene.all_home());
    scene.hear(owned("a"));
    assert!(scene.all_home());
}

#[tokio::test]
async fn who_seems_to_leave_is_counted_for_each_watcher_once() {
    let mut scene = pair();
    assert!(scene.all_seen());
    scene.hear(sees(1, "alice", false));
    scene.hear(sees(1, "alice", false));
    assert_eq!(scene.round.false_unavailable, 1);
    assert!(!scene.all_seen());
}

#[tokio::test]
async fn a_message_that_was_acknowledged_and_not_read_is_lost() {
    let mut scene = pair();
    for safe in [Some("1"), Some("2"), None] {
        scene.hear(News::Writes { who: 0 });
        assert!(!scene.is_quiet());
        let safe = safe.map(str::to_owned);
        scene.hear(News::Answered { who: 0, safe });
    }
    assert!(scene.is_quiet());
    scene.hear(News::Read("1".to_owned()));
    scene.hear(News::Read("never acknowledged".to_owned()));
    assert_eq!(scene.unread(), 1);
}
