//! The curve of election timeout against false failovers, and what each timeout costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use crate::picture::{Picture, Series};
use crate::workspace::Workspace;
use crate::{deployed, results};

/// One line of JSON for each timeout and run.
const RESULTS: &str = "benches/results/elections.jsonl";
/// The longest election timeouts, in milliseconds.
const TIMEOUTS: [u64; 6] = [150, 200, 300, 400, 600, 800];
const KILLS: u64 = 6;

/// Watches each timeout for so many seconds. It holds when nothing was lost.
pub(crate) fn prove(workspace: &Workspace, seconds: u64) -> Result<bool> {
    let words = [seconds, KILLS].into_iter().chain(TIMEOUTS);
    let words: Vec<_> = words.map(|word| word.to_string()).collect();
    let lines = deployed::measure(workspace, "bench-elections", &words)?;
    results::append(workspace, RESULTS, &lines)?;
    let lost = |line: &String| Ok(serde_json::from_str::<Value>(line)?["lost"] != 0);
    let lost: Result<Vec<bool>> = lines.iter().map(lost).collect();
    Ok(lost?.iter().all(|lost| !lost))
}

/// All runs with one timeout.
#[derive(Default)]
struct Sum {
    seconds: u64,
    leases_lost: u64,
    failovers: u64,
    lost: u64,
    takeovers: Vec<u64>,
}

impl Sum {
    fn per_hour(&self, count: u64) -> u64 {
        count * 3600 / self.seconds.max(1)
    }

    fn takeover(&self, percent: usize) -> u64 {
        results::percentile(&mut self.takeovers.clone(), percent).unwrap_or_default()
    }
}

fn sums(lines: &[Value]) -> BTreeMap<u64, Sum> {
    let mut sums: BTreeMap<u64, Sum> = BTreeMap::new();
    for line in lines {
        let count = |name: &str| line[name].as_u64().unwrap_or_default();
        let sum = sums.entry(count("election_max_ms")).or_default();
        sum.seconds += count("seconds");
        sum.leases_lost += count("leases_lost");
        sum.failovers += count("failovers");
        sum.lost += count("lost");
        let times = line["takeover_ms"].as_array().into_iter().flatten();
        sum.takeovers.extend(times.filter_map(Value::as_u64));
    }
    sums
}

/// The table for the page.
pub(crate) fn summary(workspace: &Workspace) -> Result<String> {
    Ok(table(&sums(&results::read(workspace, RESULTS)?)))
}

fn table(sums: &BTreeMap<u64, Sum>) -> String {
    let mut text = "| election timeout, ms | watched, s | leases lost | a hour | false failovers | kills | \
                    served by the peer, ms | writes lost |\n|---:|---:|---:|---:|---:|---:|---|---:|\n"
        .to_owned();
    for (timeout, sum) in sums {
        // Writing to a text does not fail.
        writeln!(
            text,
            "| {} to {timeout} | {} | {} | {} | {} | {} | p50 {}, max {} | {} |",
            timeout / 2,
            sum.seconds,
            sum.leases_lost,
            sum.per_hour(sum.leases_lost),
            sum.failovers,
            sum.takeovers.len(),
            sum.takeover(50),
            sum.takeover(100),
            sum.lost,
        )
        .ok();
    }
    text
}

/// The pictures for the page, by their names.
pub(crate) fn pictures(workspace: &Workspace) -> Result<Vec<(&'static str, String)>> {
    let sums = sums(&results::read(workspace, RESULTS)?);
    let series = |name, of: &dyn Fn(&Sum) -> u64| Series {
        name,
        points: sums
            .iter()
            .map(|(timeout, sum)| (*timeout, of(sum)))
            .collect(),
    };
    let lapses = Picture {
        title: "Leases lost while all cores are busy",
        across: "longest election timeout, ms",
        up: "a hour",
        series: vec![series("leases lost", &|sum| sum.per_hour(sum.leases_lost))],
    };
    let takeovers = Picture {
        title: "A killed node's users are served by the peer",
        across: "longest election timeout, ms",
        up: "ms",
        series: vec![
            series("median", &|sum| sum.takeover(50)),
            series("worst", &|sum| sum.takeover(100)),
        ],
    };
    Ok(vec![
        ("elections-lost.svg", lapses.draw()),
        ("elections-takeover.svg", takeovers.draw()),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{sums, table};

    #[test]
    fn runs_with_one_timeout_are_added_up() {
        let line = |timeout: u64, lapses: u64, times: &[u64]| {
            json!({"election_max_ms": timeout, "seconds": 60, "leases_lost": lapses, "failovers": 0, "lost": 0,
                   "takeover_ms": times})
        };
        let text = table(&sums(&[
            line(400, 0, &[700]),
            line(200, 2, &[500, 600]),
            line(200, 1, &[550]),
        ]));
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| 100 to 200 | 120 | 3 | 90 | 0 | 3 | p50 550, max 600 | 0 |",
                "| 200 to 400 | 60 | 0 | 0 | 0 | 1 | p50 700, max 700 | 0 |",
            ]
        );
    }
}
