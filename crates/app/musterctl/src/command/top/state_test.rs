use super::*;
use crate::command::top::samples::{after, event, failed_over, pair, sessions, status, top};

fn answered_by(node: u32, mut answer: StatusResponse) -> StatusResponse {
    answer.answered_by = node;
    answer
}

/// Both nodes answer, and `a` is asked.
fn both() -> State {
    let mut state = top();
    state.hear(after(0), status(0, pair()));
    state.hear(after(0), status(1, answered_by(2, pair())));
    state
}

fn gone(at: usize) -> News {
    News::Gone(at, "nobody listens there".to_owned())
}

fn order(deed: Deed, node: &str, home: &str) -> Order {
    Order {
        deed,
        node: node.to_owned(),
        home: home.to_owned(),
    }
}

#[test]
fn another_node_is_asked_at_once_when_the_one_asked_is_gone_and_that_is_told() {
    let mut state = both();
    assert_eq!(state.asked().as_deref(), Some("node a at unix:/run/a.sock"));
    assert_eq!(state.silent(), [""; 0]);
    state.hear(after(1), gone(0));
    assert_eq!(state.asked().as_deref(), Some("node b at unix:/run/b.sock"));
    assert_eq!(state.silent(), ["node a: nobody listens there"]);
    assert_eq!(state.stale(after(1)), None, "b has answered just now");
    let told = state.events().back().map(|event| event.text.as_str());
    assert_eq!(told, Some("asking node b at unix:/run/b.sock now"));
    state.hear(after(2), status(0, pair()));
    assert_eq!(state.silent(), [""; 0]);
    assert_eq!(state.asked().as_deref(), Some("node b at unix:/run/b.sock"));
}

#[test]
fn when_nobody_answers_the_last_answer_stays_and_is_stale() {
    let mut state = both();
    state.hear(after(3), gone(0));
    state.hear(after(3), gone(1));
    assert_eq!(state.stale(after(7)), Some(Duration::from_secs(7)));
    assert!(state.status().is_some(), "it is still shown");
    assert_eq!(state.silent().len(), 2);
    state.hear(after(8), status(1, failed_over(0)));
    assert_eq!(state.stale(after(8)), None);
}

#[test]
fn a_node_that_takes_long_makes_what_is_shown_stale() {
    let state = both();
    assert_eq!(state.stale(after(3)), None);
    assert_eq!(state.stale(after(4)), Some(Duration::from_secs(4)));
}

#[test]
fn nothing_is_said_of_default_addresses_where_there_is_nothing() {
    let addresses = vec!["unix:/run/a.sock".to_owned(), "unix:./b.sock".to_owned()];
    let mut state = State::new(addresses, false, Duration::from_secs(1));
    state.hear(after(0), status(0, pair()));
    state.hear(after(0), gone(1));
    assert_eq!(state.silent(), [""; 0]);
    state.hear(after(1), gone(0));
    assert_eq!(state.silent().len(), 1);
}

#[test]
fn sessions_are_those_of_each_node_once_and_stale_when_it_is_gone() {
    let mut state = both();
    assert_eq!(state.sessions(1), Count::Unknown);
    state.hear(after(1), sessions(0, 12));
    state.hear(after(1), sessions(1, 7));
    let counts = |state: &State| [1, 2, 3].map(|node| state.sessions(node));
    let unknown = Count::Unknown;
    assert_eq!(counts(&state), [Count::Now(12), Count::Now(7), unknown]);
    state.hear(after(2), sessions(0, 14));
    state.hear(after(2), sessions(1, 6));
    assert_eq!(state.session_rates(), Some((2.0, 1.0)));
    state.hear(after(3), gone(0));
    assert_eq!(
        counts(&state),
        [Count::Stale(12 + 2), Count::Now(6), unknown]
    );
    assert_eq!(
        state.session_rates(),
        Some((0.0, 1.0)),
        "of those who answer"
    );
    // The other address turns out to be another one of the same node.
    state.hear(after(4), status(1, pair()));
    state.hear(after(4), sessions(1, 5));
    assert_eq!(state.sessions(1), Count::Now(5));
}

#[test]
fn what_is_written_is_counted_in_one_copy_of_the_log() {
    let mut state = both();
    assert_eq!(state.log_rate(1), None);
    let mut later = pair();
    later.slots[0].last_log += 30;
    state.hear(after(2), status(0, later.clone()));
    assert_eq!(state.log_rate(1), Some(15.0));
    assert_eq!(state.log_rate(2), Some(0.0));
    state.hear(after(3), gone(0));
    assert_eq!(state.log_rate(1), None, "b counts by its own copy");
    later.slots[0].last_log = 0;
    state.hear(after(4), status(1, later.clone()));
    state.hear(after(5), status(1, later));
    assert_eq!(state.log_rate(1), None, "b has none");
}

