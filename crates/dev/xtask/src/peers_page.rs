//! The comparison for people: a table, where Muster loses, and a picture for each figure that has one.

use std::fmt::Write as _;

use serde_json::Value;

use crate::bars::{Bars, Row, Spread, short};
use crate::peers_figures::{FIGURES, Figure, PEERS, Run, SERVERS};

const KINDS: [(bool, &str); 2] = [(false, "plain"), (true, "TLS")];

/// The text for the page.
pub(crate) fn text(lines: &[Value]) -> String {
    let Some(run) = Run::last(lines) else {
        return "Nothing has been measured yet.\n".to_owned();
    };
    let (least, most) = run.rounds();
    let rounds = if most == 1 {
        "one round".to_owned()
    } else if least == most {
        format!("{most} rounds")
    } else {
        format!("{least} to {most} rounds, by work")
    };
    let mut text = format!(
        "Run `{}`, {rounds}; the median, and the least to the most. ",
        run.name
    );
    if let Some(others) = run.others() {
        // Writing to a text does not fail.
        writeln!(
            text,
            "Other programs (builds) took {:.0} % of the machine meanwhile in the median, {:.0} % at most.",
            others.median, others.most
        )
        .ok();
    }
    text.push('\n');
    text.push_str(&table(&run));
    text.push_str("\nWhere Muster, one node, is behind:\n\n");
    let losses = losses(&run);
    let none = "- nowhere in this run\n".to_owned();
    text.push_str(&if losses.is_empty() {
        none
    } else {
        losses.concat()
    });
    let failures = run.failures();
    if !failures.is_empty() {
        writeln!(text, "\nWork that failed: {}.", failures.join("; ")).ok();
    }
    text.push('\n');
    for (file, figure) in pictured() {
        writeln!(text, "![{}](pictures/{file})", full_title(figure)).ok();
    }
    text
}

