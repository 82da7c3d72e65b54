use super::super::listen::{ApiListener, Secure, Secured};
use super::super::rest_test::{ALICE, Scene};
use super::*;
use crate::proto::presence::presence_client::PresenceClient;
use axum::http;
use muster_cluster::ControlCommand;
use muster_envelope::{Answer, Explained};
use muster_presence::Explanation;
use muster_types::Timestamp;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt;

/// A channel to a listener of the scene, which speaks HTTP/2 in the clear.
async fn channel(scene: &Scene) -> Channel {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = ApiListener::bind(any).await.unwrap();
    let address = listener.address().unwrap();
    let secure: Secure = Arc::new(|stream| {
        let (stream, http2) = (Box::new(stream), true);
        Box::pin(async move { Ok(Secured { stream, http2 }) })
    });
    tokio::spawn(listener.serve(scene.api.clone(), secure, pending()));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A call with a token, or without one where it is empty.
pub(in super::super) fn call<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn publication(user: &str) -> proto::Publication {
    proto::Publication {
        user: user.to_owned(),
        source: "manual".to_owned(),
        spans: vec![proto::Span {
            says: "away".to_owned(),
            ..proto::Span::default()
        }],
        words_of: String::new(),
    }
}

pub(in super::super) fn batch(users: &[&str]) -> proto::PublishRequest {
    let publications = users.iter().map(|user| publication(user)).collect();
    proto::PublishRequest { publications }
}

/// How a stream of batches is refused.
async fn refused(scene: &Scene, token: &str) -> Status {
    let mut client = PresenceClient::new(channel(scene).await);
    let batches = tokio_stream::iter(vec![batch(&["alice@example.com"])]);
    client.publish(call(token, batches)).await.unwrap_err()
}

#[tokio::test]
async fn three_batches_over_one_stream_are_answered_in_order() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let mut client = PresenceClient::new(channel(&scene).await);
    let batches = [1, 2, 3].map(|n| {
        let nobody = format!("nobody{n}@example.com");
        batch(&["alice@example.com", &nobody, "dora@example.org"])
    });
    let batches = tokio_stream::iter(batches);
    let answers = client.publish(call(&scene.token, batches)).await.unwrap();
    let mut answers = answers.into_inner();
    for n in 1..=3 {
        let answer = answers.message().await.unwrap().unwrap();
        let [taken, unknown, other] = &answer.refusals[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(taken, "", "{answer:?}");
        assert_eq!(unknown, &format!("there is no user nobody{n}@example.com"));
        assert!(other.contains("its token is for example.com"), "{other}");
        assert_eq!(answer.kinds, ["", "unknown-user", "other-domain"]);
    }
    assert_eq!(answers.message().await.unwrap(), None);
}

#[tokio::test]
async fn who_has_no_good_token_or_no_scope_publishes_nothing() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let old = scene.client("old", &[Scope::PublishManual], 9, Some(Timestamp(5)));
    let (other, _) = crate::token::generate().unwrap();
    for (token, part) in [
        ("", "musterctl api-client create"),
        ("muster_short", "no token of this cluster"),
        (&*other, "not known here"),
        (&*old, "expired"),
    ] {
        let why = refused(&scene, token).await;
        assert_eq!(why.code(), Code::Unauthenticated, "{token}: {why}");
        assert!(why.message().contains(part), "{token}: {why}");
    }
    let reader = scene.client("reader", &[Scope::Read], 9, None);
    let why = refused(&scene, &reader).await;
    assert_eq!(why.code(), Code::PermissionDenied, "{why}");
    assert!(why.message().contains("not the scope publish:"), "{why}");

    // Of what it has no scope for, it is told for each.
    let phones = scene.client("phones", &[Scope::PublishPhone], 9, None);
    let mut client = PresenceClient::new(channel(&scene).await);
    let batches = tokio_stream::iter([batch(&["alice@example.com"])]);
    let answers = client.publish(call(&phones, batches)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert_eq!(answer.kinds, ["scope-missing"]);
    assert!(answer.refusals[0].contains("publish:manual"), "{answer:?}");
}

#[tokio::test]
async fn what_is_for_operators_is_refused_with_what_to_do() {
    let scene = Scene::new();
    let mut client = PresenceClient::new(channel(&scene).await);
    let token = &scene.token;
    let user = || "alice@example.com".to_owned();
    let as_bob = proto::ExplainRequest {
        user: user(),
        watcher: "bob@example.com".to_owned(),
        words_of: String::new(),
    };
    let access = proto::AccessRequest {
        user: user(),
        set: Vec::new(),
    };
    let set = proto::RulesSetRequest::default();
    let refused = [
        client.explain(call(token, as_bob)).await.map(drop),
        client.access(call(token, access)).await.map(drop),
        client
            .rules_get(call(token, proto::RulesGetRequest {}))
            .await
            .map(drop),
        client.rules_set(call(token, set)).await.map(drop),
    ];
    for refused in refused {
        let why = refused.unwrap_err();
        assert_eq!(why.code(), Code::PermissionDenied, "{why}");
        assert!(why.message().contains("use `musterctl "), "{why}");
    }
}

#[tokio::test]
async fn a_program_is_told_what_a_user_is_until_when_and_what_that_is_like() {
    let scene = Scene::new();
    let explanation = Explanation {
        state: "lunch".to_owned(),
        until: Some(Timestamp(1_800_000_000_000)),
        like: vec!["break".to_owned(), "away".to_owned()],
        ..Explanation::default()
    };
    let seen = None;
    let explained = Explained { explanation, seen };
    scene
        .fake
        .set_answer(Answer::Explained(Box::new(explained)));
    let mut client = PresenceClient::new(channel(&scene).await);
    let of = |user: &str| proto::ExplainRequest {
        user: user.to_owned(),
        ..proto::ExplainRequest::default()
    };
    let shown = client.explain(call(&scene.token, of("alice@example.com")));
    let shown = shown.await.unwrap().into_inner();
    assert_eq!(shown.state, "lunch");
    assert_eq!(shown.until_ms, 1_800_000_000_000);
    assert_eq!(shown.like, ["break", "away"]);
    let phones = scene.client("phones", &[Scope::PublishPhone], 9, None);
    for (token, user) in [
        (&scene.token, "dora@example.org"),
        (&phones, "alice@example.com"),
    ] {
        let why = client.explain(call(token, of(user))).await.unwrap_err();
        assert_eq!(why.code(), Code::PermissionDenied, "{user}: {why}");
    }
    let why = client.explain(call(&phones, of("alice@example.com"))).await;
    let why = why.unwrap_err();
    assert!(why.message().contains("not the scope read:"), "{why}");
}

#[tokio::test]
async fn batches_count_by_publication_with_the_requests_of_the_same_program() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None; 500]));
    let scopes = [Scope::PublishManual, Scope::Read];
    let flood = scene.client("flood", &scopes, 1, None);
    let mut client = PresenceClient::new(channel(&scene).await);
    let users = ["alice@example.com"; 500];
    let mut batches = vec![proto::PublishRequest::default(); 50];
    batches.insert(0, batch(&users));
    let answers = client.publish(call(&flood, tokio_stream::iter(batches)));
    let mut answers = answers.await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let taken = answer.kinds.iter().take_while(|kind| kind.is_empty());
    let taken = taken.count();
    assert!((4..20).contains(&taken), "{taken} are taken");
    assert!(answer.kinds[taken..].iter().all(|kind| kind == "too-fast"));
    assert!(answer.refusals[499].contains("1 requests a second"));
    let why = loop {
        match answers.message().await {
            Ok(answer) => assert_eq!(answer, Some(proto::PublishResponse::default())),
            Err(why) => break why,
        }
    };
    assert_eq!(why.code(), Code::ResourceExhausted, "empty ones: {why}");
    let mut codes = Vec::new();
    for _ in 0..50 {
        let asked = client.explain(call(&flood, proto::ExplainRequest::default()));
        codes.push(asked.await.unwrap_err().code());
    }
    assert!(codes.contains(&Code::ResourceExhausted), "{codes:?}");

    // Nobody else waits.
    let batches = tokio_stream::iter([batch(&users)]);
    let answers = client.publish(call(&scene.token, batches)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert!(answer.kinds.iter().all(String::is_empty), "{answer:?}");
}

