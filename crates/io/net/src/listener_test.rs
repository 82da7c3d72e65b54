use crate::{Listener, ListenerConfig, is_gone};
use muster_stream::Security;
use std::net::IpAddr;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

fn config(address: &str, security: Security) -> ListenerConfig {
    ListenerConfig {
        address: address.parse().unwrap(),
        security,
        option: "c2s.listen".into(),
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_option() {
    let first = Listener::bind(&config("127.0.0.1:0", Security::StartTls)).unwrap();
    let address = first.address();
    let error = Listener::bind(&config(&address.to_string(), Security::StartTls)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: another process has this port; change it with c2s.listen"
        )
    );
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused() {
    let error = Listener::bind(&config("192.0.2.1:5222", Security::StartTls)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot listen on 192.0.2.1:5222: this machine has no such address; change it with c2s.listen"
    );
}

#[tokio::test]
async fn plaintext_is_for_loopback_only() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = Listener::bind(&config(address, Security::Plaintext)).unwrap_err();
        assert!(
            error.to_string().contains("for loopback addresses only"),
            "{error}"
        );
    }
    for address in ["127.0.0.1:0", "127.1.2.3:0"] {
        Listener::bind(&config(address, Security::Plaintext)).unwrap();
    }
}

#[tokio::test]
async fn ipv4_and_ipv6_stand_side_by_side() {
    let v4 = Listener::bind(&config("0.0.0.0:0", Security::StartTls)).unwrap();
    let port = v4.address().port();
    let v6 = Listener::bind(&config(&format!("[::]:{port}"), Security::StartTls)).unwrap();
    for (listener, host) in [(&v4, "127.0.0.1"), (&v6, "::1")] {
        let host: IpAddr = host.parse().unwrap();
        let _client = TcpStream::connect((host, port)).await.unwrap();
        let (stream, from) = listener.accept().await;
        assert_eq!(from, host);
        assert!(stream.nodelay().unwrap());
    }
}

#[tokio::test]
async fn a_client_that_has_gone_is_known_before_it_is_served_whatever_it_said() {
    let listener = Listener::bind(&config("127.0.0.1:0", Security::StartTls)).unwrap();
    for says in ["", "<stream:stream>"] {
        let mut client = TcpStream::connect(listener.address()).await.unwrap();
        let (stream, _) = listener.accept().await;
        assert!(!is_gone(&stream), "{says}");
        client.write_all(says.as_bytes()).await.unwrap();
        client.flush().await.unwrap();
        assert!(!is_gone(&stream), "{says}");
        drop(client);
        while !stream
            .ready(Interest::READABLE)
            .await
            .unwrap()
            .is_read_closed()
        {
            tokio::task::yield_now().await;
        }
        assert!(is_gone(&stream), "{says}");
    }
}
