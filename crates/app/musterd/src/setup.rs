//! How a node enters a cluster: as its first, or by a token.

use crate::config::{Config, Role};
use crate::identity::{NewPki, Pki};
use crate::version;
use anyhow::{Context, bail};
use muster_link::{ClusterCa, JoinRequest, JoinToken, NodeKey, Role as LinkRole};
use muster_store::{DataFolder, FORMAT, FolderIdentity, REPLACE};
use muster_types::{DomainPart, NodeId};
use std::collections::BTreeMap;

const FOUNDING: &str = "founding.json";
const PEERS: &str = "peers.json";

/// Makes a cluster of which this node is the first, hosting `domains`. Until [`founded`] a start
/// goes on where this one ended.
pub(crate) fn found(folder: &mut DataFolder, domains: &[DomainPart]) -> anyhow::Result<()> {
    refuse_full(folder)?;
    let cluster = new_cluster_id()?;
    let ca = ClusterCa::generate(&cluster)?;
    let key = NodeKey::generate()?;
    let certificate = ca.issue_node(FIRST, &key.csr()?)?;
    Pki::write(
        folder,
        &NewPki {
            cluster: &cluster,
            ca: ca.certificate_pem(),
            certificate: &certificate,
            key: &key.pem(),
            ca_key: Some(&ca.key_pem()),
        },
    )?;
    let names: Vec<_> = domains.iter().map(ToString::to_string).collect();
    folder.write_secret(FOUNDING, &serde_json::to_vec(&names)?)?;
    settle(folder, &cluster, FIRST)
}

