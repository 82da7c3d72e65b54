use super::*;
use crate::command::top::keys::Key;
use crate::command::top::orders::Deed;
use crate::command::top::samples::{after, event, failed_over, pair, sessions, status, top};
use crate::command::top::state::{Effect, News};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Color;

fn buffer(state: &State, now: Moment, (width, height): (u16, u16), paint: Paint) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, state, now, paint))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// The screen as lines without what is blank at their ends.
fn screen(state: &State, now: Moment, size: (u16, u16)) -> String {
    text(&buffer(state, now, size, Paint::plain()))
}

fn text(buffer: &Buffer) -> String {
    let line = |cells: &[Cell]| {
        let line: String = cells.iter().map(Cell::symbol).collect();
        line.trim_end().to_owned() + "\n"
    };
    let width = usize::from(buffer.area.width);
    buffer.content().chunks(width).map(line).collect()
}

/// Both nodes answer; twelve sessions are on `a`, seven on `b`.
fn well() -> State {
    let mut state = top();
    let mut of_b = pair();
    of_b.answered_by = 2;
    state.hear(after(0), status(0, pair()));
    state.hear(after(0), status(1, of_b));
    for (second, on_a) in [(0, 10), (2, 12)] {
        state.hear(after(second), sessions(0, on_a));
        state.hear(after(second), sessions(1, 7));
    }
    let mut written = pair();
    written.slots[0].last_log += 3;
    state.hear(after(2), status(0, written));
    state.hear(after(2), event("node", "w has started"));
    state.hear(after(2), event("session", "alice@example.com/x is here"));
    state
}

const WELL: &str = "\
Asking node a at unix:/run/a.sock
Control log led by a, 5 users
Group main: protected: if a or b fails now, its users are served by the other
 Nodes ─────────────────────────────────────────────────────────────────────────
  NODE  STATE (REASON)                           AGE      REACHABLE  SESSIONS
> a     Normal                                   12m2s    yes        12
  b     Normal                                   12m2s    yes        7
  w     Normal                                   12m2s    yes        -
a is Normal: in service
Next: nothing to do
 Users ─────────────────────────────────────────────────────────────────────────
  USERS OF  SERVED BY  USERS    WRITES/S  GO HOME
> a         a          3        1.5       at home
  b         b          2        0.0       at home
Rates: 1.0 sessions/s begin, 0.0/s end
 Events, UTC ───────────────────────────────────────────────────────────────────
12:15:00 node     w has started
12:15:00 session  alice@example.com/x is here





q quit  ? help  f fail over  b bring home  j/k select
";

#[test]
fn a_screen_of_80x24_has_everything() {
    let shown = screen(&well(), after(2), (80, 24));
    assert_eq!(shown, WELL, "{shown}");
}

#[test]
fn the_countdown_to_the_automatic_fallback_goes_on_by_itself() {
    let mut state = top();
    state.hear(after(0), status(1, failed_over(1)));
    for (seconds, words) in [
        (0, "> a         b          3        -         in 29m\n"),
        (50, "> a         b          3        -         in 28m10s\n"),
        (
            1_740,
            "> a         b          3        -         any moment\n",
        ),
    ] {
        let shown = screen(&state, after(seconds), (80, 24));
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
        let alarm = "ALARM Failover (warning) on b: this node serves the users of a too\n";
        assert!(shown.contains(alarm), "{shown}");
    }
}

