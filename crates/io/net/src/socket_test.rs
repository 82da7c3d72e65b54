use crate::fixture::{Ca, Seen};
use crate::{CertificateFiles, Socket, TlsDomains, TlsError};
use muster_stream::TlsFacts;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::ServerName;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    StartTls,
    Direct,
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn accept(
    server: TcpStream,
    domains: &TlsDomains,
    way: Way,
) -> Result<(Socket, TlsFacts), TlsError> {
    match way {
        Way::StartTls => Socket::Plain(server).start_tls(domains, 0).await,
        Way::Direct => Socket::accept_direct(server, domains).await,
    }
}

/// A handshake, and a word each way over it.
async fn handshake(
    domains: &TlsDomains,
    way: Way,
    config: ClientConfig,
    name: &str,
) -> Result<(TlsFacts, Seen), TlsError> {
    let (client, server) = pair().await;
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = tokio::spawn(async move {
        let mut stream = connector.connect(name, client).await?;
        stream.write_all(b"ping").await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        assert_eq!(&word, b"pong");
        let connection = stream.get_ref().1;
        let label = b"EXPORTER-Channel-Binding";
        Ok::<_, std::io::Error>(Seen {
            certificate: connection.peer_certificates().unwrap()[0]
                .clone()
                .into_owned(),
            exporter: connection
                .export_keying_material(vec![0; 32], label, Some(b""))
                .unwrap(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            version: connection.protocol_version().unwrap(),
        })
    });
    let (mut socket, facts) = accept(server, domains, way).await?;
    let mut word = [0; 4];
    socket.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    socket.write_all(b"pong").await.unwrap();
    socket.flush().await.unwrap();
    Ok((facts, client.await.unwrap().unwrap()))
}

#[tokio::test]
async fn both_ends_know_the_same_channel_binding_data() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    for way in [Way::StartTls, Way::Direct] {
        for version in [&TLS12, &TLS13] {
            let config = ca.client(version, &[]);
            let (facts, seen) = handshake(&domains, way, config, "example.com")
                .await
                .unwrap();
            assert_eq!(facts.server_name.as_deref(), Some("example.com"));
            let digest = Sha256::digest(&seen.certificate).to_vec();
            assert_eq!(facts.bindings.server_end_point, Some(digest));
            let exporter = (seen.version == ProtocolVersion::TLSv1_3).then_some(seen.exporter);
            assert_eq!(
                facts.bindings.exporter, exporter,
                "{way:?} {:?}",
                seen.version
            );
        }
    }
}

#[tokio::test]
async fn each_domain_has_its_own_certificate() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("a.example"), ca.issue("b.example")]).unwrap();
    for name in ["a.example", "b.example", "B.Example"] {
        let config = ca.client(&TLS13, &[]);
        handshake(&domains, Way::StartTls, config, name)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn without_server_name_the_first_domain_answers() {
    let ca = Ca::new();
    let files = [ca.issue("b.example"), ca.issue("a.example")];
    let domains = TlsDomains::load(&files).unwrap();
    let mut config = ca.client(&TLS13, &[]);
    config.enable_sni = false;
    let (facts, _) = handshake(&domains, Way::Direct, config, "b.example")
        .await
        .unwrap();
    assert_eq!(facts.server_name, None);
}

#[tokio::test]
async fn programs_speak_http2_if_they_can_and_http1_if_they_say_nothing() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    for (offered, agreed) in [
        (&["h2"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let (client, server) = pair().await;
        let connector = TlsConnector::from(Arc::new(ca.client(&TLS13, offered)));
        let name = ServerName::try_from("example.com").unwrap();
        let client = tokio::spawn(connector.connect(name, client));
        let socket = domains.accept_http(server).await.unwrap();
        assert_eq!(socket.speaks_http2(), agreed == Some("h2"), "{offered:?}");
        let client = client.await.unwrap().unwrap();
        let seen = client.get_ref().1.alpn_protocol();
        assert_eq!(seen, agreed.map(str::as_bytes), "{offered:?}");
    }
}

#[tokio::test]
async fn alpn_is_for_direct_tls() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    for (way, offered, agreed) in [
        (Way::Direct, &["xmpp-client"][..], Some("xmpp-client")),
        (Way::Direct, &["h2", "xmpp-client"], Some("xmpp-client")),
        (Way::Direct, &[], None),
        (Way::StartTls, &["xmpp-client"], None),
    ] {
        let config = ca.client(&TLS13, offered);
        let (_, seen) = handshake(&domains, way, config, "example.com")
            .await
            .unwrap();
        assert_eq!(
            seen.alpn.as_deref(),
            agreed.map(str::as_bytes),
            "{way:?} {offered:?}"
        );
    }
    let config = ca.client(&TLS13, &["xmpp-server"]);
    let refused = handshake(&domains, Way::Direct, config, "example.com").await;
    assert!(matches!(refused, Err(TlsError::Handshake(_))));
}

#[tokio::test]
async fn a_reload_changes_the_certificate_and_a_bad_one_changes_nothing() {
    let ca = Ca::new();
    let files = [ca.issue("example.com")];
    let domains = TlsDomains::load(&files).unwrap();
    let certificate = async || {
        let config = ca.client(&TLS13, &[]);
        handshake(&domains, Way::StartTls, config, "example.com")
            .await
            .unwrap()
            .1
            .certificate
    };
    let old = certificate().await;
    ca.issue("example.com");
    assert_eq!(certificate().await, old, "not before the reload");
    let [before] = &domains.certificates()[..] else {
        panic!("one domain, one certificate");
    };
    domains.replace(TlsDomains::load(&files).unwrap());
    assert_ne!(domains.certificates()[0].sha256, before.sha256);
    let new = certificate().await;
    assert_ne!(new, old);
    let missing = CertificateFiles {
        key: "/nowhere".into(),
        ..files[0].clone()
    };
    assert!(TlsDomains::load(&[missing]).is_err());
    assert_eq!(certificate().await, new);
}

#[tokio::test]
async fn bytes_behind_starttls_are_refused() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    let (_client, server) = pair().await;
    let refused = Socket::Plain(server).start_tls(&domains, 7).await;
    assert!(matches!(refused, Err(TlsError::Injected { bytes: 7 })));
}

