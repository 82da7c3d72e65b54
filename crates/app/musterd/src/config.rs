//! The configuration file of a node: plain data, checked once, before anything is opened.

mod changes;
mod check;
mod in_force;
mod profile;
mod services;

pub(crate) use changes::{Change, between};
pub(crate) use in_force::InForce;
pub(crate) use services::{ServiceConfig, ServicesConfig};

use muster_raft::Timing;
use muster_types::{Limits, Shards};
use profile::Profile;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A node's configuration. Every field but `name` and `data_dir` has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The node's name, unique in the cluster: letters, digits, `_` and `-`. Used when the node
    /// enters a cluster. Needs a restart.
    pub(crate) name: String,
    /// What the node is for: `serving` or `witness`. It stays what it was when it entered its cluster. Needs a restart.
    #[serde(default)]
    pub(crate) role: Role,
    /// Where the node keeps everything. Made with mode 0700. Needs a restart.
    pub(crate) data_dir: PathBuf,
    /// Node-to-node links.
    #[serde(default)]
    pub(crate) link: Link,
    /// Client listeners. A witness opens none.
    #[serde(default)]
    pub(crate) c2s: C2s,
    /// The admin service.
    #[serde(default)]
    pub(crate) admin: Admin,
    /// Health and metrics.
    #[serde(default)]
    pub(crate) http: Http,
    /// The presence API for programs.
    #[serde(default)]
    pub(crate) api: Api,
    /// Raft and leases. The same on all nodes.
    #[serde(default)]
    pub(crate) timing: TimingConfig,
    /// What the node does its work with, and what becomes of its users without.
    #[serde(default)]
    pub(crate) services: ServicesConfig,
    /// What users and clients may make the server hold.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// It hosts users.
    #[default]
    Serving,
    /// It votes and keeps a copy of the data.
    Witness,
}

/// Node-to-node links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Link {
    /// Where other nodes connect. Default `[::]:7400`, which is every address, IPv4 and IPv6.
    /// Needs a restart.
    pub(crate) listen: SocketAddr,
    /// The address other nodes use, `host:port`. Default: `listen`, which must then be a real
    /// address. Needs a restart.
    pub(crate) advertise: Option<String>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0u16; 8], 7400)),
            advertise: None,
        }
    }
}

/// Client listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct C2s {
    /// STARTTLS listeners (RFC 6120). Default `0.0.0.0:5222` and `[::]:5222`. Needs a restart.
    pub(crate) listen: Vec<SocketAddr>,
    /// Direct TLS listeners (XEP-0368). Default `0.0.0.0:5223` and `[::]:5223`. Needs a restart.
    pub(crate) listen_tls: Vec<SocketAddr>,
    /// Listeners without TLS, for measuring: loopback addresses only. Default none. Needs a restart.
    pub(crate) listen_plaintext: Vec<SocketAddr>,
    /// What DNS says for `listen`, `host:port`. Default: `listen`. Needs a restart.
    pub(crate) advertise: Vec<String>,
    /// What DNS says for `listen_tls`, `host:port`. Default: `listen_tls`. Needs a restart.
    pub(crate) advertise_tls: Vec<String>,
    /// What becomes of a client whose user another node serves. Default `serve`.
    pub(crate) misplaced: Misplaced,
    /// A certificate for each hosted domain.
    pub(crate) certificate: Vec<Certificate>,
    /// The most clients at a time, at most 1,000,000. Default 19,000. With fewer than there are nobody is sent away.
    pub(crate) clients_max: usize,
    /// Over how many tasks users with clients here are spread, from 1 to 16. More than half of the processors help
    /// little: the other half writes to sockets. Default: that half, at least 1 and at most 16. Needs a restart.
    pub(crate) router_shards: Option<u16>,
}

impl Default for C2s {
    fn default() -> Self {
        let both = |port| {
            vec![
                SocketAddr::from(([0, 0, 0, 0], port)),
                SocketAddr::from(([0u16; 8], port)),
            ]
        };
        Self {
            listen: both(5222),
            listen_tls: both(5223),
            listen_plaintext: Vec::new(),
            advertise: Vec::new(),
            advertise_tls: Vec::new(),
            misplaced: Misplaced::default(),
            certificate: Vec::new(),
            clients_max: 19_000,
            router_shards: None,
        }
    }
}

/// What becomes of a client that logs in on another node than the one that serves its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Misplaced {
    /// It stays: what its user gets comes over the link between the nodes.
    #[default]
    Serve,
    /// It is sent to the first address that the user's node advertises, by `see-other-host`
    /// (RFC 6120 §4.9.3.19). Some clients give up on it.
    SeeOtherHost,
}

/// A domain's certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// The domain.
    pub(crate) domain: String,
    /// The chain, PEM, leaf first.
    pub(crate) chain: PathBuf,
    /// The private key, PEM, readable by its owner only.
    pub(crate) key: PathBuf,
}

/// The admin service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    /// gRPC with mutual TLS, for `musterctl` from elsewhere. Default none. Needs a restart.
    pub(crate) listen: Option<SocketAddr>,
    /// The address others use, `host:port`. Default: `listen`. Needs a restart.
    pub(crate) advertise: Option<String>,
    /// The unix socket for `musterctl` on this host. Default `<data_dir>/admin.sock`. Needs a restart.
    pub(crate) socket: Option<PathBuf>,
}

/// Health and metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// `/livez`, `/readyz`, `/metrics`, without authentication. Default `127.0.0.1:7402`. Needs a restart.
    pub(crate) listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7402)),
        }
    }
}

