//! Nodes, and the users of each.

use super::paint::Paint;
use super::texts::cut;
use crate::command::top::homing::Homing;
use crate::command::top::state::{Count, Moment, State};
use crate::command::wait::{FAILED, TRANSITIONS};
use crate::output::printable;
use crate::time;
use muster_admin::proto::{Node, Slot};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Span, Text};
use ratatui::widgets::{Block, HighlightSpacing, Row, Table, TableState};

/// Stands before what the keys are about.
const MARK: &str = "> ";
const MARK_WIDTH: u16 = 2;
/// Between two columns.
const SPACE: u16 = 2;
/// "Running in Backup Mode (Peer Down During Initialization)"; few are longer.
const STATE_WIDTH: u16 = 56;
/// Names may take that part of the screen.
const NAMES_PART: u16 = 5;
/// The state of a node that serves its own users.
const NORMAL: &str = "Normal";

/// What stands in one place of a table.
type Cell = (String, Style);

/// How wide a column is.
#[derive(Clone, Copy)]
enum Width {
    /// As wide as the longest name, within bounds.
    Names,
    Fixed(u16),
    /// What the others leave, but no more than that.
    Rest(u16),
}

/// A column: its header, its width, and the width of the screen from which on it is there.
type Column = (&'static str, Width, u16);

const NODES: [Column; 5] = [
    ("NODE", Width::Names, 0),
    ("STATE (REASON)", Width::Rest(STATE_WIDTH), 0),
    ("AGE", Width::Fixed(7), 50),
    ("REACHABLE", Width::Fixed(9), 60),
    ("SESSIONS", Width::Fixed(11), 72),
];

const USERS: [Column; 5] = [
    ("USERS OF", Width::Names, 0),
    ("SERVED BY", Width::Names, 0),
    ("USERS", Width::Fixed(7), 60),
    ("WRITES/S", Width::Fixed(8), 72),
    ("GO HOME", Width::Rest(u16::MAX), 40),
];

/// The nodes as the one that is asked sees them.
pub(super) fn nodes(
    frame: &mut Frame<'_>,
    room: Rect,
    title: Block<'_>,
    state: &State,
    now: Moment,
    paint: Paint,
) {
    let Some(status) = state.status() else {
        return frame.render_widget(title, room);
    };
    let is_selected = |node: &Node| state.selected().is_some_and(|one| one.id == node.id);
    let selected = status.nodes.iter().position(is_selected);
    let rows = status.nodes.iter().map(|node| {
        let cells = [
            plain(&node.name),
            (words(node), style(node, paint)),
            plain(&time::since(&node.since, now.day).unwrap_or_default()),
            reachable(node, paint),
            sessions(state.sessions(node.id), paint),
        ];
        (cells, is_selected(node))
    });
    let rows: Vec<_> = rows.collect();
    let table = table(&NODES, &rows, room.width, paint).block(title);
    frame.render_stateful_widget(table, room, &mut TableState::new().with_selected(selected));
}

/// The users of each node, who serves them, and when they go home.
pub(super) fn users(
    frame: &mut Frame<'_>,
    room: Rect,
    title: Block<'_>,
    state: &State,
    now: Moment,
    paint: Paint,
) {
    let Some(status) = state.status() else {
        return frame.render_widget(title, room);
    };
    let selected = status.slots.iter().position(|slot| state.is_selected(slot));
    let rows = status.slots.iter().map(|slot| {
        let homing = Homing::of(status, slot, state.age(now));
        let writes = state.log_rate(slot.id);
        let cells = [
            plain(&slot.home),
            owner(slot, paint),
            plain(&slot.users.to_string()),
            plain(&writes.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))),
            (printable(&homing.to_string()), homing_style(&homing, paint)),
        ];
        (cells, state.is_selected(slot))
    });
    let rows: Vec<_> = rows.collect();
    let table = table(&USERS, &rows, room.width, paint).block(title);
    frame.render_stateful_widget(table, room, &mut TableState::new().with_selected(selected));
}

