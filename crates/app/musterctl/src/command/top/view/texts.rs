//! What stands around the tables.

use super::paint::Paint;
use super::tables::words;
use crate::command::top::state::{Happening, Mode, Moment, Outcome, State};
use crate::output::printable;
use crate::time;
use muster_admin::proto::{Alarm, StatusResponse};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Groups and silent addresses that are shown; more are counted.
const LISTED_MAX: usize = 2;
/// Alarms that are shown; more are counted.
const ALARMS_MAX: usize = 3;
/// Lines of an answer that are shown; none of ours is longer.
const FOOT_MAX: usize = 4;

/// The cluster, whom it asks, who does not answer, and whether a failure now would be survived.
pub(super) fn head(state: &State, now: Moment, paint: Paint, width: u16) -> Vec<Line<'static>> {
    let mut lines = vec![asked(state, now, paint)];
    if let Some(status) = state.status() {
        lines.push(control(status, paint));
        for one in listed(&status.protection) {
            let words = format!("Group {}: {}", one.group, one.words);
            let style = if one.protected {
                paint.good()
            } else {
                paint.bad()
            };
            lines.extend(wrapped(&words, width, style));
        }
        lines.extend(unlisted(&status.protection, "groups"));
    }
    let silent = state.silent();
    for words in listed(&silent) {
        let words = printable(&format!("No answer from {words}"));
        lines.push(Line::styled(cut(&words, width), paint.bad()));
    }
    lines.extend(unlisted(&silent, "addresses without an answer"));
    lines
}

fn listed<T>(all: &[T]) -> &[T] {
    all.get(..LISTED_MAX).unwrap_or(all)
}

fn unlisted<T>(all: &[T], of: &str) -> Option<Line<'static>> {
    let more = all.len().saturating_sub(LISTED_MAX);
    (more > 0).then(|| Line::raw(format!("and {more} more {of}")))
}

/// A line of a width, that says so when something is cut off.
pub(super) fn cut(text: &str, width: u16) -> String {
    let width = usize::from(width);
    if Span::raw(text).width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if Span::raw(kept.as_str()).width() >= width {
            kept.pop();
            break;
        }
    }
    kept + "\u{2026}"
}

/// Text in lines of a width, cut between words.
fn wrapped(text: &str, width: u16, style: Style) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    // A remedy may stand in a line of its own.
    for part in text.lines() {
        let mut line = String::new();
        for word in printable(part).split(' ') {
            let longer = format!("{line} {word}");
            if line.is_empty() {
                line = word.to_owned();
            } else if Span::raw(longer.as_str()).width() <= usize::from(width) {
                line = longer;
            } else {
                lines.push(Line::styled(
                    std::mem::replace(&mut line, word.to_owned()),
                    style,
                ));
            }
        }
        lines.push(Line::styled(line, style));
    }
    lines
}

fn asked(state: &State, now: Moment, paint: Paint) -> Line<'static> {
    let Some(asked) = state.asked() else {
        return Line::styled("No node has answered yet", paint.bad());
    };
    let asked = printable(&asked);
    match state.stale(now) {
        None => Line::raw(format!("Asking {asked}")),
        Some(silence) => Line::from(vec![
            Span::styled(
                format!("STALE, {} old", time::age(silence.as_secs())),
                paint.loud(),
            ),
            Span::raw(format!(" as {asked} said")),
        ]),
    }
}

fn control(status: &StatusResponse, paint: Paint) -> Line<'static> {
    let leader = status
        .nodes
        .iter()
        .find(|node| node.id == status.control_leader);
    let leader = leader.map_or("nobody", |node| node.name.as_str());
    let users = format!("{} users", status.users);
    if status.control_quorum {
        return Line::raw(printable(&format!("Control log led by {leader}, {users}")));
    }
    Line::from(vec![
        Span::styled("NO QUORUM", paint.loud()),
        Span::raw(format!(
            ": nothing can be changed, users are served on, {users}"
        )),
    ])
}

