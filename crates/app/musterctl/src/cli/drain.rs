//! `node drain`.

use clap::Args;

/// What to drain, and how.
#[derive(Args)]
pub(crate) struct Drain {
    /// The node, which has to be among those asked.
    pub(crate) node: String,
    /// How many clients a second are sent away.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Sends nobody away for now.
    #[arg(long, conflicts_with_all = ["resume", "abort", "rate"])]
    pub(crate) pause: bool,
    /// Goes on after a pause.
    #[arg(long, conflicts_with_all = ["abort", "rate"])]
    pub(crate) resume: bool,
    /// Takes clients again, and brings the users home.
    #[arg(long, conflicts_with = "rate")]
    pub(crate) abort: bool,
}
