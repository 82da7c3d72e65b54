use super::*;
use crate::identity::{Identity, TlsConfigs};
use crate::name::identify;
use crate::pinned::PinnedCa;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{ServerName, UnixTime};

const NODE: NodeId = NodeId(7);

fn ca() -> ClusterCa {
    ClusterCa::generate("c-1").unwrap()
}

fn node(ca: &ClusterCa) -> Identity {
    let key = NodeKey::generate().unwrap();
    Identity {
        certificate: ca.issue_node(NODE, &key.csr().unwrap()).unwrap(),
        key: key.pem(),
        ca: ca.certificate_pem().to_owned(),
    }
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
    chain.map(Result::unwrap).collect()
}

#[test]
fn a_node_certificate_names_the_node_and_only_it() {
    let identity = node(&ca());
    let chain = chain(&identity.certificate);
    assert_eq!(chain.len(), 2);
    assert_eq!(identify(&chain[0], "c-1"), Ok(NODE));
    assert_eq!(identify(&chain[1], "c-1"), Err(name::NameError::NotANode));
    assert_eq!(
        identify(b"nonsense", "c-1"),
        Err(name::NameError::Unreadable)
    );
    assert!(TlsConfigs::new(&identity, NODE, "c-1").is_ok());
}

#[test]
fn certificates_last_as_long_as_they_should() {
    let ca = ca();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    for (pem, days) in [
        (ca.certificate_pem(), 3653),
        (&node(&ca).certificate, 365),
        (&ca.issue_operator("ann").unwrap().certificate, 365),
    ] {
        let expiry = certificate_expiry(pem).unwrap().0 / 1000;
        let expected = now + days * 86_400;
        assert!(expiry.abs_diff(expected) < 60, "{expiry} {expected}");
    }
}

#[test]
fn a_ca_is_read_back_and_issues_the_same() {
    let made = ca();
    let read = ClusterCa::load(made.certificate_pem(), &made.key_pem()).unwrap();
    assert_eq!(read.cluster(), "c-1");
    assert_eq!(read.fingerprint(), made.fingerprint());
    let mut identity = node(&read);
    identity.ca = made.certificate_pem().to_owned();
    let leaf = &chain(&identity.certificate)[0];
    let rest = chain(made.certificate_pem());
    assert!(pinned(&made, leaf, &rest).is_ok());
}

#[test]
fn what_is_no_ca_is_refused() {
    let (one, two) = (ca(), ca());
    let mixed = ClusterCa::load(one.certificate_pem(), &two.key_pem());
    assert!(matches!(mixed, Err(PkiError::KeyMismatch)), "{mixed:?}");
    let identity = node(&one);
    let leaf = ClusterCa::load(&identity.certificate, &identity.key);
    assert!(matches!(leaf, Err(PkiError::NotACa)), "{leaf:?}");
    assert!(ClusterCa::load("", "").is_err());
    let bad = ClusterCa::generate("two.labels");
    assert!(matches!(bad, Err(PkiError::ClusterId(_))), "{bad:?}");
}

#[test]
fn a_client_listener_never_gets_a_nodes_name() {
    let ca = ca();
    for name in [
        "n7.c-1.muster.invalid",
        "N7.C-1.MUSTER.INVALID.",
        "muster.invalid",
    ] {
        let issued = ca.issue_server(&["example.com", name], &[]);
        assert!(matches!(issued, Err(PkiError::Reserved(_))), "{name}");
    }
    assert!(matches!(ca.issue_server(&[], &[]), Err(PkiError::NoNames)));
    let issued = ca
        .issue_server(&[], &["127.0.0.1".parse().unwrap()])
        .unwrap();
    assert!(!format!("{issued:?}").contains("PRIVATE KEY"));
}

#[test]
fn a_csr_that_was_changed_is_refused() {
    let ca = ca();
    let csr = NodeKey::generate().unwrap().csr().unwrap();
    let mut lines: Vec<_> = csr.lines().collect();
    lines.swap(1, 2);
    assert!(ca.issue_node(NODE, &lines.join("\n")).is_err());
    assert!(ca.issue_node(NODE, "").is_err());
}

#[test]
fn pinning_takes_nodes_of_the_one_ca_and_nothing_else() {
    let (ca, other) = (ca(), ca());
    let ours = chain(&node(&ca).certificate);
    let theirs = chain(&node(&other).certificate);
    let listener = chain(&ca.issue_server(&["example.com"], &[]).unwrap().certificate);
    let operator = chain(&ca.issue_operator("ann").unwrap().certificate);
    let our_ca = &ours[1..];
    assert!(pinned(&ca, &ours[0], our_ca).is_ok());
    for (what, leaf, rest) in [
        ("without the CA", &ours[0], &[] as &[_]),
        ("another CA", &theirs[0], &theirs[1..]),
        ("another CA's node behind the pinned CA", &theirs[0], our_ca),
        ("a client listener", &listener[0], our_ca),
        ("an operator", &operator[0], our_ca),
        ("the CA itself", &ours[1], our_ca),
    ] {
        assert!(pinned(&ca, leaf, rest).is_err(), "{what}");
    }
}

fn pinned(
    ca: &ClusterCa,
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
) -> Result<(), rustls::Error> {
    let verifier = PinnedCa::new("c-1".to_owned(), ca.fingerprint());
    let name = ServerName::try_from("join.muster.invalid").unwrap();
    let verified = verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now());
    verified.map(|_| ())
}
