//! `presence`: what is said about users, and the rules.

use clap::Subcommand;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum Presence {
    /// Says something about a user, in place of what the source said before:
    /// `presence set alice@example.com phone/desk off-hook --for 1h`.
    Set {
        /// The address, as alice@example.com.
        jid: String,
        /// manual, phone/NAME, calendar/NAME or app/NAME.
        source: String,
        /// What it says: of a phone on-hook, off-hook, ringing or dnd; of a calendar free, tentative, busy,
        /// out-of-office or working-elsewhere; else a state of the rules.
        state: String,
        /// What watchers read with it.
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// STATE is a word of another system: xmpp, pidf, lync, lync-partitioned, lync-interdomain, openscape
        /// or teams, some with a variant behind a slash.
        #[arg(
            long,
            value_name = "SYSTEM",
            default_value = "",
            hide_default_value = true
        )]
        words_of: String,
        /// For how long, such as 30m or 2h. Only a manual choice may go without: it lasts until the user's
        /// last client has signed out.
        #[arg(long = "for", value_name = "TIME", value_parser = muster_admin::parse_duration)]
        lasts: Option<Duration>,
    },
    /// A source says nothing any more about a user.
    Clear {
        /// The address.
        jid: String,
        /// manual, phone/NAME, calendar/NAME or app/NAME.
        source: String,
    },
    /// The rules of what wins.
    #[command(subcommand)]
    Rules(PresenceRules),
}

#[derive(Subcommand)]
pub(crate) enum PresenceRules {
    /// Prints the table in force, as `set` takes it.
    Show,
    /// Checks a table and puts it in force on all nodes.
    Set {
        /// The file, TOML; `-` is standard input.
        file: PathBuf,
    },
    /// Puts the shipped table in force again.
    Reset,
}
