use super::*;
use std::future::pending;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn get(address: SocketAddr, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn health_and_metrics_are_told() {
    for (reasons, path, accept, status, body) in [
        (vec![], "/livez", "*/*", "200", "ok\n"),
        (vec![], "/readyz", "*/*", "200", "ready\n"),
        (
            vec!["in no cluster"],
            "/readyz",
            "*/*",
            "503",
            "not ready: in no cluster\n",
        ),
        (
            vec!["in no cluster"],
            "/readyz",
            "application/json",
            "503",
            r#"{"ready":false,"reasons":["in no cluster"]}"#,
        ),
        (vec![], "/metrics", "*/*", "200", "muster_sessions 3\n"),
        (vec![], "/secrets", "*/*", "404", ""),
    ] {
        let reasons: Vec<String> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let health = Health {
            not_ready: Arc::new(move || reasons.clone()),
            metrics: Arc::new(|| "muster_sessions 3\n".to_owned()),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = HttpListener::bind(any).await.unwrap();
        let address = listener.address().unwrap();
        let serving = tokio::spawn(listener.serve(health, pending()));
        let (head, text) = get(address, path, accept).await;
        assert!(head.contains(status), "{path}: {head}");
        assert_eq!(text, body, "{path}");
        serving.abort();
    }
}