#[test]
fn an_order_needs_a_yes_and_anything_else_is_a_no() {
    let mut state = both();
    for no in [
        Key::Leave,
        Key::Other,
        Key::Help,
        Key::Select(1),
        Key::Order(Deed::Failover),
    ] {
        assert_eq!(
            state.press(after(1), Key::Order(Deed::Failover)),
            Effect::None
        );
        let asked = order(Deed::Failover, "a", "a");
        assert_eq!(state.mode(), &Mode::Confirm(asked.clone()));
        assert_eq!(asked.command(), "musterctl group failover a");
        assert_eq!(state.press(after(1), no), Effect::None, "{no:?}");
        assert_eq!(state.mode(), &Mode::Look, "{no:?}");
        assert_eq!(state.outcome(), None);
    }
    assert_eq!(
        state.press(after(1), Key::Yes),
        Effect::None,
        "nothing was asked"
    );
    state.press(after(1), Key::Order(Deed::Failover));
    let ordered = order(Deed::Failover, "a", "a");
    assert_eq!(
        state.press(after(1), Key::Yes),
        Effect::Order(ordered.clone())
    );
    let outcome = |state: &State| state.outcome().map(|(_, outcome)| outcome.clone());
    assert_eq!(outcome(&state), Some(Outcome::Waiting(ordered.clone())));
    state.press(after(1), Key::Other);
    assert!(outcome(&state).is_some(), "the answer is to come");
    state.press(after(1), Key::Order(Deed::Fallback));
    assert_eq!(state.mode(), &Mode::Look, "one at a time");
    let refused = "node b is not reachable: repair it".to_owned();
    state.hear(
        after(2),
        News::Answer(ordered.clone(), Err(refused.clone())),
    );
    assert_eq!(outcome(&state), Some(Outcome::Refused(ordered, refused)));
    state.press(after(3), Key::Order(Deed::Fallback));
    assert!(matches!(state.mode(), Mode::Confirm(_)), "the next one");
    state.press(after(3), Key::Leave);
    assert!(state.outcome().is_some());
    state.press(after(3), Key::Other);
    assert_eq!(state.outcome(), None, "it has been read");
}

#[test]
fn whoever_brings_users_home_by_their_backup_is_told_whose() {
    let mut state = top();
    state.hear(after(0), status(1, failed_over(1)));
    state.press(after(0), Key::Order(Deed::Fallback));
    assert_eq!(
        state.mode(),
        &Mode::Confirm(order(Deed::Fallback, "a", "a"))
    );
    state.press(after(0), Key::Leave);
    state.press(after(0), Key::Select(1));
    state.press(after(0), Key::Order(Deed::Fallback));
    let by_backup = order(Deed::Fallback, "b", "a");
    assert_eq!(state.mode(), &Mode::Confirm(by_backup.clone()));
    assert_eq!(by_backup.question(), "Bring the users of a home?");
    assert_eq!(by_backup.command(), "musterctl group fallback b");
}

#[test]
fn the_selection_stays_within_the_nodes_and_with_its_node() {
    let mut state = both();
    let selected = |state: &State| state.selected().map(|node| node.name.clone());
    for (by, name) in [
        (0, "a"),
        (-1, "a"),
        (1, "b"),
        (10, "w"),
        (isize::MIN, "a"),
        (isize::MAX, "w"),
        (-1, "b"),
    ] {
        state.press(after(0), Key::Select(by));
        assert_eq!(selected(&state).as_deref(), Some(name), "by {by}");
    }
    let mut without_a = pair();
    without_a.nodes.remove(0);
    state.hear(after(1), status(0, without_a));
    assert_eq!(selected(&state).as_deref(), Some("b"));
    let mut without_b = pair();
    without_b.nodes.remove(1);
    state.hear(after(2), status(0, without_b));
    assert_eq!(selected(&state).as_deref(), Some("a"), "b is removed");
}

#[test]
fn q_and_esc_leave_what_is_open_and_ctrl_c_everything() {
    let mut state = both();
    assert_eq!(state.press(after(0), Key::Help), Effect::None);
    assert_eq!(state.mode(), &Mode::Help);
    assert_eq!(state.press(after(0), Key::Leave), Effect::None);
    assert_eq!(state.press(after(0), Key::Leave), Effect::Quit);
    for key in [Key::Help, Key::Order(Deed::Failover)] {
        state.press(after(0), key);
        assert_eq!(state.press(after(0), Key::Quit), Effect::Quit);
    }
}

#[test]
fn before_anybody_has_answered_there_is_nothing_to_select_or_order() {
    let mut state = top();
    for key in [Key::Select(1), Key::Order(Deed::Failover), Key::Yes] {
        assert_eq!(state.press(after(0), key), Effect::None);
        assert_eq!(state.mode(), &Mode::Look);
    }
    state.hear(after(0), sessions(0, 3));
    assert_eq!(state.asked(), None);
    assert_eq!(state.session_rates(), None);
}

#[test]
fn old_events_make_room_for_new_ones() {
    let mut state = top();
    for number in 0..EVENTS_MAX + 5 {
        state.hear(after(0), event("node", &format!("event {number}")));
    }
    assert_eq!(state.events().len(), EVENTS_MAX);
    let first = state.events().front().map(|event| event.text.as_str());
    assert_eq!(first, Some("event 5"));
    let last = state.events().back().map(|event| event.at.as_str());
    assert_eq!(last, Some("12:15:00"));
}

#[test]
fn of_many_sessions_in_one_second_there_is_one_line() {
    let mut state = top();
    for number in 1..=5 {
        let text = format!("user{number}@example.com/x is here");
        state.hear(after(0), event("session", &text));
    }
    for number in 1..=2 {
        state.hear(after(0), event("node", &format!("event {number}")));
    }
    state.hear(after(0), event("session", "user6@example.com/x is here"));
    let lines: Vec<_> = state
        .events()
        .iter()
        .map(|event| (event.text.as_str(), event.more))
        .collect();
    assert_eq!(
        lines,
        [
            ("user5@example.com/x is here", 4),
            ("event 1", 0),
            ("event 2", 0),
            ("user6@example.com/x is here", 0),
        ]
    );
}
