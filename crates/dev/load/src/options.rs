//! Options that every command has.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::client::Auth;
use crate::duration;

/// Where to connect, as whom, and how fast.
#[derive(clap::Args, Debug)]
pub(crate) struct Common {
    /// Address of the server; several are tried in this order
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',', value_parser = address,
          help_heading = "Server")]
    pub(crate) server: Vec<SocketAddr>,
    /// Let client n begin with address n modulo their number, instead of all with the first
    #[arg(long, help_heading = "Server")]
    pub(crate) spread: bool,
    /// How the connection is protected
    #[arg(long, value_enum, default_value = "starttls", help_heading = "Server")]
    pub(crate) tls: TlsKind,
    /// Certificate authorities to trust (PEM); needed with TLS
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) ca: Option<PathBuf>,
    /// SASL mechanism
    #[arg(long, value_enum, default_value = "best", help_heading = "Server")]
    pub(crate) auth: Auth,
    /// Local address to connect from; with several, clients take them in turn (each has about 28,000 ports)
    #[arg(
        long,
        value_name = "IP",
        value_delimiter = ',',
        help_heading = "Server"
    )]
    pub(crate) source: Vec<IpAddr>,

    /// Users, as a pattern like `user{1..1000}@example.com`
    #[arg(
        long,
        value_name = "PATTERN",
        required_unless_present = "users_csv",
        conflicts_with = "users_csv",
        help_heading = "Users"
    )]
    pub(crate) users: Option<String>,
    /// Password of all users of the pattern
    #[arg(long, required_unless_present_any = ["users_csv", "password_file"], help_heading = "Users")]
    pub(crate) password: Option<String>,
    /// File with the password of all users of the pattern
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "password",
        help_heading = "Users"
    )]
    pub(crate) password_file: Option<PathBuf>,
    /// Users, as a CSV file with the columns jid and password
    #[arg(long, value_name = "FILE", help_heading = "Users")]
    pub(crate) users_csv: Option<PathBuf>,
    /// Take only this many users
    #[arg(long, value_name = "N", help_heading = "Users")]
    pub(crate) count: Option<usize>,
    /// Resource to bind
    #[arg(long, default_value = "load", help_heading = "Users")]
    pub(crate) resource: String,

    /// Logins per second; without it as fast as --concurrency lets
    #[arg(long, value_name = "R", value_parser = rate, help_heading = "Pace")]
    pub(crate) login_rate: Option<f64>,
    /// Logins under way at once [default: all for `login`, else 64]
    #[arg(long, value_name = "N", help_heading = "Pace")]
    pub(crate) concurrency: Option<usize>,
    /// Longest wait for one login, and for one delivery
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse, help_heading = "Pace")]
    pub(crate) timeout: Duration,
    /// Threads that drive the clients
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Pace")]
    pub(crate) threads: usize,

    /// Print JSON instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// The server's processes, for figures of memory and CPU time.
#[derive(clap::Args, Debug)]
pub(crate) struct ServerPids {
    /// Process of the server, on this machine; several are added up
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        help_heading = "Server"
    )]
    pub(crate) pid: Vec<u32>,
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum TlsKind {
    /// Plain text, for measuring only
    Off,
    /// STARTTLS
    Starttls,
    /// TLS from the first byte
    Direct,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found
        .next()
        .ok_or_else(|| "no address of this name".to_owned())
}

/// Reads a rate per second: positive and finite.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if rate.is_finite() && (0.001..=1e6).contains(&rate) {
        Ok(rate)
    } else {
        Err("expected 0.001 to 1000000".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, read) in [
            ("1", Some(1.0)),
            ("0.5", Some(0.5)),
            ("0", None),
            ("-1", None),
            ("inf", None),
            ("x", None),
        ] {
            assert_eq!(rate(text).ok(), read, "{text}");
        }
    }
}
