//! `api-client`: programs with tokens.

use clap::Subcommand;
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum ApiClient {
    /// Lets a program in and prints its token, which is shown only now:
    /// `api-client create crm --scopes publish:app,read --domains example.com`.
    Create {
        /// 1 to 128 letters, digits, _ or -.
        name: String,
        /// read; publish, or publish:manual, publish:phone, publish:calendar, publish:app.
        #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<String>,
        /// The hosted domains of whose users it may speak.
        #[arg(long, required = true, value_name = "DOMAIN", value_delimiter = ',')]
        domains: Vec<String>,
        /// Requests a second that each node takes from it, at most 2000; five times as many at once.
        #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
        rate: u32,
        /// How long the token is good, such as 90d; without it until it is removed.
        #[arg(long, value_name = "TIME", value_parser = muster_admin::parse_duration)]
        lifetime: Option<Duration>,
    },
    /// Prints another token for a program; the one it had is refused at once, and its event streams end.
    Rotate {
        /// Its name.
        name: String,
    },
    /// Refuses a program at once, and ends its event streams.
    Remove {
        /// Its name.
        name: String,
    },
    /// Lists all programs, without their tokens.
    List,
}