/// The pictures, by their names.
pub(crate) fn pictures(lines: &[Value]) -> Vec<(&'static str, String)> {
    let Some(run) = Run::last(lines) else {
        return Vec::new();
    };
    let draw = |(file, figure): (&'static str, &Figure)| (file, picture(&run, figure));
    pictured().map(draw).collect()
}

fn pictured() -> impl Iterator<Item = (&'static str, &'static Figure)> {
    FIGURES
        .iter()
        .filter_map(|figure| figure.picture.map(|file| (file, figure)))
}

fn picture(run: &Run<'_>, figure: &Figure) -> String {
    let row = |(server, name): (&str, &'static str)| Row {
        name,
        bars: [false, true].map(|tls| run.figure(figure, server, tls)),
    };
    let better = if figure.more_is_better {
        "more"
    } else {
        "less"
    };
    let title = full_title(figure);
    Bars {
        title: format!("{title}, {} ({better} is better)", figure.unit),
        kinds: ["plain", "TLS"],
        rows: SERVERS.map(row).into(),
        goals: figure.goals,
    }
    .draw()
}

/// A title that begins with `the same` stands below its work in the table; alone it needs the work's name.
fn full_title(figure: &Figure) -> String {
    let Some(rest) = figure.title.strip_prefix("the same") else {
        return figure.title.to_owned();
    };
    let rest = rest.trim_start_matches([':', ',', ' ']);
    let what = match (
        figure.work,
        figure.goals,
        rest.contains("contact") || rest == "p99",
    ) {
        ("fanout", _, true) => "presence at a steady rate: change to the last contact",
        ("fanout", _, false) => "presence to a contact, closed loop",
        (work, _, _) => work,
    };
    format!("{what}, {rest}")
}

fn table(run: &Run<'_>) -> String {
    let names = SERVERS.map(|(_, name)| name).join(" | ");
    let mut text = format!(
        "| | | goal | {names} |\n|---|---|---|{}\n",
        "---|".repeat(SERVERS.len())
    );
    for figure in FIGURES.iter().filter(|figure| is_shown(run, figure)) {
        for ((tls, kind), goal) in KINDS.into_iter().zip(figure.goals) {
            let cells = SERVERS.map(|(server, _)| cell(run.figure(figure, server, tls)));
            let title = if tls {
                String::new()
            } else {
                format!("{}, {}", figure.title, figure.unit)
            };
            let goal = goal.map_or_else(String::new, |goal| format!("≤ {}", short(goal)));
            writeln!(
                text,
                "| {title} | {kind} | {goal} | {} |",
                cells.join(" | ")
            )
            .ok();
        }
    }
    text
}

/// A figure without a goal that no server has is left out: older results do not tell it.
fn is_shown(run: &Run<'_>, figure: &Figure) -> bool {
    let is_known = |tls| {
        let mut servers = SERVERS.iter();
        servers.any(|(server, _)| run.figure(figure, server, tls).is_some())
    };
    figure.goals.iter().any(Option::is_some) || [false, true].into_iter().any(is_known)
}

fn cell(spread: Option<Spread>) -> String {
    let Some(Spread {
        least,
        median,
        most,
    }) = spread
    else {
        return "–".to_owned();
    };
    if least == most {
        return short(median);
    }
    format!("{} ({}–{})", short(median), short(least), short(most))
}

/// Figures where one node is worse than another server, or than its goal; a line each.
fn losses(run: &Run<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for figure in &FIGURES {
        for ((tls, kind), goal) in KINDS.into_iter().zip(figure.goals) {
            let Some(own) = run.figure(figure, "muster", tls) else {
                continue;
            };
            let worse = |other: f64| {
                if figure.more_is_better {
                    own.median < other
                } else {
                    own.median > other
                }
            };
            let mut than = Vec::new();
            for server in PEERS {
                if let Some(peer) = run
                    .figure(figure, server, tls)
                    .filter(|peer| worse(peer.median))
                {
                    than.push(format!("{server} {}", short(peer.median)));
                }
            }
            if let Some(goal) = goal.filter(|goal| worse(*goal)) {
                than.push(format!("goal {}", short(goal)));
            }
            if !than.is_empty() {
                let (title, unit) = (full_title(figure), figure.unit);
                let (own, than) = (short(own.median), than.join(", "));
                found.push(format!("- {title}, {kind}: {own} {unit}; {than}\n"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{pictured, pictures, text};

    fn line(server: &str, round: u64, us: f64, rate: f64) -> Value {
        json!({"run": "r", "round": round, "server": server, "work": "fanout", "tls": false,
               "others_busy": 0.25,
               "measured": {"server_cpu_us_per_delivery": us, "deliveries_per_s": rate}})
    }

    #[test]
    fn the_page_tells_the_figures_and_the_losing_cases() {
        let lines = [
            line("muster", 1, 3.0, 9.0),
            line("muster", 2, 2.8, 8.0),
            line("prosody", 1, 30.0, 10_000.0),
        ];
        let page = text(&lines);
        for part in [
            "Run `r`, 2 rounds",
            "took 25 % of the machine",
            "| presence to a contact, closed loop: CPU, µs | plain | ≤ 2.50 | 2.90 (2.80–3.00) | – | 30.0 | – | – |",
            "- presence to a contact, closed loop: CPU, plain: 2.90 µs; goal 2.50",
            "deliveries a second, plain: 8.50 1/s; prosody 10,000",
            "](pictures/fanout-cpu.svg)",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(text(&[]).contains("Nothing"));
    }

    #[test]
    fn a_figure_that_older_results_do_not_tell_is_left_out() {
        let idle = |kernel: Option<f64>| {
            text(&[
                json!({"run": "r", "round": 1, "server": "muster", "work": "idle", "tls": true, "measured": {
                "held": 1000, "processes": [{"rss_after_mb": 64.0}], "server_kb_per_session": 15.0,
                "kernel_kb_per_session": kernel}}),
            ])
        };
        let row = "| the same: kept by the kernel beside it, one end, KB | plain |  | – |";
        let resident = "| the same: resident with all online, per user, KB | plain |  | – |";
        let (old, new) = (idle(None), idle(Some(2.5)));
        assert!(!old.contains("kernel"), "{old}");
        assert!(old.contains(resident) && old.contains("| 64.0 |"), "{old}");
        assert!(new.contains(row) && new.contains("| 2.50 |"), "{new}");
        // One with a goal stays.
        assert!(
            old.contains("| chat message: CPU, µs | plain | ≤ 16.0 | – |"),
            "{old}"
        );
    }

    #[test]
    fn every_picture_is_drawn_under_its_own_name() {
        let names: BTreeSet<_> = pictured().map(|(file, _)| file).collect();
        assert_eq!(names.len(), pictured().count());
        assert_eq!(pictures(&[line("muster", 1, 1.0, 1.0)]).len(), names.len());
        assert!(pictures(&[]).is_empty());
    }
}
