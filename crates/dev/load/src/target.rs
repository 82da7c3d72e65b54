//! The server under load and the accounts on it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::client::{
    Auth, Connectors, Credentials, KeyCache, Login, Protection, Session, SessionError, negotiate,
    register,
};
use crate::options::{Common, TlsKind};
use crate::users::{self, User};

/// Files this process needs besides its connections.
const OTHER_FILES: u64 = 32;

/// Where all clients log in.
pub(crate) struct Target {
    pub(crate) users: Vec<User>,
    /// The longest wait for one login or one delivery.
    pub(crate) timeout: Duration,
    keys: Vec<KeyCache>,
    servers: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    spread: bool,
    tls: Protection,
    auth: Auth,
    resource: String,
    stretching: Semaphore,
}

/// How long one address may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For the first answer to a new connection: a process that is stopped accepts connections but says nothing.
    pub(crate) first_answer: Duration,
    /// For the whole login.
    pub(crate) login: Duration,
}

impl From<Duration> for Patience {
    fn from(login: Duration) -> Self {
        Self {
            first_answer: login,
            login,
        }
    }
}

impl Target {
    /// Reads users and certificates and checks that the process may open as many connections.
    ///
    /// # Errors
    /// With the option to change.
    pub(crate) fn new(options: &Common) -> Result<Self> {
        let users = read_users(options)?;
        check_files(&fs::read_to_string("/proc/self/limits")?, users.len())?;
        let tls = match (options.tls, &options.ca) {
            (TlsKind::Off, _) => Protection::Off,
            (_, None) => bail!("--ca is needed with TLS (or --tls off)"),
            (TlsKind::Starttls, Some(ca)) => Protection::StartTls(connectors(ca)?),
            (TlsKind::Direct, Some(ca)) => Protection::Direct(connectors(ca)?),
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            keys: users.iter().map(|_| KeyCache::default()).collect(),
            users,
            timeout: options.timeout,
            servers: options.server.clone(),
            sources: options.source.clone(),
            spread: options.spread,
            tls,
            auth: options.auth,
            resource: options.resource.clone(),
            stretching: Semaphore::new(cores),
        })
    }

    /// Logs user `number` in, trying the addresses in order, each within `patience`.
    ///
    /// # Errors
    /// What the last address said; a refusal of the credentials ends the search.
    pub(crate) async fn log_in(
        &self,
        number: usize,
        patience: Patience,
    ) -> Result<Session, SessionError> {
        let mut last = SessionError::Closed;
        for to in self.addresses(number) {
            let attempt = negotiate(self.login(number, to, patience.first_answer));
            last = match timeout(patience.login, attempt).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) if error.is_final() => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => SessionError::Timeout(patience.login),
            };
        }
        Err(last)
    }

    /// Makes the account of user `number`; answers false when it is there already.
    ///
    /// # Errors
    /// What the first address said.
    pub(crate) async fn register(&self, number: usize) -> Result<bool, SessionError> {
        let Some(to) = self.addresses(number).next() else {
            return Err(SessionError::Closed);
        };
        timeout(self.timeout, register(self.login(number, to, self.timeout)))
            .await
            .map_err(|_| SessionError::Timeout(self.timeout))?
    }

    fn login(&self, number: usize, to: SocketAddr, first_answer: Duration) -> Login<'_> {
        Login {
            credentials: Credentials {
                user: &self.users[number],
                keys: &self.keys[number],
                auth: self.auth,
                stretching: &self.stretching,
            },
            resource: &self.resource,
            tls: &self.tls,
            to,
            from: self.source(number, to),
            first_answer,
        }
    }

    /// The addresses for this client, in the order to try.
    fn addresses(&self, number: usize) -> impl Iterator<Item = SocketAddr> + '_ {
        let count = self.servers.len();
        let first = if self.spread { number % count } else { 0 };
        (0..count).map(move |n| self.servers[(first + n) % count])
    }

    fn source(&self, number: usize, to: SocketAddr) -> Option<IpAddr> {
        let fitting = || {
            self.sources
                .iter()
                .filter(|ip| ip.is_ipv4() == to.is_ipv4())
        };
        let count = fitting().count();
        fitting().nth(number.checked_rem(count)?).copied()
    }
}

fn read_users(options: &Common) -> Result<Vec<User>> {
    let mut users = match (&options.users_csv, &options.users) {
        (Some(path), _) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            users::from_csv(&text).with_context(|| path.display().to_string())?
        }
        (None, Some(pattern)) => users::from_pattern(pattern, &read_password(options)?)?,
        (None, None) => bail!("--users or --users-csv is needed"),
    };
    if let Some(count) = options.count {
        if count == 0 || count > users.len() {
            bail!("--count {count}: there are {} users", users.len());
        }
        users.truncate(count);
    }
    Ok(users)
}

fn read_password(options: &Common) -> Result<String> {
    match (&options.password, &options.password_file) {
        (Some(password), _) => Ok(password.clone()),
        (None, Some(path)) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => bail!("--password is needed"),
    }
}

fn connectors(ca: &std::path::Path) -> Result<Connectors> {
    let mut roots = RootCertStore::empty();
    let context = || format!("reading certificates of {}", ca.display());
    for certificate in CertificateDer::pem_file_iter(ca).with_context(context)? {
        roots
            .add(certificate.with_context(context)?)
            .with_context(context)?;
    }
    if roots.is_empty() {
        bail!("{} holds no certificate", ca.display());
    }
    Ok(Connectors::new(roots))
}

/// Refuses to begin what would end with `too many open files`.
fn check_files(limits: &str, connections: usize) -> Result<()> {
    let needed = connections as u64 + OTHER_FILES;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let allowed: Option<u64> = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|soft| soft.parse().ok());
    match allowed {
        Some(allowed) if allowed < needed => {
            bail!(
                "{connections} connections need {needed} open files, but only {allowed} are allowed: ulimit -n {needed}"
            )
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_counted_beforehand() {
        let limits = "Limit       Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        for (text, connections, fits) in [
            (limits, 992, true),
            (limits, 993, false),
            (
                "Max open files  unlimited  unlimited  files",
                1_000_000,
                true,
            ),
            ("", 1_000_000, true),
        ] {
            assert_eq!(
                check_files(text, connections).is_ok(),
                fits,
                "{connections}"
            );
        }
    }
}
