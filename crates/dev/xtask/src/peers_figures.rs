//! What is told of a comparison: which figures, what they should reach, and how a run's lines become them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bars::Spread;
use crate::missing;

/// The servers in the order of tables and pictures, with their names for people.
pub(crate) const SERVERS: [(&str, &str); 5] = [
    ("muster", "Muster"),
    ("muster-pair", "Muster, pair"),
    ("prosody", "Prosody"),
    ("ejabberd", "ejabberd"),
    ("floor", "floor"),
];
/// Those that Muster is compared with; the floor is no server.
pub(crate) const PEERS: [&str; 2] = ["prosody", "ejabberd"];

/// One figure.
pub(crate) struct Figure {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) work: &'static str,
    source: Source,
    pub(crate) more_is_better: bool,
    /// The goals without and with TLS.
    pub(crate) goals: [Option<f64>; 2],
    /// The file of its picture, if it has one.
    pub(crate) picture: Option<&'static str>,
}

/// How a figure comes out of what `muster-load` printed.
enum Source {
    /// It stands there.
    At(&'static [&'static str]),
    /// It follows from what stands there.
    Of(fn(&Value) -> Option<f64>),
}

const fn less(
    (title, unit): (&'static str, &'static str),
    work: &'static str,
    path: &'static [&'static str],
    goals: [Option<f64>; 2],
    picture: Option<&'static str>,
) -> Figure {
    Figure {
        title,
        unit,
        work,
        source: Source::At(path),
        more_is_better: false,
        goals,
        picture,
    }
}

const fn more(
    (title, unit): (&'static str, &'static str),
    work: &'static str,
    path: &'static [&'static str],
    picture: Option<&'static str>,
) -> Figure {
    Figure {
        more_is_better: true,
        ..less((title, unit), work, path, [None, None], picture)
    }
}

const NO_GOAL: [Option<f64>; 2] = [None, None];

/// All of them. The goals are those of the issue that asked for the comparison.
pub(crate) const FIGURES: [Figure; 18] = [
    less(
        ("presence to a contact, closed loop: CPU", "µs"),
        "fanout",
        &["server_cpu_us_per_delivery"],
        [Some(2.5), Some(3.0)],
        Some("fanout-cpu.svg"),
    ),
    more(
        ("the same: deliveries a second", "1/s"),
        "fanout",
        &["deliveries_per_s"],
        Some("fanout-rate.svg"),
    ),
    less(
        ("presence at a steady rate: CPU of a delivery", "µs"),
        "fanout",
        &["then", "server_cpu_us_per_delivery"],
        [Some(12.0), Some(12.0)],
        Some("steady-cpu.svg"),
    ),
    less(
        ("the same: change to the last contact, p50", "ms"),
        "fanout",
        &["then", "all_delivered_ms", "p50"],
        NO_GOAL,
        None,
    ),
    less(
        ("the same, p99", "ms"),
        "fanout",
        &["then", "all_delivered_ms", "p99"],
        NO_GOAL,
        Some("steady-p99.svg"),
    ),
    less(
        ("chat message: CPU", "µs"),
        "chat",
        &["server_cpu_us_per_message"],
        [Some(16.0), Some(18.0)],
        Some("chat-cpu.svg"),
    ),
    less(
        ("the same: p50", "ms"),
        "chat",
        &["latency_ms", "p50"],
        NO_GOAL,
        None,
    ),
    less(
        ("the same: p99", "ms"),
        "chat",
        &["latency_ms", "p99"],
        [Some(3.0), Some(3.0)],
        Some("chat-p99.svg"),
    ),
    less(
        ("login, empty roster: CPU", "ms"),
        "login",
        &["server_cpu_ms_per_login"],
        [Some(0.3), Some(0.6)],
        Some("login-cpu.svg"),
    ),
    more(
        ("the same: logins a second", "1/s"),
        "login",
        &["logins_per_s"],
        None,
    ),
    less(
        ("the same: p99", "ms"),
        "login",
        &["latency_ms", "p99"],
        NO_GOAL,
        None,
    ),
    less(
        ("idle session with contacts: memory", "KB"),
        "idle",
        &["server_kb_per_session"],
        [Some(9.0), Some(16.0)],
        Some("idle-memory.svg"),
    ),
    Figure {
        source: Source::Of(resident_kb_per_user),
        ..less(
            ("the same: resident with all online, per user", "KB"),
            "idle",
            &[],
            NO_GOAL,
            None,
        )
    },
    less(
        ("the same: kept by the kernel beside it, one end", "KB"),
        "idle",
        &["kernel_kb_per_session"],
        NO_GOAL,
        None,
    ),
    less(
        ("storm: until all have seen all", "s"),
        "storm",
        &["seconds"],
        [Some(3.0), Some(5.0)],
        Some("storm.svg"),
    ),
    less(
        ("storm: CPU", "s"),
        "storm",
        &["server_cpu_s"],
        NO_GOAL,
        Some("storm-cpu.svg"),
    ),
    less(
        ("storm: login, p99", "ms"),
        "storm",
        &["login_ms", "p99"],
        NO_GOAL,
        None,
    ),
    less(
        ("storm: memory afterwards", "MB"),
        "storm",
        &["server_rss_mb"],
        NO_GOAL,
        None,
    ),
];

