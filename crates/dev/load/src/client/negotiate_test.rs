use super::{Auth, Credentials, KeyCache, Login, Protection, Session, SessionError, negotiate};
use crate::users::from_pattern;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const HEADER: &str = "<?xml version='1.0'?><stream:stream id='1' from='b' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const PLAIN: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>PLAIN</mechanism></mechanisms></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BIND: &str =
    "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>a@b/other</jid></bind></iq>";

/// What the server waits for, and what it says then.
type Line = (&'static str, String);

/// Logs `a@b` in with PLAIN against a server that follows a script; answers all that the client said, too.
async fn play(
    script: Vec<Line>,
) -> (
    Result<Session, SessionError>,
    tokio::task::JoinHandle<String>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut said, mut searched) = (String::new(), 0);
        let mut buffer = [0; 1024];
        for (wanted, answer) in script {
            while !said[searched..].contains(wanted) {
                let read = socket.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0, "waiting for {wanted}");
                said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            searched = said.len();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        said
    });
    let users = from_pattern("a@b", "secret").unwrap();
    let (keys, stretching) = (KeyCache::default(), Semaphore::new(1));
    let session = negotiate(Login {
        credentials: Credentials {
            user: &users[0],
            keys: &keys,
            auth: Auth::Best,
            stretching: &stretching,
        },
        resource: "r",
        tls: &Protection::Off,
        to,
        from: Some([127, 0, 0, 2].into()),
        first_answer: Duration::from_secs(10),
    });
    (session.await, server)
}

fn until_bound() -> Vec<Line> {
    vec![
        ("<stream:stream", format!("{HEADER}{PLAIN}")),
        ("</auth>", SUCCESS.to_owned()),
        ("<stream:stream", format!("{HEADER}{BIND}")),
        ("</iq>", BOUND.to_owned()),
    ]
}

#[tokio::test]
async fn logs_in_and_asks() {
    let mut script = until_bound();
    let push = "<iq type='set' id='p'><query xmlns='jabber:iq:roster'/></iq>";
    script.push(("<query", format!("{push}<iq type='result' id='q1'/>")));
    script.push(("id='p'", "</stream:stream>".to_owned()));
    let (session, server) = play(script).await;
    let mut session = session.unwrap();
    assert_eq!(session.jid(), "a@b/other");
    let answer = session.roster().await.unwrap();
    assert_eq!(answer.attr("id").as_deref(), Some("q1"));
    assert!(matches!(session.next().await, Err(SessionError::Closed)));
    let said = server.await.unwrap();
    // RFC 4616: NUL, name, NUL, password.
    assert!(
        said.contains("mechanism='PLAIN'>AGEAc2VjcmV0</auth>"),
        "{said}"
    );
    assert!(said.contains("<resource>r</resource>"), "{said}");
    assert!(said.ends_with("<iq type='result' id='p'/>"), "{said}");
}

#[tokio::test]
async fn a_login_fails_with_the_reason_the_server_gives() {
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    let conflict = "<iq type='error' id='bind'><error type='cancel'>\
        <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    let unknown =
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    for (line, answer, reason) in [
        (0, format!("{HEADER}{unknown}"), "stream error host-unknown"),
        (
            0,
            format!("{HEADER}</stream:stream>"),
            "closed by the server",
        ),
        (
            0,
            format!("{HEADER}<stream:features/>"),
            "the server does not offer a known mechanism, but ",
        ),
        (
            0,
            "HTTP/1.1 400\r\n\r\n".to_owned(),
            "unreadable stream: not-well-formed",
        ),
        (1, failure.to_owned(), "login refused: not-authorized"),
        (
            1,
            "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_owned(),
            "proceed instead of success",
        ),
        (3, conflict.to_owned(), "IQ error conflict"),
    ] {
        let mut script = until_bound();
        script.truncate(line + 1);
        script[line].1 = answer;
        let (session, server) = play(script).await;
        assert_eq!(
            session.err().map(|e| e.to_string()).as_deref(),
            Some(reason)
        );
        server.await.unwrap();
    }
}