/// A stream of batches that are sent one by one.
async fn open(
    client: &mut PresenceClient<Channel>,
    token: &str,
) -> (
    mpsc::Sender<proto::PublishRequest>,
    Streaming<proto::PublishResponse>,
) {
    let (send, batches) = mpsc::channel(1);
    let batches = call(token, ReceiverStream::new(batches));
    let answers = client.publish(batches).await.unwrap();
    (send, answers.into_inner())
}

#[tokio::test]
async fn a_stream_of_batches_ends_with_its_token_and_its_node() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let mut client = PresenceClient::new(channel(&scene).await);
    let other = scene.client("other", &[Scope::PublishManual], 9, None);
    let (send, mut answers) = open(&mut client, &scene.token).await;
    let (_silent, mut unasked) = open(&mut client, &other).await;
    send.send(batch(&["alice@example.com"])).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().kinds, [""]);
    let name = "crm".to_owned();
    scene.fake.must(ControlCommand::ApiClientRemove { name });
    let why = answers.message().await.unwrap_err();
    assert_eq!(why.code(), Code::Unauthenticated, "{why}");
    assert!(why.message().contains("removed"), "{why}");

    scene.api.service.end();
    let why = unasked.message().await.unwrap_err();
    assert_eq!(why.code(), Code::Unavailable, "{why}");
}