/// The state of the selected node in full, what it means, and what to do.
pub(super) fn detail(state: &State, width: u16, paint: Paint) -> Vec<Line<'static>> {
    let Some(node) = state.selected() else {
        return Vec::new();
    };
    let state = printable(&format!(
        "{} is {}: {}",
        node.name,
        words(node),
        node.meaning
    ));
    let advice = printable(&format!("Next: {}", node.advice));
    vec![
        Line::styled(cut(&state, width), paint.strong()),
        Line::raw(cut(&advice, width)),
    ]
}

/// What is wrong on the nodes that answer.
pub(super) fn alarms(state: &State, paint: Paint, width: u16) -> Vec<Line<'static>> {
    let alarms = state.alarms();
    let line = |(node, alarm): &(&str, &Alarm)| {
        let Alarm {
            name,
            severity,
            words,
            ..
        } = alarm;
        let words = format!("ALARM {name} ({severity}) on {node}: {words}");
        let style = match severity.as_str() {
            "critical" => paint.loud(),
            "error" => paint.bad(),
            _ => paint.fair(),
        };
        Line::styled(cut(&printable(&words.replace('\n', " ")), width), style)
    };
    let shown = alarms.get(..ALARMS_MAX).unwrap_or(&alarms);
    let more = alarms.len() - shown.len();
    let more = (more > 0).then(|| Line::raw(format!("and {more} more alarms: `musterctl status`")));
    shown.iter().map(line).chain(more).collect()
}

/// What there is each second.
pub(super) fn rates(state: &State, now: Moment) -> Line<'static> {
    Line::raw(match state.session_rates() {
        None if state.stale(now).is_some() => "Rates: nobody answers".to_owned(),
        None => "Rates: counting".to_owned(),
        Some((begun, ended)) => format!("Rates: {begun:.1} sessions/s begin, {ended:.1}/s end"),
    })
}

/// The newest events, as many as have room.
pub(super) fn events(state: &State, room: Rect, paint: Paint) -> Vec<Line<'static>> {
    let events = state.events();
    let older = events.len().saturating_sub(usize::from(room.height));
    let line = |event: &Happening| {
        let Happening {
            at,
            kind,
            text,
            more,
        } = event;
        let more = match more {
            0 => String::new(),
            more => format!(", {more} more before it"),
        };
        let (at, kind) = (format!("{at} "), format!("{kind:<8} "));
        let left = usize::from(room.width).saturating_sub(at.len() + kind.len() + more.len());
        let text = cut(text, u16::try_from(left).unwrap_or(u16::MAX)) + &more;
        Line::from(vec![
            Span::raw(at),
            Span::styled(kind, paint.strong()),
            Span::raw(text),
        ])
    };
    if events.is_empty() {
        return vec![Line::raw("none since this was started")];
    }
    events.range(older..).map(line).collect()
}

/// What was ordered and answered, or what is asked.
pub(super) fn foot(state: &State, paint: Paint, width: u16) -> Vec<Line<'static>> {
    if let Mode::Confirm(order) = state.mode() {
        let words = format!("{} The same as `{}`", order.question(), order.command());
        return wrapped(&words, width, paint.strong());
    }
    let Some((at, outcome)) = state.outcome() else {
        return Vec::new();
    };
    let (order, text, style) = match outcome {
        Outcome::Waiting(order) => (order, "no answer yet".to_owned(), paint.fair()),
        Outcome::Done(order, text) => (order, text.clone(), paint.good()),
        Outcome::Refused(order, why) => (order, format!("refused: {why}"), paint.bad()),
    };
    let words = format!("{at} {}: {text}", order.command());
    let mut lines = wrapped(&words, width, style);
    lines.truncate(FOOT_MAX);
    lines
}

/// The keys that mean something now.
pub(super) fn keys(state: &State, paint: Paint) -> Line<'static> {
    let keys: &[(&str, &str)] = match state.mode() {
        Mode::Look => &[
            ("q", "quit"),
            ("?", "help"),
            ("f", "fail over"),
            ("b", "bring home"),
            ("j/k", "select"),
        ],
        Mode::Confirm(_) => &[("y", "yes"), ("any other key", "no")],
        Mode::Help => &[("any key", "back")],
    };
    let mut spans = Vec::new();
    for (key, meaning) in keys {
        spans.push(Span::styled(*key, paint.strong()));
        spans.push(Span::raw(format!(" {meaning}  ")));
    }
    Line::from(spans)
}