#[tokio::test]
async fn garbage_instead_of_tls_is_refused() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    for garbage in [
        &b"<?xml version='1.0'?><stream:stream>"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ] {
        let (mut client, server) = pair().await;
        client.write_all(garbage).await.unwrap();
        client.shutdown().await.unwrap();
        let refused = Socket::accept_direct(server, &domains).await;
        assert!(
            matches!(refused, Err(TlsError::Handshake(_))),
            "{garbage:?}"
        );
    }
}

/// Handshake messages in pieces, and what does not belong behind them: the TLS library counts on seeing the
/// pieces again.
#[tokio::test]
async fn unfinished_handshakes_with_nonsense_behind_them_end_and_nothing_else() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    let piece = [0x16, 3, 1, 0, 4, 1, 0, 0x10, 0];
    let behind: [&[u8]; 5] = [
        &[0xff; 5],
        &[0x15, 3, 3, 0, 2, 1, 0],
        &[0x17, 3, 3, 0, 3, 1, 2, 3],
        &[
            0x16, 3, 3, 0, 4, 0x10, 0, 0x10, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0x16, 3, 1, 0xff, 0xff],
    ];
    for nonsense in behind {
        for pause in [false, true] {
            let (mut client, server) = pair().await;
            let talk = async {
                client.write_all(&piece).await.unwrap();
                if pause {
                    tokio::task::yield_now().await;
                }
                client.write_all(nonsense).await.unwrap();
                client.shutdown().await.unwrap();
                let mut rest = Vec::new();
                // The server may have closed with bytes unread.
                let _ = client.read_to_end(&mut rest).await;
            };
            let (refused, ()) = tokio::join!(Socket::accept_direct(server, &domains), talk);
            assert!(
                matches!(refused, Err(TlsError::Handshake(_))),
                "{nonsense:?}"
            );
        }
    }
}

/// A bad record after the handshake ends the connection, and writing and closing find it ended.
#[tokio::test]
async fn a_bad_record_ends_the_connection() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    let (client, server) = pair().await;
    let connector = TlsConnector::from(Arc::new(ca.client(&TLS13, &[])));
    let name = ServerName::try_from("example.com").unwrap();
    let (client, accepted) = tokio::join!(
        connector.connect(name, client),
        Socket::accept_direct(server, &domains)
    );
    let (mut raw, _) = client.unwrap().into_inner();
    let (mut socket, _) = accepted.unwrap();
    raw.write_all(&[0x17, 3, 3, 0, 32]).await.unwrap();
    raw.write_all(&[7; 32]).await.unwrap();
    let mut bytes = [0; 16];
    assert!(socket.read(&mut bytes).await.is_err());
    assert!(socket.write_all(b"still there?").await.is_err());
    socket.shutdown().await.unwrap();
    let mut alert = Vec::new();
    raw.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert[0], 0x17, "an encrypted alert, and nothing after it");
}

/// More than one record, more than the socket takes at once, and a reader with little room.
#[tokio::test]
async fn bytes_arrive_whole_and_in_order_both_ways() {
    let ca = Ca::new();
    let domains = TlsDomains::load(&[ca.issue("example.com")]).unwrap();
    for version in [&TLS12, &TLS13] {
        let (client, server) = pair().await;
        let connector = TlsConnector::from(Arc::new(ca.client(version, &[])));
        let name = ServerName::try_from("example.com").unwrap();
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let client = tokio::spawn(async move {
            let mut stream = connector.connect(name, client).await.unwrap();
            stream.write_all(&sent).await.unwrap();
            stream.flush().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            (sent, back)
        });
        let (mut socket, _) = Socket::accept_direct(server, &domains).await.unwrap();
        let mut got = vec![0; expected.len()];
        for part in got.chunks_mut(777) {
            socket.read_exact(part).await.unwrap();
        }
        assert!(got == expected);
        socket.write_all(&got).await.unwrap();
        socket.shutdown().await.unwrap();
        let (sent, back) = client.await.unwrap();
        assert!(sent == back);
    }
}

#[tokio::test]
async fn a_plain_socket_carries_bytes_as_they_are() {
    let (mut client, server) = pair().await;
    let mut socket = Socket::Plain(server);
    client.write_all(b"hello").await.unwrap();
    let mut word = [0; 5];
    socket.read_exact(&mut word).await.unwrap();
    socket.write_all(&word).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut echo = Vec::new();
    client.read_to_end(&mut echo).await.unwrap();
    assert_eq!(echo, b"hello");
}