/// The presence API for programs. A witness has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// REST and server-sent events over HTTPS, with the certificates of `c2s.certificate`. Default none; the
    /// usual port is 7443. Needs a restart.
    pub(crate) listen: Vec<SocketAddr>,
}

/// Raft and leases, in milliseconds. What is not set is as the profile says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimingConfig {
    /// `lan` (up to 20 ms there and back between nodes) or `wan` (up to 200 ms). Default `lan`. Needs a
    /// restart.
    pub(crate) profile: Profile,
    /// Between two beats of a leader. 50, in `wan` 100. Needs a restart.
    pub(crate) beat_ms: Option<u64>,
    /// The shortest election timeout. 200, in `wan` 900. Needs a restart.
    pub(crate) election_min_ms: Option<u64>,
    /// The longest election timeout. 400, in `wan` 1300. Needs a restart.
    pub(crate) election_max_ms: Option<u64>,
}

impl TimingConfig {
    /// The timing of all groups.
    pub(crate) fn timing(&self) -> Timing {
        let usual = self.profile.timing();
        let set = |ms: Option<u64>, otherwise| ms.map_or(otherwise, Duration::from_millis);
        Timing {
            beat: set(self.beat_ms, usual.beat),
            election_min: set(self.election_min_ms, usual.election_min),
            election_max: set(self.election_max_ms, usual.election_max),
            ..usual
        }
    }
}

/// What users and clients may make the server hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Bytes of one stanza. Default 262,144, at least 10,000 (RFC 6120 §13.12).
    pub(crate) stanza_bytes: usize,
    /// Sessions of one user at a time. Default 20.
    pub(crate) sessions_per_user: usize,
    /// How long a lost client is expected back, in seconds, at most a day. Default 60.
    pub(crate) grace_seconds: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            stanza_bytes: limits.stanza_bytes,
            sessions_per_user: limits.sessions_per_user,
            grace_seconds: limits.grace.as_secs(),
        }
    }
}

impl LimitsConfig {
    /// All bounds.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            stanza_bytes: self.stanza_bytes,
            sessions_per_user: self.sessions_per_user,
            grace: Duration::from_secs(self.grace_seconds),
            ..Limits::default()
        }
    }
}

/// Why a configuration was refused. Every text names the option.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {cause}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        cause: toml::de::Error,
    },
    /// Options that do not fit together, or a value that cannot be.
    #[error("{path}: {problem}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The options and what to do.
        problem: String,
    },
}

impl Config {
    /// Reads and checks `path`. Relative paths in it are taken from the file's folder.
    ///
    /// # Errors
    /// [`ConfigError`], with the place in the file or the option.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path).map_err(|cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|cause| ConfigError::Syntax {
            path: path.to_owned(),
            cause,
        })?;
        config.resolve(path.parent().unwrap_or_else(|| Path::new(".")));
        check::witness(&text, config.role)
            .and_then(|()| config.check())
            .map_err(|problem| ConfigError::Contradiction {
                path: path.to_owned(),
                problem,
            })?;
        Ok(config)
    }

    fn resolve(&mut self, base: &Path) {
        let certificates = self
            .c2s
            .certificate
            .iter_mut()
            .flat_map(|c| [&mut c.chain, &mut c.key]);
        for path in certificates
            .chain([&mut self.data_dir])
            .chain(&mut self.admin.socket)
        {
            *path = base.join(&*path);
        }
    }

    /// The unix socket of the admin service.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.admin
            .socket
            .clone()
            .unwrap_or_else(|| self.data_dir.join("admin.sock"))
    }

    /// The addresses other nodes and DNS get.
    pub(crate) fn addresses(&self) -> muster_cluster::Addresses {
        let or_listen = |advertised: &[String], listen: &[SocketAddr]| {
            if advertised.is_empty() {
                listen.iter().map(ToString::to_string).collect()
            } else {
                advertised.to_vec()
            }
        };
        let admin = self.admin.advertise.clone();
        let witness = self.role == Role::Witness;
        let clients = |addresses| if witness { Vec::new() } else { addresses };
        muster_cluster::Addresses {
            link: self
                .link
                .advertise
                .clone()
                .unwrap_or_else(|| self.link.listen.to_string()),
            admin: admin
                .or_else(|| self.admin.listen.map(|a| a.to_string()))
                .unwrap_or_default(),
            c2s: clients(or_listen(&self.c2s.advertise, &self.c2s.listen)),
            c2s_tls: clients(or_listen(&self.c2s.advertise_tls, &self.c2s.listen_tls)),
        }
    }

    /// Over how many shards the session side is spread. That of a witness is idle.
    pub(crate) fn shards(&self) -> Shards {
        if self.role == Role::Witness {
            return Shards::ONE;
        }
        // What is set was checked.
        let set = self.c2s.router_shards.and_then(Shards::new);
        set.unwrap_or_else(default_shards)
    }

    /// The role in the cluster.
    pub(crate) fn cluster_role(&self) -> muster_cluster::Role {
        match self.role {
            Role::Serving => muster_cluster::Role::Serving,
            Role::Witness => muster_cluster::Role::Witness,
        }
    }
}

/// The text of a file that is no larger than a configuration may be.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let words = format!("larger than {FILE_BYTES_MAX} bytes: this is no configuration");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
    }
    Ok(text)
}

/// How many shards there are if nobody says otherwise: one for two processors, as the other has enough to do with
/// what the shard hands out.
fn default_shards() -> Shards {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let count = u16::try_from((processors / 2).max(1)).unwrap_or(Shards::MAX);
    Shards::new(count.min(Shards::MAX)).unwrap_or(Shards::ONE)
}

#[cfg(test)]
#[path = "config_test.rs"]
mod config_test;
