//! The name a node has in its certificate.

use muster_types::NodeId;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The last labels of every node's name. `invalid` never resolves (RFC 6761 §6.4): the name proves
/// who a node is and is not where it is.
const SUFFIX: &str = ".muster.invalid";

/// Why a certificate does not name a node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The bytes are no certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It names no node, or more than one thing.
    #[error("the certificate is not a node's")]
    NotANode,
    /// It names a node of another cluster.
    #[error("the certificate is of cluster {0}")]
    OtherCluster(String),
}

/// The DNS name that the certificate of `node` carries as its only subject alternative name.
pub fn node_name(node: NodeId, cluster: &str) -> String {
    format!("n{}.{cluster}{SUFFIX}", node.0)
}

/// Whether `name` lies where only nodes have names.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.ends_with(SUFFIX) || name == SUFFIX[1..]
}

/// Whether `cluster` can stand in a name: one DNS label of small letters, digits and hyphens.
pub(crate) fn is_cluster_id(cluster: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !cluster.is_empty()
        && cluster.len() <= 63
        && cluster.bytes().all(plain)
        && !cluster.starts_with('-')
        && !cluster.ends_with('-')
}

/// The node that the certificate in `der` names.
pub(crate) fn identify(der: &[u8], cluster: &str) -> Result<NodeId, NameError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NameError::Unreadable)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| NameError::Unreadable)?
        .ok_or(NameError::NotANode)?;
    let [GeneralName::DNSName(name)] = names.value.general_names.as_slice() else {
        return Err(NameError::NotANode);
    };
    parse(name, cluster)
}

/// Reads a node's name. Only the exact text that [`node_name`] writes is taken.
fn parse(name: &str, cluster: &str) -> Result<NodeId, NameError> {
    let rest = name.strip_suffix(SUFFIX).ok_or(NameError::NotANode)?;
    let (label, named) = rest.split_once('.').ok_or(NameError::NotANode)?;
    let number = label.strip_prefix('n').ok_or(NameError::NotANode)?;
    let node = NodeId(number.parse().map_err(|_| NameError::NotANode)?);
    if node.0 == 0 || number != node.0.to_string() {
        return Err(NameError::NotANode);
    }
    if named != cluster {
        return Err(NameError::OtherCluster(named.to_owned()));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_written_form_names_a_node() {
        let other = Err(NameError::OtherCluster("d-2".to_owned()));
        for (name, expected) in [
            ("n7.c-1.muster.invalid", Ok(NodeId(7))),
            ("n65535.c-1.muster.invalid", Ok(NodeId(65_535))),
            ("n65536.c-1.muster.invalid", Err(NameError::NotANode)),
            ("n0.c-1.muster.invalid", Err(NameError::NotANode)),
            ("n07.c-1.muster.invalid", Err(NameError::NotANode)),
            ("n+7.c-1.muster.invalid", Err(NameError::NotANode)),
            ("N7.c-1.muster.invalid", Err(NameError::NotANode)),
            ("7.c-1.muster.invalid", Err(NameError::NotANode)),
            ("n7.d-2.muster.invalid", other),
            ("n7.muster.invalid", Err(NameError::NotANode)),
            ("n7.c-1.example.com", Err(NameError::NotANode)),
            ("", Err(NameError::NotANode)),
        ] {
            assert_eq!(parse(name, "c-1"), expected, "{name}");
        }
    }

    #[test]
    fn cluster_ids_are_one_label() {
        for (id, fits) in [
            ("0f5e8c1e-1111-4222-8333-444455556666", true),
            ("", false),
            ("a.b", false),
            ("-a", false),
            ("A", false),
            ("a b", false),
        ] {
            assert_eq!(is_cluster_id(id), fits, "{id}");
        }
        assert!(!is_cluster_id(&"a".repeat(64)));
    }

    #[test]
    fn reserved_names() {
        assert!(is_reserved("n1.c.MUSTER.invalid."));
        assert!(is_reserved("muster.invalid"));
        assert!(!is_reserved("example.com"));
    }
}
