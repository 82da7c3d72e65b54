//! Who the node is: its certificate and key, the cluster's CA, and, on serving nodes, the CA's key
//! under seal. All in the data folder.

use anyhow::{Context, anyhow, bail};
use muster_link::{ClusterCa, Identity, seal, unseal};
use muster_store::{DataFolder, REPLACE};
use muster_types::NodeId;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node.key";
const CA_KEY: &str = "ca.key.sealed";
const SEAL: &str = "seal.secret";

/// What a node proves itself with.
pub(crate) struct Pki {
    pub(crate) identity: Identity,
}

/// What is written when a node enters a cluster.
pub(crate) struct NewPki<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) ca: &'a str,
    pub(crate) certificate: &'a str,
    pub(crate) key: &'a str,
    /// Serving nodes only.
    pub(crate) ca_key: Option<&'a str>,
}

impl Pki {
    /// Reads it back. Secrets that others can read are refused.
    pub(crate) fn load(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            identity: Identity {
                certificate: read(dir, CERTIFICATE)?,
                key: read_secret(dir, KEY)?,
                ca: read(dir, CA)?,
            },
        })
    }

    /// Refuses what does not prove that this is `node` of `cluster`.
    pub(crate) fn check(&self, dir: &Path, node: NodeId, cluster: &str) -> anyhow::Result<()> {
        self.identity.check(node, cluster).map_err(|error| {
            anyhow!(
                "{CERTIFICATE}, {KEY} and {CA} in {} are not those of {node} of cluster {cluster}, \
                 whose folder it is by node.toml: {:#}; put back those that belong to it, or {REPLACE}",
                dir.display(),
                anyhow::Error::new(error)
            )
        })
    }

    /// Writes it, before the folder is given its identity.
    pub(crate) fn write(folder: &DataFolder, new: &NewPki<'_>) -> anyhow::Result<()> {
        folder.write_secret(CA, new.ca.as_bytes())?;
        folder.write_secret(CERTIFICATE, new.certificate.as_bytes())?;
        folder.write_secret(KEY, new.key.as_bytes())?;
        if let Some(ca_key) = new.ca_key {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).context("no randomness from the system")?;
            folder.write_secret(SEAL, &secret)?;
            folder.write_secret(CA_KEY, &seal(ca_key.as_bytes(), &secret, new.cluster)?)?;
        }
        Ok(())
    }

    /// The cluster's CA, with its key: serving nodes only.
    pub(crate) fn authority(&self, dir: &Path) -> anyhow::Result<ClusterCa> {
        Ok(ClusterCa::load(&self.identity.ca, &ca_key(dir)?)?)
    }
}

/// The CA's private key in PEM.
pub(crate) fn ca_key(dir: &Path) -> anyhow::Result<String> {
    let (key_file, seal_file) = (dir.join(CA_KEY), dir.join(SEAL));
    if !key_file.exists() {
        bail!(
            "{} is not there: a witness has none, ask a serving node; on a serving node put it back, or \
             {REPLACE}",
            key_file.display()
        );
    }
    check_private(&seal_file)?;
    let secret = fs::read(&seal_file).map_err(|error| unusable(&seal_file, &error))?;
    let secret = secret
        .try_into()
        .map_err(|_| unusable(&seal_file, &"not 32 bytes"))?;
    let sealed = fs::read(&key_file).map_err(|error| unusable(&key_file, &error))?;
    let cluster = DataFolder::peek(dir)?
        .map(|identity| identity.cluster)
        .context("the data folder belongs to no cluster")?;
    let key = unseal(&sealed, &secret, &cluster).map_err(|error| unusable(&key_file, &error))?;
    String::from_utf8(key).map_err(|error| unusable(&key_file, &error))
}

fn unusable(path: &Path, why: &dyn fmt::Display) -> anyhow::Error {
    let path = path.display();
    anyhow!("{path}: {why}; put the file back, or {REPLACE}")
}

fn read(dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = dir.join(name);
    fs::read_to_string(&path).map_err(|error| unusable(&path, &error))
}

fn read_secret(dir: &Path, name: &str) -> anyhow::Result<String> {
    check_private(&dir.join(name))?;
    read(dir, name)
}

fn check_private(path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)
        .map_err(|error| unusable(path, &error))?
        .mode();
    if mode & 0o077 != 0 {
        bail!(
            "{0} can be read by others (mode {1:o}); run: chmod 600 {0}",
            path.display(),
            mode & 0o777
        );
    }
    Ok(())
}
