use super::*;
use crate::fake::Fake;
use crate::proto;
use crate::proto::admin_client::AdminClient;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls_pki_types::ServerName;
use std::future::pending;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

async fn channel<S, F>(connect: impl Fn() -> F + Send + 'static) -> AdminClient<Channel>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    let connector = tower::service_fn(move |_| {
        let connecting = connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://node");
    AdminClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

async fn local(path: PathBuf) -> AdminClient<Channel> {
    channel(move || UnixStream::connect(path.clone())).await
}

async fn hello(client: &mut AdminClient<Channel>) -> Result<proto::HelloResponse, Status> {
    client
        .hello(proto::HelloRequest {})
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_local_client_is_served_and_the_socket_is_private_and_removed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = AdminListener::unix(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(Fake::pair(), async move {
        let _ = stopped.await;
    }));
    let mut client = local(path.clone()).await;
    assert_eq!(hello(&mut client).await.unwrap().name, "a");

    // A watcher does not hold the end up.
    let mut events = client
        .watch(proto::WatchRequest {})
        .await
        .unwrap()
        .into_inner();
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(!path.exists());
    assert!(events.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = AdminListener::unix(&path).unwrap();
    let second = AdminListener::unix(&path).unwrap_err();
    assert!(matches!(second, ListenError::Taken { .. }), "{second}");
    drop(first);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    let third = AdminListener::unix(&path).unwrap_err();
    assert!(matches!(third, ListenError::NoSocket { .. }), "{third}");
}

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test CA");
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(
        &self,
        title: &str,
        name: Option<&str>,
        usages: &[ExtendedKeyUsagePurpose],
    ) -> TlsIdentity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, title);
        params.extended_key_usages = usages.to_vec();
        let names = name.map(|name| SanType::DnsName(name.try_into().unwrap()));
        params.subject_alt_names = names.into_iter().collect();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        TlsIdentity {
            certificate: certificate + &self.pem,
            key: key.serialize_pem(),
            ca: self.pem.clone(),
        }
    }

    fn node(&self, number: u16) -> TlsIdentity {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let name = format!("n{number}.c-1.muster.invalid");
        self.issue("node", Some(&name), &[ServerAuth, ClientAuth])
    }

    fn operator(&self) -> TlsIdentity {
        self.issue("olga", None, &[ExtendedKeyUsagePurpose::ClientAuth])
    }
}

/// What a client with `client` hears from a node with `server`.
async fn over_tls(
    server: &TlsIdentity,
    client: &TlsIdentity,
) -> Result<proto::HelloResponse, String> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = AdminListener::tls(any, server).await.unwrap();
    let address = listener.address();
    let serving = tokio::spawn(listener.serve(Fake::pair(), pending()));
    let connector = TlsConnector::from(Arc::new(client.client().unwrap()));
    let name = ServerName::try_from("node.invalid").unwrap();
    let tcp = TcpStream::connect(&address).await.unwrap();
    let tls = connector
        .connect(name, tcp)
        .await
        .map_err(|error| error.to_string())?;
    let once = std::sync::Mutex::new(Some(tls));
    let connector = tower::service_fn(move |_| {
        let tls = once.lock().unwrap().take();
        async move {
            tls.map(TokioIo::new)
                .ok_or_else(|| io::Error::other("gone"))
        }
    });
    let endpoint = Endpoint::from_static("http://node");
    let channel = endpoint.connect_with_connector(connector).await;
    let mut client = AdminClient::new(channel.map_err(|error| error.to_string())?);
    let answer = hello(&mut client).await;
    serving.abort();
    answer.map_err(|status| {
        if status.code() == Code::PermissionDenied {
            "denied".to_owned()
        } else {
            status.to_string()
        }
    })
}

#[tokio::test]
async fn operators_are_served_over_tls_and_nodes_are_not() {
    let ca = Ca::new();
    let served = over_tls(&ca.node(1), &ca.operator()).await;
    assert_eq!(served.unwrap().name, "a");
    // The answering node itself, a serving member, the witness, and a node that is no member.
    for number in [1, 2, 3, 9] {
        let refused = over_tls(&ca.node(1), &ca.node(number)).await;
        assert_eq!(refused.unwrap_err(), "denied", "node {number}");
    }
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let (ca, other) = (Ca::new(), Ca::new());
    let mut forged = other.operator();
    forged.ca = ca.pem.clone();
    over_tls(&ca.node(1), &forged).await.unwrap_err();
    // A certificate for client listeners.
    let listener = ca.issue(
        "web",
        Some("example.com"),
        &[ExtendedKeyUsagePurpose::ServerAuth],
    );
    over_tls(&ca.node(1), &listener).await.unwrap_err();
}

#[tokio::test]
async fn an_operator_talks_only_to_nodes_of_the_cluster() {
    let (ca, other) = (Ca::new(), Ca::new());
    let listener = ca.issue(
        "web",
        Some("example.com"),
        &[ExtendedKeyUsagePurpose::ServerAuth],
    );
    for server in [listener, other.node(1)] {
        let refused = over_tls(&server, &ca.operator()).await.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
    }
}
