//! How a node without a certificate becomes a member.

use super::node::{A, B, Event, Node, Plan, ca};
use crate::{
    ClusterCa, Fingerprint, Identity, JoinError, JoinRequest, JoinResponse, JoinToken, NodeKey,
    Role, Versions, join,
};
use bytes::Bytes;
use muster_types::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Node A, which lets bearers of `SECRET` in as node B.
async fn member(ca: &Arc<ClusterCa>) -> Node {
    let mut plan = Plan::new(ca, A, 1);
    let ca = Arc::clone(ca);
    plan.join = Box::new(move |request| {
        if request.secret != SECRET {
            return Err("the token is used up or has expired".to_owned());
        }
        assert_eq!(request.name, "b");
        assert_eq!(request.cluster, ca.cluster());
        let certificate = ca.issue_node(B, &request.csr).map_err(|e| e.to_string())?;
        Ok(JoinResponse {
            node: B,
            certificate,
            ca: ca.certificate_pem().to_owned(),
            peers: BTreeMap::new(),
            ca_key: (request.role == Role::Serving).then(|| ca.key_pem()),
        })
    });
    plan.start().await
}

const SECRET: [u8; 32] = [9; 32];

fn token(ca: &ClusterCa, addresses: &[&str]) -> JoinToken {
    JoinToken {
        cluster: ca.cluster().to_owned(),
        ca: ca.fingerprint(),
        secret: SECRET,
        expires: Timestamp(u64::MAX),
        addresses: addresses.iter().map(ToString::to_string).collect(),
    }
}

fn request(key: &NodeKey, role: Role) -> JoinRequest {
    JoinRequest {
        cluster: String::new(),
        secret: [0; 32],
        name: "b".to_owned(),
        role,
        csr: key.csr().unwrap(),
        link_address: "127.0.0.1:1".to_owned(),
        versions: Versions {
            wire: 1,
            wire_oldest: 1,
            data: 1,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_with_a_token_and_is_a_member() {
    let ca = Arc::new(ca());
    let a = member(&ca).await;
    // The first address answers nothing; the second is a member.
    let token = token(&ca, &["127.0.0.1:1", &a.address()]);
    let token: JoinToken = token.to_text().parse().unwrap();
    let key = NodeKey::generate().unwrap();
    let response = join(&token, &key, request(&key, Role::Serving))
        .await
        .unwrap();
    assert_eq!(response.node, B);
    let ca_key = response.ca_key.unwrap();
    assert!(ClusterCa::load(&response.ca, &ca_key).is_ok());

    let mut plan = Plan::new(&ca, B, 1);
    plan.config.identity = Identity {
        certificate: response.certificate,
        key: key.pem(),
        ca: response.ca,
    };
    let mut b = plan.start().await;
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    a.connected(B).await;
    a.links.send(B, Bytes::from_static(b"welcome")).unwrap();
    while b.next().await != Event::Data(A, Bytes::from_static(b"welcome")) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_gets_no_ca_key() {
    let ca = Arc::new(ca());
    let a = member(&ca).await;
    let key = NodeKey::generate().unwrap();
    let asking = request(&key, Role::Witness);
    let response = join(&token(&ca, &[&a.address()]), &key, asking).await;
    assert_eq!(response.unwrap().ca_key, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused() {
    let (ca, other) = (Arc::new(ca()), ca());
    let a = member(&ca).await;
    let key = NodeKey::generate().unwrap();
    let good = token(&ca, &[&a.address()]);

    let used = JoinToken {
        secret: [1; 32],
        ..good.clone()
    };
    let refused = join(&used, &key, request(&key, Role::Serving)).await;
    let text = refused.unwrap_err().to_string();
    assert_eq!(text, "the token is used up or has expired");

    let other_ca = JoinToken {
        ca: other.fingerprint(),
        ..good.clone()
    };
    let refused = join(&other_ca, &key, request(&key, Role::Serving)).await;
    assert!(
        matches!(&refused, Err(JoinError::Unreachable(_))),
        "{refused:?}"
    );
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("UnknownIssuer"), "{text}");

    let other_cluster = JoinToken {
        cluster: "other".to_owned(),
        ..good.clone()
    };
    let refused = join(&other_cluster, &key, request(&key, Role::Serving)).await;
    assert!(
        matches!(refused, Err(JoinError::Unreachable(_))),
        "{refused:?}"
    );

    let nowhere = JoinToken {
        addresses: Vec::new(),
        ..good.clone()
    };
    let refused = join(&nowhere, &key, request(&key, Role::Serving)).await;
    assert!(matches!(refused, Err(JoinError::NoAddress)), "{refused:?}");

    let other_key = NodeKey::generate().unwrap();
    let refused = join(&good, &other_key, request(&key, Role::Serving)).await;
    assert!(matches!(refused, Err(JoinError::Pki(_))), "{refused:?}");
    assert_ne!(
        Fingerprint::of_pem(other.certificate_pem()).unwrap(),
        good.ca
    );
}
