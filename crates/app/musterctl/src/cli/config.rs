//! `config`.

use clap::Subcommand;

/// The configuration files of the nodes asked.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Shows what the configuration files say otherwise than what is in force, then brings it into force: on all nodes
    /// asked, or on none. Name every node with --address.
    Apply {
        /// Shows the difference only.
        #[arg(long)]
        dry_run: bool,
        /// Does not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