#[tokio::test]
async fn a_program_has_so_many_streams_of_batches_and_no_more() {
    let scene = Scene::new();
    let mut client = PresenceClient::new(channel(&scene).await);
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(open(&mut client, &scene.token).await);
    }
    let why = refused(&scene, &scene.token).await;
    assert_eq!(why.code(), Code::ResourceExhausted, "{why}");
    assert!(why.message().contains("100 streams"), "{why}");
}

#[tokio::test]
async fn what_was_too_fast_is_answered_a_second_later() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None; 500]));
    let slow = scene.client("slow", &[Scope::PublishManual], 1, None);
    let mut client = PresenceClient::new(channel(&scene).await);
    let users = ["alice@example.com"; 500];
    for (token, too_fast) in [(&slow, true), (&scene.token, false)] {
        let begun = std::time::Instant::now();
        let batches = tokio_stream::iter([batch(&users), batch(&users)]);
        let answers = client.publish(call(token, batches)).await.unwrap();
        let mut answers = answers.into_inner();
        for _ in 0..2 {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.kinds[499] == "too-fast", too_fast);
        }
        let waited = begun.elapsed() >= Duration::from_secs(2);
        assert_eq!(waited, too_fast, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read_and_what_is_refused_is_not_told_back_at_length() {
    type Change = fn(&mut proto::Publication, String);
    let scene = Scene::new();
    let mut client = PresenceClient::new(channel(&scene).await);
    let batch_with = |change: Change, bytes: usize| {
        let mut batch = batch(&["alice@example.com"]);
        change(&mut batch.publications[0], "x".repeat(bytes));
        batch
    };
    let changes: [Change; 5] = [
        |publication, text| publication.user = text,
        |publication, text| publication.source = text,
        |publication, text| publication.words_of = text,
        |publication, text| publication.spans[0].says = text,
        |publication, text| publication.spans[0].note = text,
    ];
    for change in changes {
        let batches = [1_048_000, 1 << 20].map(|bytes| batch_with(change, bytes));
        let answers = client.publish(call(&scene.token, tokio_stream::iter(batches)));
        let mut answers = answers.await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.kinds, ["cannot-be"]);
        let why = &answer.refusals[0];
        assert!(why.len() < 400, "{} bytes: {why:.900}", why.len());
        let why = answers.message().await.unwrap_err();
        assert_eq!(why.code(), Code::OutOfRange, "{why}");
    }
    for (bytes, code) in [(4_000, Code::InvalidArgument), (4_096, Code::OutOfRange)] {
        let user = "x@".repeat(bytes / 2);
        let request = proto::ExplainRequest {
            user,
            ..proto::ExplainRequest::default()
        };
        let why = client.explain(call(&scene.token, request)).await;
        let why = why.unwrap_err();
        assert_eq!(why.code(), code, "{why}");
        assert!(why.message().len() < 400, "{why}");
    }
}

#[tokio::test]
async fn only_batches_may_come_for_as_long_as_their_program_likes() {
    let scene = Scene::new();
    let never = || stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    for (name, status) in [("Explain", Some("4")), ("Publish", None)] {
        let request = scene.request("POST", &format!("/{SERVICE_NAME}/{name}"));
        let request = request.header("content-type", "application/grpc");
        let request = request.body(Body::from_stream(never())).unwrap();
        let routes = scene.api.grpc(Duration::from_millis(50));
        let answered = tokio::time::timeout(Duration::from_secs(10), routes.oneshot(request));
        let answer = answered.await.unwrap().unwrap();
        let said = answer.headers().get("grpc-status");
        let said = said.map(|status| status.to_str().unwrap());
        assert_eq!(said, status, "{name}");
    }
}

#[tokio::test]
async fn http2_carries_everything_that_http1_does() {
    let scene = Scene::new();
    for (authorization, path, status) in [
        (format!("Bearer {}", scene.token), "/v1/openapi.json", 200),
        (format!("Bearer {}", scene.token), ALICE, 503),
        ("Bearer muster_short".to_owned(), ALICE, 401),
    ] {
        let request = http::Request::get(path)
            .header("authorization", authorization)
            .body(tonic::body::Body::empty())
            .unwrap();
        let answer = channel(&scene).await.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}