/// All that the server's processes have resident when everybody is online, whatever it is for, for each user, in KB (1000
/// bytes).
fn resident_kb_per_user(measured: &Value) -> Option<f64> {
    let users = measured["held"].as_f64().filter(|users| *users > 0.0)?;
    let processes = measured["processes"].as_array()?;
    let mb = processes
        .iter()
        .map(|process| process["rss_after_mb"].as_f64());
    let all = mb.sum::<Option<f64>>()?;
    (!processes.is_empty()).then_some(all * 1000.0 / users)
}

/// The lines of one run.
pub(crate) struct Run<'a> {
    pub(crate) name: &'a str,
    pub(crate) lines: Vec<&'a Value>,
}

impl<'a> Run<'a> {
    /// The one that was measured last.
    pub(crate) fn last(lines: &'a [Value]) -> Option<Self> {
        let name = lines.last()?["run"].as_str()?;
        let of = |line: &&Value| line["run"] == name;
        Some(Self {
            name,
            lines: lines.iter().filter(of).collect(),
        })
    }

    /// What a figure was for a server.
    pub(crate) fn figure(&self, figure: &Figure, server: &str, tls: bool) -> Option<Spread> {
        let lines = self.lines.iter().filter(|line| {
            line["server"] == server && line["work"] == figure.work && line["tls"] == tls
        });
        let value = |line: &&Value| match figure.source {
            Source::At(path) => {
                let measured = &line["measured"];
                let found = path.iter().fold(measured, |found, name| &found[*name]);
                found.as_f64()
            }
            Source::Of(reckon) => reckon(&line["measured"]),
        };
        Spread::of(lines.filter_map(value).collect())
    }

    /// How often each kind of work was done, at least and at most.
    pub(crate) fn rounds(&self) -> (u64, u64) {
        let works: BTreeSet<_> = self
            .lines
            .iter()
            .map(|line| line["work"].as_str())
            .collect();
        let most_of = |work: &Option<&str>| {
            let lines = self
                .lines
                .iter()
                .filter(|line| line["work"].as_str() == *work);
            lines
                .filter_map(|line| line["round"].as_u64())
                .max()
                .unwrap_or_default()
        };
        let most: Vec<_> = works.iter().map(most_of).collect();
        let least = most.iter().min().copied().unwrap_or_default();
        (least, most.iter().max().copied().unwrap_or_default())
    }

    /// The share of the machine that other programs took, in percent: the median and the most over the lines.
    pub(crate) fn others(&self) -> Option<Spread> {
        let share = |line: &&Value| line["others_busy"].as_f64().map(|share| share * 100.0);
        Spread::of(self.lines.iter().filter_map(share).collect())
    }

    /// Work that failed: clients that were not there, presence and messages that were lost.
    pub(crate) fn failures(&self) -> Vec<String> {
        let lines = self.lines.iter();
        lines.flat_map(|line| missing::of_line(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{FIGURES, Run, resident_kb_per_user};

    fn line(run: &str, round: u64, cpu: f64) -> Value {
        json!({"run": run, "round": round, "server": "muster", "work": "fanout", "tls": false,
               "others_busy": 0.5, "measured": {"server_cpu_us_per_delivery": cpu, "then": {"lost": 3}}})
    }

    #[test]
    fn the_last_run_counts() {
        let lines = [
            line("old", 1, 8.0),
            line("new", 1, 3.0),
            line("new", 2, 2.0),
        ];
        let run = Run::last(&lines).unwrap();
        assert_eq!((run.name, run.rounds()), ("new", (2, 2)));
        let spread = run.figure(&FIGURES[0], "muster", false).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (2.0, 2.5, 3.0));
        assert!(run.figure(&FIGURES[0], "muster", true).is_none());
        assert!(run.figure(&FIGURES[1], "muster", false).is_none());
        assert_eq!(run.others().unwrap().median, 50.0);
        assert_eq!(run.failures()[0], "muster, fanout: 3 deliveries lost");
        assert!(Run::last(&lines[..0]).is_none());
    }

    #[test]
    fn what_is_resident_is_shared_out_among_all_who_are_online() {
        let process = |mb: f64| json!({"rss_before_mb": 1.0, "rss_after_mb": mb});
        let pair =
            json!({"held": 2000, "processes": [process(60.0), process(50.0), process(10.0)]});
        assert_eq!(resident_kb_per_user(&pair), Some(60.0));
        for other in [
            json!({}),
            json!({"held": 0, "processes": [process(60.0)]}),
            json!({"held": 2000, "processes": []}),
            json!({"held": 2000, "processes": [process(60.0), {}]}),
        ] {
            assert_eq!(resident_kb_per_user(&other), None, "{other}");
        }
    }
}
