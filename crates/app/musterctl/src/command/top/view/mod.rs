//! The screen, from what is known. Pure: the same state at the same moment is the same screen.
//!
//! ```text
//! head       the cluster, whom it asks, who does not answer, whether a failure now would be survived
//! Nodes      a line each, then what the selected one's state means
//! Users of   a line for each slot: who serves them, when they go home
//! Rates
//! alarms     of all nodes that answer, the worst first
//! Events     the newest last; takes what room is left, and gives it up first
//! foot       what was ordered and what was answered, or what is asked; the keys
//! ```

mod help;
mod paint;
mod rooms;
mod tables;
mod texts;

pub(super) use paint::Paint;

use super::state::{Mode, Moment, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use rooms::{Room, rooms};

/// Less shows nothing that helps.
const WIDTH_MIN: u16 = 20;
const HEIGHT_MIN: u16 = 6;
/// A pair and its witness, and their users, each below two lines of headers: more has to leave room.
const NODES_MIN: u16 = 5;
const USERS_MIN: u16 = 4;
/// Events that keep their place beside long lists, below a header.
const EVENTS_MIN: u16 = 3;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, now: Moment, paint: Paint) {
    let all = frame.area();
    if all.width < WIDTH_MIN || all.height < HEIGHT_MIN {
        let words = format!("too small: {WIDTH_MIN}x{HEIGHT_MIN} at least");
        return frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: true }), all);
    }
    let head = texts::head(state, now, paint, all.width);
    let foot = texts::foot(state, paint, all.width);
    let alarms = texts::alarms(state, paint, all.width);
    let lines = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let (nodes, slots) = state.status().map_or((0, 0), |status| {
        (lines(status.nodes.len()), lines(status.slots.len()))
    });
    // In the order in which they get their lines when there are not enough.
    let wanted = [
        (Room::Keys, 1),
        (Room::Foot, lines(foot.len())),
        (
            Room::Nodes,
            (nodes + 2).min(NODES_MIN.max(all.height * 2 / 5)),
        ),
        (Room::Head, lines(head.len()).min(all.height / 4)),
        (Room::Users, (slots + 2).min(USERS_MIN.max(all.height / 4))),
        (Room::Alarms, lines(alarms.len())),
        (Room::Detail, 2),
        (Room::Events, EVENTS_MIN),
        (Room::Rates, 1),
    ];
    let rooms = rooms(all, &wanted);
    let title = |words: &str| {
        Block::new()
            .borders(Borders::TOP)
            .title(stale(words, state, now))
    };
    frame.render_widget(Paragraph::new(head), rooms.of(Room::Head));
    tables::nodes(
        frame,
        rooms.of(Room::Nodes),
        title(" Nodes "),
        state,
        now,
        paint,
    );
    let detail = Paragraph::new(texts::detail(state, all.width, paint));
    frame.render_widget(detail, rooms.of(Room::Detail));
    tables::users(
        frame,
        rooms.of(Room::Users),
        title(" Users "),
        state,
        now,
        paint,
    );
    frame.render_widget(
        Paragraph::new(texts::rates(state, now)),
        rooms.of(Room::Rates),
    );
    frame.render_widget(Paragraph::new(alarms), rooms.of(Room::Alarms));
    events(frame, rooms.of(Room::Events), state, paint);
    frame.render_widget(Paragraph::new(foot), rooms.of(Room::Foot));
    frame.render_widget(
        Paragraph::new(texts::keys(state, paint)),
        rooms.of(Room::Keys),
    );
    if *state.mode() == Mode::Help {
        help::draw(frame);
    }
}

/// A title that says so when what stands below it is old.
fn stale(words: &str, state: &State, now: Moment) -> Line<'static> {
    match state.stale(now) {
        Some(_) => Line::from(format!("{words}(stale) ")),
        None => Line::from(words.to_owned()),
    }
}

fn events(frame: &mut Frame<'_>, room: Rect, state: &State, paint: Paint) {
    let block = Block::new().borders(Borders::TOP).title(" Events, UTC ");
    let inside = block.inner(room);
    frame.render_widget(block, room);
    let lines = texts::events(state, inside, paint);
    frame.render_widget(Paragraph::new(lines), inside);
}

#[cfg(test)]
#[path = "view_test.rs"]
mod view_test;
