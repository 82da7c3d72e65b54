//! The picture of a demo: nodes, people, and what happened in this round.

use super::scene::{NodeView, Person, Scene};
use std::time::Duration;

/// The most lines it has: it fits a terminal that nobody has made larger.
pub(super) const HEIGHT: usize = 22;
/// The newest lines of the timeline that are shown.
const TIMELINE: usize = 6;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// The lines, with colours.
pub(super) fn lines(scene: &Scene, elapsed: Duration) -> Vec<String> {
    let round = match scene.round.number {
        0 => "preparing".to_owned(),
        number => format!("round {number} of {}", scene.rounds),
    };
    let mut lines = vec![
        format!(
            "{}  {round}, {:.1} s",
            paint(BOLD, "Muster demo"),
            elapsed.as_secs_f64()
        ),
        paint(CYAN, &scene.now),
        paint(DIM, "NODE  STATE                      SERVES"),
    ];
    lines.extend(scene.nodes.iter().map(|node| node_line(node, scene)));
    lines.push(String::new());
    lines.push(paint(
        DIM,
        "USER    HOME  SERVED BY  CLIENT AT  WHAT OTHERS SEE",
    ));
    lines.extend(scene.people.iter().map(|one| person_line(one, scene)));
    lines.push(String::new());
    lines.push(counters(scene));
    let timeline = &scene.round.timeline;
    for (since, what) in &timeline[timeline.len().saturating_sub(TIMELINE)..] {
        let since = format!("{:7.2} s", since.as_secs_f64());
        lines.push(format!("{}  {what}", paint(DIM, &since)));
    }
    lines
}

fn node_line(node: &NodeView, scene: &Scene) -> String {
    let served = scene.people.iter().filter(|one| one.served_by == node.name);
    let served: Vec<_> = served.map(|one| one.name.as_str()).collect();
    let (colour, sign) = match (node.dead, node.state.as_str()) {
        (true, _) => (RED, "✗"),
        (false, "Normal" | "Normal, votes only") => (GREEN, "●"),
        (false, _) => (YELLOW, "●"),
    };
    let state = paint(colour, &format!("{sign} {:<25}", node.state));
    format!("{:<4}  {state}{}", node.name, served.join(" "))
}

fn person_line(person: &Person, scene: &Scene) -> String {
    let served = match person.served_by.as_str() {
        "" => paint(RED, &format!("{:<9}", "nobody")),
        node if node == person.home => paint(GREEN, &format!("{node:<9}")),
        node => paint(YELLOW, &format!("{node:<9}")),
    };
    let (at, seen) = if person.away {
        (
            paint(DIM, &format!("{:<9}", "away")),
            paint(DIM, "messages wait until it is back"),
        )
    } else {
        let at = match person.client_at {
            Some(node) => format!("{node:<9}"),
            None => paint(YELLOW, &format!("{:<9}", "looking")),
        };
        (at, presence(person, scene))
    };
    let Person { name, home, .. } = person;
    format!("{name:<6}  {home:<4}  {served}  {at}  {seen}")
}

fn presence(person: &Person, scene: &Scene) -> String {
    let (see, all) = (scene.watchers_of(person), scene.clients().count() - 1);
    let colour = if see == all { GREEN } else { YELLOW };
    paint(colour, &format!("online, for {see} of {all}"))
}

fn counters(scene: &Scene) -> String {
    let (safe, wrong) = (scene.acknowledged().len(), scene.round.false_unavailable);
    let colour = if wrong == 0 { GREEN } else { RED };
    format!(
        "{safe} messages acknowledged, {}",
        paint(colour, &format!("{wrong} times somebody seemed to leave"))
    )
}

fn paint(colour: &str, text: &str) -> String {
    format!("\x1b[{colour}m{text}\x1b[0m")
}
