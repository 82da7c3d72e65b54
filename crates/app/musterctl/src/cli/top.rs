//! The command line of `top`.

use clap::Args;
use std::time::Duration;

/// The shortest and the longest time between two looks.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Top {
    /// How often the nodes are asked, 200ms to 1m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = muster_admin::parse_duration(text)?;
    if INTERVALS.contains(&interval) {
        Ok(interval)
    } else {
        Err("give a time between 200ms and 1m".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_are_asked_neither_without_a_pause_nor_hardly_ever() {
        for (text, good) in [
            ("200ms", true),
            ("1s", true),
            ("1m", true),
            ("100ms", false),
            ("0s", false),
            ("2m", false),
            ("often", false),
        ] {
            assert_eq!(interval(text).is_ok(), good, "{text}");
        }
    }
}