/// The domains of a cluster whose founding was begun and is not complete.
pub(crate) fn founding(folder: &DataFolder) -> anyhow::Result<Option<Vec<String>>> {
    let path = folder.file(FOUNDING);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The founding is complete.
pub(crate) fn founded(folder: &DataFolder) -> anyhow::Result<()> {
    Ok(std::fs::remove_file(folder.file(FOUNDING))?)
}

/// The id of a cluster's first node.
pub(crate) const FIRST: NodeId = NodeId(1);

/// Joins the cluster that made `token`.
pub(crate) async fn join(
    folder: &mut DataFolder,
    config: &Config,
    token: &str,
) -> anyhow::Result<()> {
    refuse_full(folder)?;
    let token: JoinToken = token.trim().parse()?;
    let key = NodeKey::generate()?;
    let request = JoinRequest {
        cluster: token.cluster.clone(),
        secret: token.secret,
        name: config.name.clone(),
        role: match config.role {
            Role::Serving => LinkRole::Serving,
            Role::Witness => LinkRole::Witness,
        },
        csr: key.csr()?,
        link_address: config.addresses().link,
        versions: version::link(),
    };
    let joined = muster_link::join(&token, &key, request).await?;
    let peers: BTreeMap<u16, &String> = joined
        .peers
        .iter()
        .map(|(node, address)| (node.0, address))
        .collect();
    folder.write_secret(PEERS, &serde_json::to_vec(&peers)?)?;
    Pki::write(
        folder,
        &NewPki {
            cluster: &token.cluster,
            ca: &joined.ca,
            certificate: &joined.certificate,
            key: &key.pem(),
            ca_key: joined.ca_key.as_deref(),
        },
    )?;
    settle(folder, &token.cluster, joined.node)
}

/// The members a node was told of when it joined: whom to speak with before the control log says.
pub(crate) fn first_peers(folder: &DataFolder) -> anyhow::Result<BTreeMap<NodeId, String>> {
    let path = folder.file(PEERS);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let peers: BTreeMap<u16, String> = serde_json::from_slice(&std::fs::read(&path)?)
        .with_context(|| path.display().to_string())?;
    Ok(peers
        .into_iter()
        .map(|(node, address)| (NodeId(node), address))
        .collect())
}

/// Refuses a folder that holds the files of two nodes or clusters.
pub(crate) fn check_folder(folder: &DataFolder) -> anyhow::Result<()> {
    let Some(identity) = folder.identity() else {
        return Ok(());
    };
    let dir = folder.file("");
    Pki::load(&dir)?.check(&dir, NodeId(identity.node), &identity.cluster)
}

/// Refuses a store of another cluster than `folder`, the one that node.toml names.
pub(crate) fn check_store(stored: Option<&str>, folder: &str) -> Result<(), String> {
    match stored {
        Some(stored) if stored != folder => Err(format!(
            "the store is of cluster {stored}, the data folder by its node.toml of cluster {folder}: \
             put back those that belong together, or {REPLACE}"
        )),
        // A new store is of no cluster yet.
        Some(_) | None => Ok(()),
    }
}

/// Counts a process start. The number is on the disk before anything is done under it.
pub(crate) fn next_boot(folder: &mut DataFolder) -> anyhow::Result<FolderIdentity> {
    let mut identity = folder
        .identity()
        .cloned()
        .context("the data folder belongs to no cluster")?;
    identity.boot += 1;
    folder.set_identity(identity.clone())?;
    Ok(identity)
}

fn settle(folder: &mut DataFolder, cluster: &str, node: NodeId) -> anyhow::Result<()> {
    let identity = FolderIdentity {
        format: FORMAT,
        cluster: cluster.to_owned(),
        node: node.0,
        boot: 0,
    };
    Ok(folder.set_identity(identity)?)
}

fn refuse_full(folder: &DataFolder) -> anyhow::Result<()> {
    match folder.identity() {
        None => Ok(()),
        Some(identity) => bail!(
            "this node belongs to cluster {} already, as n{}; to make it a new node, stop it and \
             move its data folder away",
            identity.cluster,
            identity.node
        ),
    }
}

/// A random UUID (version 4).
fn new_cluster_id() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).context("no randomness from the system")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn founded_in(dir: &Path) -> DataFolder {
        let mut folder = DataFolder::open(dir).unwrap();
        let domain = DomainPart::new("example.com").unwrap().into_owned();
        found(&mut folder, &[domain]).unwrap();
        folder
    }

    #[test]
    fn a_folder_with_files_of_two_clusters_is_refused_and_both_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["ours", "theirs"].map(|name| founded_in(&dir.path().join(name)));
        folders
            .iter()
            .for_each(|folder| check_folder(folder).unwrap());
        let [ours, theirs] = &folders;
        for name in ["node.pem", "node.key", "ca.pem"] {
            fs::copy(theirs.file(name), ours.file(name)).unwrap();
        }
        let said = format!("{:#}", check_folder(ours).unwrap_err());
        for folder in &folders {
            let cluster = &folder.identity().unwrap().cluster;
            assert!(said.contains(cluster), "{said}");
        }
        assert!(said.contains("put back") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn a_lost_or_foreign_key_is_named_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
        let (folder, other) = (founded_in(&ours), founded_in(&theirs));
        fs::copy(other.file("node.key"), folder.file("node.key")).unwrap();
        let said = format!("{:#}", check_folder(&folder).unwrap_err());
        assert!(
            said.contains("node.key") && said.contains("node replace"),
            "{said}"
        );
        fs::remove_file(folder.file("node.key")).unwrap();
        let said = format!("{:#}", check_folder(&folder).unwrap_err());
        assert!(
            said.contains("node.key: ") && said.contains("put the file back"),
            "{said}"
        );
    }

    #[test]
    fn a_store_of_another_cluster_is_refused_and_both_are_named() {
        for (stored, folder, fits) in [
            (None, "c1", true),
            (Some("c1"), "c1", true),
            (Some("c2"), "c1", false),
        ] {
            let checked = check_store(stored, folder);
            assert_eq!(checked.is_ok(), fits);
            if let Err(said) = checked {
                assert!(said.contains("c1") && said.contains("c2"), "{said}");
            }
        }
    }
}
