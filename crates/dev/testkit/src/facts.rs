//! `quickstart.json`: what a quickstart tells about itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The whole file. An unknown key is an error: what the file holds is a promise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The domain that is served.
    pub domain: String,
    /// The certificate authority that clients have to trust.
    pub ca_file: PathBuf,
    /// The accounts that were made.
    pub users: Vec<UserFacts>,
    /// The nodes, serving ones first.
    pub nodes: Vec<NodeFacts>,
    /// The words that every `musterctl` command begins with.
    pub musterctl: Vec<String>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFacts {
    /// Its bare JID.
    pub jid: String,
    /// Its password.
    pub password: String,
}

/// One node. Addresses are `host:port`; a witness has none for clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFacts {
    /// Its name, `a`, `b` or `w`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its process.
    pub pid: u32,
    /// What starts it again.
    pub argv: Vec<String>,
    /// For clients, STARTTLS.
    #[serde(default)]
    pub c2s: Option<String>,
    /// For clients, TLS from the first byte.
    #[serde(default)]
    pub c2s_tls: Option<String>,
    /// For programs: the URL of the presence API, without a path.
    #[serde(default)]
    pub api: Option<String>,
    /// For other nodes.
    pub link: String,
    /// For `musterctl`.
    pub admin: String,
    /// For probes and metrics.
    pub http: String,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has users.
    Serving,
    /// Votes.
    Witness,
}

impl Facts {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails when it is not there or not as promised.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not as promised", path.display()))
    }
}
