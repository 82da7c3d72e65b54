use super::*;
use crate::cli::Cli;
use crate::command;
use clap::Parser;
use muster_admin::AdminListener;
use muster_admin::fake::Fake;
use muster_link::{ClusterCa, Issued, NodeKey};
use muster_types::NodeId;
use std::future::pending;
use std::net::SocketAddr;
use tempfile::TempDir;

/// The certificate of a node, with its CA's.
fn node(ca: &ClusterCa, number: u16) -> Issued {
    let key = NodeKey::generate().unwrap();
    let certificate = ca.issue_node(NodeId(number), &key.csr().unwrap()).unwrap();
    Issued {
        certificate,
        key: key.pem(),
    }
}

/// A node's admin service on TCP.
async fn serve(ca: &ClusterCa) -> String {
    let own = node(ca, 1);
    let identity = TlsIdentity {
        certificate: own.certificate,
        key: own.key,
        ca: ca.certificate_pem().to_owned(),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = AdminListener::tls(any, &identity).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(Fake::pair(), pending()));
    address
}

/// Asks for the nodes with a certificate, or without any.
async fn ask(address: &str, ca: &ClusterCa, with: Option<Issued>) -> Result<(), Failure> {
    let folder = TempDir::new().unwrap();
    let mut line = ["musterctl", "--address", address, "get", "nodes"]
        .map(str::to_owned)
        .to_vec();
    if let Some(issued) = with {
        for (option, pem) in [
            ("cert", &*issued.certificate),
            ("key", &issued.key),
            ("ca", ca.certificate_pem()),
        ] {
            let file = folder.path().join(option);
            fs::write(&file, pem).unwrap();
            line.extend([format!("--{option}"), file.display().to_string()]);
        }
    }
    command::run(Cli::try_parse_from(line).unwrap()).await
}

#[tokio::test]
async fn only_an_operators_certificate_administers_from_elsewhere() {
    let (ca, other) = [(); 2].map(|()| ClusterCa::generate("c-1").unwrap()).into();
    let address = serve(&ca).await;
    let operator = |ca: &ClusterCa| ca.issue_operator("olga").unwrap();
    ask(&address, &ca, Some(operator(&ca))).await.unwrap();
    for (with, words) in [
        (None, "a certificate is needed"),
        (Some(node(&ca, 3)), "the certificate is that of node n3"),
        (
            Some(operator(&other)),
            "is the certificate an operator's of this cluster?",
        ),
    ] {
        let refused = ask(&address, &ca, with).await.unwrap_err();
        let text = refused.to_string();
        assert_eq!(refused.code(), 3, "{text}");
        assert!(text.contains(&address), "{text}");
        assert!(text.contains(words), "{text}");
    }
}
