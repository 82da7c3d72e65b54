//! Who the node is: its certificate and key, the cluster's CA, and, on serving nodes, the CA's key
//! under seal. All in the data folder.

use anyhow::{Context, bail};
use muster_link::{ClusterCa, Identity, seal, unseal};
use muster_store::DataFolder;
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
    if !dir.join(CA_KEY).exists() {
        bail!("this node is a witness and holds no CA key: ask a serving node");
    }
    check_private(&dir.join(SEAL))?;
    let secret = fs::read(dir.join(SEAL)).with_context(|| format!("{SEAL} in the data folder"))?;
    let secret = secret
        .try_into()
        .ok()
        .with_context(|| format!("{SEAL} is damaged"))?;
    let sealed = fs::read(dir.join(CA_KEY))?;
    let cluster = DataFolder::peek(dir)?
        .map(|identity| identity.cluster)
        .context("the data folder belongs to no cluster")?;
    let key = unseal(&sealed, &secret, &cluster)?;
    String::from_utf8(key).context("the CA key is damaged")
}

fn read(dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = dir.join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn read_secret(dir: &Path, name: &str) -> anyhow::Result<String> {
    check_private(&dir.join(name))?;
    read(dir, name)
}

fn check_private(path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)
        .with_context(|| path.display().to_string())?
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