#[test]
fn a_node_that_does_not_answer_is_named_and_what_it_said_is_stale() {
    let mut state = well();
    state.hear(after(3), News::Gone(0, "nobody listens there".to_owned()));
    let mut of_b = failed_over(0);
    of_b.nodes[0].state = "(unreachable)".to_owned();
    of_b.nodes[0].reachable = false;
    of_b.nodes[2].via = "a".to_owned();
    state.hear(after(3), status(1, of_b));
    let shown = screen(&state, after(3), (80, 24));
    for line in [
        "Asking node b at unix:/run/b.sock\n",
        "No answer from node a: nobody listens there\n",
        "> a     (unreachable) (Initialization)           3s       no         12 stale\n",
        "  w     Normal                                   12m3s    via a      -\n",
        "12:15:03 note     asking node b at unix:/run/b.sock now\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
    assert!(!shown.contains("STALE"), "b is asked now\n{shown}");
}

#[test]
fn everything_is_marked_as_stale_when_nobody_answers() {
    let mut state = well();
    for at in [0, 1] {
        state.hear(after(3), News::Gone(at, "nobody listens there".to_owned()));
    }
    let shown = screen(&state, after(14), (80, 24));
    for line in [
        "STALE, 14s old as node b at unix:/run/b.sock said\n",
        "No answer from node a: nobody listens there\n",
        "No answer from node b: nobody listens there\n",
        " Nodes (stale) ──",
        " Users (stale) ──",
        "7 stale\n",
        "Rates: nobody answers\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
}

#[test]
fn an_order_is_asked_for_with_its_command_and_the_answer_is_shown_with_its_remedy() {
    let mut state = well();
    state.press(after(2), Key::Order(Deed::Failover));
    let shown = screen(&state, after(2), (80, 24));
    let asked = "Move the users of a to its peer? The same as `musterctl group failover a`\n\
                 y yes  any other key no\n";
    assert!(shown.ends_with(asked), "{shown}");
    let Effect::Order(order) = state.press(after(2), Key::Yes) else {
        panic!("nothing is ordered");
    };
    let shown = screen(&state, after(2), (80, 24));
    let waiting = "12:15:02 musterctl group failover a: no answer yet\n";
    assert!(shown.contains(waiting), "{shown}");
    let why = "node b is in state Failed Over with Critical Services Not Running: start its services \
               first\nNext: look with `musterctl get services`";
    state.hear(after(4), News::Answer(order, Err(why.to_owned())));
    let shown = screen(&state, after(4), (80, 24));
    let refused = "12:15:04 musterctl group failover a: refused: node b is in state Failed Over\n\
                   with Critical Services Not Running: start its services first\n\
                   Next: look with `musterctl get services`\n\
                   q quit";
    assert!(shown.contains(refused), "{shown}");
}

#[test]
fn without_a_quorum_that_is_said() {
    let mut state = top();
    let mut alone = pair();
    alone.control_quorum = false;
    state.hear(after(0), status(0, alone));
    let shown = screen(&state, after(0), (80, 24));
    let line = "NO QUORUM: nothing can be changed, users are served on, 5 users\n";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn the_help_fits_on_the_screen_and_goes_with_any_key() {
    let mut state = well();
    state.press(after(2), Key::Help);
    let shown = screen(&state, after(2), (80, 24));
    for words in [
        "musterctl top",
        "fail",
        "GO HOME",
        "was so when somebody answered last",
    ] {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
    assert!(shown.ends_with("any key back\n"), "{shown}");
    state.press(after(2), Key::Other);
    assert_eq!(screen(&state, after(2), (80, 24)), WELL);
}

#[test]
fn a_narrow_screen_has_nodes_states_and_owners() {
    let shown = screen(&well(), after(2), (40, 12));
    for line in [
        "  NODE  STATE (REASON)\n",
        "> a     Normal\n",
        "  USERS OF  SERVED B  GO HOME\n",
        "> a         a         at home\n",
        "q quit",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
    let shown = screen(&well(), after(2), (19, 24));
    assert!(shown.starts_with("too small: 20x6 at\nleast\n"), "{shown}");
}

#[test]
fn no_size_of_a_terminal_is_too_small_to_be_drawn() {
    let mut state = well();
    state.hear(after(2), News::Gone(0, "nobody listens there".to_owned()));
    for key in [Key::Other, Key::Order(Deed::Failover), Key::Help] {
        state.press(after(2), key);
        for width in (1..=100).step_by(3) {
            for height in 1..=30 {
                screen(&state, after(2), (width, height));
            }
        }
        state.press(after(2), Key::Other);
    }
    screen(&top(), after(0), (80, 24));
}

#[test]
fn long_lists_leave_room_for_each_other_and_show_what_is_selected() {
    let mut many = pair();
    let (node, slot) = (many.nodes[0].clone(), many.slots[0].clone());
    for id in 4..=40 {
        let mut node = node.clone();
        (node.id, node.name) = (id, format!("n{id}"));
        let mut slot = slot.clone();
        (slot.id, slot.home, slot.owner) = (id, format!("n{id}"), "a".to_owned());
        many.nodes.push(node);
        many.slots.push(slot);
    }
    let mut state = top();
    state.hear(after(0), status(0, many));
    state.press(after(0), Key::Select(30));
    state.hear(after(0), event("node", "n31 is Normal"));
    let shown = screen(&state, after(0), (80, 24));
    for words in ["> n31   Normal", "> n31       a", "node     n31 is Normal"] {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
}

#[test]
fn colours_say_nothing_that_words_do_not_and_can_be_switched_off() {
    let mut state = well();
    state.hear(after(2), status(0, failed_over(1)));
    let drawn = |paint| buffer(&state, after(2), (80, 24), paint);
    let colours = |buffer: &Buffer| {
        let coloured = |cell: &&Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
        buffer.content().iter().filter(coloured).count()
    };
    let (plain, coloured) = (drawn(Paint::plain()), drawn(Paint::coloured()));
    assert_eq!(text(&plain), text(&coloured));
    assert_eq!(colours(&plain), 0);
    assert!(colours(&coloured) > 0);
}

#[test]
fn names_and_events_cannot_move_the_cursor() {
    let mut odd = pair();
    odd.nodes[0].name = "a\u{1b}[2J".to_owned();
    odd.slots[0].home = "a\u{1b}[2J".to_owned();
    odd.protection[0].words = "protected\u{7}".to_owned();
    let mut state = top();
    state.hear(after(0), status(0, odd));
    state.hear(after(0), event("session", "x\u{9b}31m@example.com is here"));
    state.press(after(0), Key::Order(Deed::Failover));
    let shown = screen(&state, after(0), (80, 24));
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!shown.contains(is_odd), "{shown:?}");
}

#[test]
fn sessions_that_come_together_say_how_many_they_are() {
    let mut state = well();
    let long = format!("{}@example.com/x is here", "x".repeat(80));
    state.hear(after(3), event("session", &long));
    let shown = screen(&state, after(3), (80, 24));
    assert!(shown.contains("xx…, 1 more before it\n"), "{shown}");
}