fn table<'a>(
    columns: &[Column; 5],
    rows: &[([Cell; 5], bool)],
    width: u16,
    paint: Paint,
) -> Table<'a> {
    let shown: Vec<_> = (0..columns.len())
        .filter(|at| columns[*at].2 <= width)
        .collect();
    let widths = widths(columns, &shown, rows, width);
    let header: Vec<_> = shown.iter().map(|at| columns[*at].0).collect();
    let row = |(cells, is_selected): &([Cell; 5], bool)| {
        let cells = shown.iter().zip(&widths).map(|(at, width)| {
            let (words, style) = &cells[*at];
            Text::styled(cut(words, *width), *style)
        });
        let row = Row::new(cells);
        if *is_selected {
            row.style(paint.strong())
        } else {
            row
        }
    };
    Table::new(rows.iter().map(row), widths.iter().copied())
        .header(Row::new(header).style(paint.strong()))
        .highlight_symbol(MARK)
        .highlight_spacing(HighlightSpacing::Always)
        .column_spacing(SPACE)
}

/// The width of each column that is shown.
fn widths(
    columns: &[Column; 5],
    shown: &[usize],
    rows: &[([Cell; 5], bool)],
    all: u16,
) -> Vec<u16> {
    let names = |at: usize| {
        let texts = rows.iter().map(|(cells, _)| cells[at].0.as_str());
        let longest = texts
            .chain([columns[at].0])
            .map(|text| Span::raw(text).width());
        let longest = longest.max().unwrap_or_default();
        u16::try_from(longest)
            .unwrap_or(u16::MAX)
            .min(all / NAMES_PART)
    };
    let width = |at: usize, rest: u16| match columns[at].1 {
        Width::Names => names(at),
        Width::Fixed(width) => width,
        Width::Rest(most) => rest.min(most),
    };
    // There is one space less than there are columns.
    let room = all.saturating_add(SPACE).saturating_sub(MARK_WIDTH);
    let others = shown.iter().map(|at| width(*at, 0) + SPACE);
    let rest = others.fold(room, u16::saturating_sub);
    shown.iter().map(|at| width(*at, rest)).collect()
}

fn plain(words: &str) -> Cell {
    (printable(words), Style::new())
}

/// State and reason, as they stand in docs/ha-states.md.
pub(super) fn words(node: &Node) -> String {
    let words = match node.reason.as_str() {
        "" => node.state.clone(),
        reason => format!("{} ({reason})", node.state),
    };
    printable(&words)
}

fn style(node: &Node, paint: Paint) -> Style {
    match node.state.as_str() {
        NORMAL => paint.good(),
        FAILED => paint.bad(),
        state if TRANSITIONS.contains(&state) => paint.fair(),
        _ if !node.reachable => paint.bad(),
        _ => paint.fair(),
    }
}

fn reachable(node: &Node, paint: Paint) -> Cell {
    if !node.reachable {
        return ("no".to_owned(), paint.bad());
    }
    match node.via.as_str() {
        "" => plain("yes"),
        via => (printable(&format!("via {via}")), paint.fair()),
    }
}

fn sessions(count: Count, paint: Paint) -> Cell {
    match count {
        Count::Unknown => plain("-"),
        Count::Now(sessions) => plain(&sessions.to_string()),
        Count::Stale(sessions) => (format!("{sessions} stale"), paint.fair()),
    }
}

fn owner(slot: &Slot, paint: Paint) -> Cell {
    match slot.owner.as_str() {
        "" => ("nobody".to_owned(), paint.bad()),
        owner => plain(owner),
    }
}

fn homing_style(homing: &Homing, paint: Paint) -> Style {
    match homing {
        Homing::AtHome => paint.good(),
        Homing::Unserved => paint.bad(),
        Homing::Moving | Homing::Automatic(..) | Homing::Stay(_) | Homing::After(_) => paint.fair(),
    }
}
