//! Who is let in.

use super::node::{A, B, C, CLUSTER, Node, Plan, ca, identity};
use crate::dial::channel;
use crate::identity::provider;
use crate::name::node_name;
use crate::wire::proto::link_client::LinkClient;
use crate::wire::{Frame, JOIN_ALPN, Lane};
use crate::{ClusterCa, Issued, LinkError, PkiError, Versions};
use bytes::Bytes;
use muster_types::NodeId;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_ca_is_refused() {
    let (a, b) = (
        Node::start(&ca(), A, 1).await,
        Node::start(&ca(), B, 1).await,
    );
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    a.problem(B, "invalid peer certificate").await;
    b.problem(A, "invalid peer certificate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_the_address_of_another_is_refused() {
    let ca = ca();
    let (a, c) = (Node::start(&ca, A, 1).await, Node::start(&ca, C, 1).await);
    a.peers([(B, c.address())]);
    a.problem(B, "not valid for name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_of_another_node_does_not_start() {
    let ca = ca();
    let mut plan = Plan::new(&ca, A, 1);
    plan.config.identity = identity(&ca, B);
    let error = PkiError::OtherNode {
        found: B,
        expected: A,
    };
    let started = crate::identity::TlsConfigs::new(&plan.config.identity, A, CLUSTER);
    assert_eq!(
        started.err().map(|e| e.to_string()),
        Some(error.to_string())
    );
    let mut mixed = identity(&ca, A);
    mixed.key = identity(&ca, A).key;
    let mixed = crate::identity::TlsConfigs::new(&mixed, A, CLUSTER);
    assert!(matches!(mixed.err(), Some(PkiError::Tls(_))));
    let other = crate::identity::TlsConfigs::new(&identity(&ca, A), A, "other");
    assert!(matches!(other.err(), Some(PkiError::Name(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_no_peer_is_refused() {
    let ca = ca();
    let (a, c) = (Node::start(&ca, A, 1).await, Node::start(&ca, C, 1).await);
    c.peers([(A, a.address())]);
    c.problem(A, "refused: n3 is no member that n1 knows").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_refused_for_ever_hears_why() {
    let ca = ca();
    let (a, c) = (Node::start(&ca, A, 1).await, Node::start(&ca, C, 1).await);
    let why = "your log was given up";
    a.links.set_refused([(C, why.to_owned())].into());
    c.peers([(A, a.address())]);
    c.until(A, |peer| peer.given_up.as_deref() == Some(why))
        .await;
    let never_heard = c.links.peers().iter().all(|peer| !peer.raft && !peer.data);
    assert!(never_heard, "{:?}", c.links.peers());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_cannot_work_together_are_refused() {
    let ca = ca();
    let mut newer = Plan::new(&ca, B, 1);
    newer.config.versions = Versions {
        wire: 3,
        wire_oldest: 2,
        data: 1,
    };
    let (a, b) = (Node::start(&ca, A, 1).await, newer.start().await);
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    a.problem(B, "n1 speaks wire versions 1 to 1, n2 speaks 2 to 3")
        .await;
    b.problem(A, "n2 speaks wire versions 2 to 3, n1 speaks 1 to 1")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_living_process_with_the_same_id_is_refused() {
    let ca = ca();
    let (a, b) = (Node::start(&ca, A, 1).await, Node::start(&ca, B, 1).await);
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    b.connected(A).await;
    let twin = Node::start(&ca, B, 2).await;
    twin.peers([(A, a.address())]);
    twin.problem(
        A,
        "two nodes with one id: another process of this node, boot1, is alive",
    )
    .await;
    assert_eq!(b.ask(A, "hi").await.unwrap(), "n2:hi");
    b.links.shutdown().await;
    twin.connected(A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_used_for_new_connections() {
    let ca = ca();
    let (a, b) = (Node::start(&ca, A, 1).await, Node::start(&ca, B, 1).await);
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    a.connected(B).await;
    a.links.set_identity(&identity(&ca, A)).unwrap();
    let other = a.links.set_identity(&identity(&ca, B));
    assert!(matches!(other, Err(LinkError::Identity(_))), "{other:?}");
    a.links.reset(B);
    b.links.reset(A);
    a.connected(B).await;
    b.connected(A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_are_no_node_may_only_join() {
    let ca = ca();
    let a = Node::start(&ca, A, 1).await;
    let operator = ca.issue_operator("ann").unwrap();
    for (shown, alpn, code, text) in [
        (
            None,
            Lane::Raft.alpn(),
            Code::Unauthenticated,
            "no certificate was shown",
        ),
        (
            None,
            Lane::Data.alpn(),
            Code::Unauthenticated,
            "no certificate was shown",
        ),
        (
            Some(&operator),
            Lane::Raft.alpn(),
            Code::Unauthenticated,
            "not a node's",
        ),
        (
            None,
            JOIN_ALPN,
            Code::FailedPrecondition,
            "opened for something else",
        ),
    ] {
        let tls = connect(&ca, (&a, A), shown, alpn).await.unwrap();
        let mut client = LinkClient::new(channel(tls).await.unwrap());
        let frames = tokio_stream::empty::<Frame>();
        let status = match alpn == Lane::Data.alpn() {
            true => client.data(frames).await.unwrap_err(),
            false => client.raft(frames).await.unwrap_err(),
        };
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(text), "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_client_listeners_is_no_callers() {
    let ca = ca();
    let a = Node::start(&ca, A, 1).await;
    let server = ca.issue_server(&["example.com"], &[]).unwrap();
    // In TLS 1.3 the client learns of it with the first bytes it reads.
    let tls = connect(&ca, (&a, A), Some(&server), Lane::Raft.alpn()).await;
    let mut byte = [0];
    let outcome = match tls {
        Ok(mut tls) => tls.read_exact(&mut byte).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(outcome.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_garbage_do_not_keep_nodes_out() {
    let ca = ca();
    let mut plan = Plan::new(&ca, A, 1);
    plan.config.limits.strangers = 2;
    plan.config.limits.handshakes = 8;
    plan.config.timing.handshake = Duration::from_millis(300);
    let a = plan.start().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(connect(&ca, (&a, A), None, JOIN_ALPN).await.unwrap());
    }
    let mut third = connect(&ca, (&a, A), None, JOIN_ALPN).await.unwrap();
    let ended = third.read_exact(&mut [0]).await;
    assert!(ended.is_err(), "one stranger too many");
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(a.address()).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        silent.push(TcpStream::connect(a.address()).await.unwrap());
    }
    let b = Node::start(&ca, B, 1).await;
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    b.connected(A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_before_a_hello_are_refused() {
    let ca = ca();
    let a = Node::start(&ca, A, 1).await;
    a.peers([(B, "127.0.0.1:1".to_owned())]);
    let node = identity(&ca, B);
    let node = Issued {
        certificate: node.certificate,
        key: node.key,
    };
    let tls = connect(&ca, (&a, A), Some(&node), Lane::Data.alpn())
        .await
        .unwrap();
    let mut client = LinkClient::new(channel(tls).await.unwrap());
    let frames = tokio_stream::once(crate::wire::data(Bytes::from_static(b"x")));
    let status = client.data(frames).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}

/// A connection to a node that is called `name`.
pub(super) async fn connect(
    ca: &ClusterCa,
    (to, name): (&Node, NodeId),
    shown: Option<&Issued>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let pem = ca.certificate_pem().as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => config.with_no_client_auth(),
        Some(issued) => {
            let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            let chain = chain.map(Result::unwrap).collect();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = TcpStream::connect(to.address()).await?;
    let name = ServerName::try_from(node_name(name, CLUSTER)).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}
