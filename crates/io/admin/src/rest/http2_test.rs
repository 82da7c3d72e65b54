use super::super::client::Caller;
use super::super::grpc::grpc_test::{batch, call};
use super::super::rest_test::{ALICE, Scene};
use super::*;
use crate::proto::presence::presence_client::PresenceClient;
use axum::body::Body;
use axum::http::{Response, StatusCode, Uri};
use axum::routing::get;
use futures_util::future::join_all;
use muster_cluster::ControlCommand;
use muster_envelope::Answer;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

const SHORT: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);
const WINDOW: u32 = 65_535;

const fn patience(idle: Duration, stall: Duration) -> Patience {
    Patience { idle, stall }
}

type Serving = JoinHandle<hyper::Result<()>>;

/// A connection that is served, and its other end, which takes so many bytes of an answer without being read.
async fn connect(routes: Router, patience: Patience, window: u32) -> (Channel, Serving) {
    let (near, far) = tokio::io::duplex(65_536);
    let (ending, ended) = watch::channel(false);
    let serving = tokio::spawn(async move {
        let served = serve(near, routes, ended, patience).await;
        drop(ending);
        served
    });
    let mut far = Some(TokioIo::new(far));
    let connector = tower::service_fn(move |_: Uri| {
        let far = far.take().ok_or(io::ErrorKind::NotConnected);
        async { far.map_err(io::Error::from) }
    });
    let endpoint = Endpoint::from_static("http://api").initial_stream_window_size(window);
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    (channel, serving)
}

/// Asks for something, with a token or with an empty one.
async fn ask(
    channel: &Channel,
    token: &str,
    method: &str,
    path: &str,
) -> Result<Response<tonic::body::Body>, tonic::transport::Error> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(tonic::body::Body::empty()).unwrap();
    channel.clone().oneshot(request).await
}

async fn ends(serving: Serving) -> bool {
    tokio::time::timeout(LONG, serving).await.is_ok()
}

#[tokio::test]
async fn who_says_nothing_keeps_no_connection() {
    let (near, _far) = tokio::io::duplex(1_000);
    let (_ending, ended) = watch::channel(false);
    let serving = serve(near, Router::new(), ended, patience(SHORT, LONG));
    let served = tokio::time::timeout(LONG, serving).await;
    assert!(served.is_ok(), "it is served on and on");
}

#[tokio::test]
async fn who_asks_for_what_needs_no_token_keeps_no_connection_whether_it_reads_or_not() {
    let scene = Scene::new();
    let asked = [
        ("GET", "/v1/openapi.json", 200),
        ("GET", "/v1/nothing", 404),
        ("POST", ALICE, 405),
    ];
    let tried = asked
        .into_iter()
        .flat_map(|asked| [0, WINDOW].map(|window| (asked, window)));
    let tried = tried.map(async |((method, path, status), window)| {
        let routes = scene.api.clone().routes_with_grpc();
        let (channel, serving) = connect(routes, patience(SHORT, LONG), window).await;
        let asking = tokio::spawn(async move {
            let mut unread = Vec::new();
            while let Ok(response) = ask(&channel, "", method, path).await {
                assert_eq!(response.status(), status, "{path}");
                unread.push(response);
                tokio::time::sleep(SHORT / 4).await;
            }
            unread.len()
        });
        assert!(ends(serving).await, "{path}, {window}");
        assert!(asking.await.unwrap() > 0, "{path}");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn who_takes_nothing_of_its_answers_is_left_and_its_places_are_free() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    for path in ["a batch", "/v1/openapi.json", &format!("{ALICE}/events")] {
        let routes = scene.api.clone().routes_with_grpc();
        let (channel, serving) = connect(routes, patience(LONG * 9, SHORT), 0).await;
        let (send, batches) = mpsc::channel(1);
        let mut client = PresenceClient::new(channel.clone());
        let batches = call(&scene.token, ReceiverStream::new(batches));
        let _stream = client.publish(batches).await.unwrap();
        let places = (1..100).map(|_| scene.api.streams.take("crm"));
        let places: Vec<_> = places.collect::<Result<_, _>>().unwrap();
        assert!(scene.api.streams.take("crm").is_err(), "one is taken");
        drop(places);
        let _unread = if path == "a batch" {
            send.send(batch(&["alice@example.com"])).await.unwrap();
            None
        } else {
            Some(ask(&channel, &scene.token, "GET", path).await.unwrap())
        };
        if path.ends_with("events") {
            // Its streams would end by themselves if it took what they say.
            let name = "crm".to_owned();
            scene.fake.must(ControlCommand::ApiClientRemove { name });
        }
        assert!(ends(serving).await, "{path}");
        let free = async {
            loop {
                let places = (0..100).map(|_| scene.api.streams.take("crm"));
                let places: Vec<_> = places.collect();
                if places.iter().all(Result::is_ok) {
                    return;
                }
                drop(places);
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        tokio::time::timeout(LONG, free).await.unwrap();
    }
}

#[tokio::test]
async fn who_takes_its_answers_is_served_on_however_long_it_is_silent() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let routes = scene.api.clone().routes_with_grpc();
    let (channel, serving) = connect(routes, patience(SHORT, SECOND), WINDOW).await;
    let (send, batches) = mpsc::channel(1);
    let mut client = PresenceClient::new(channel);
    let batches = call(&scene.token, ReceiverStream::new(batches));
    let mut answers = client.publish(batches).await.unwrap().into_inner();
    for pause in [SHORT, SHORT, SECOND * 3, SHORT] {
        send.send(batch(&["alice@example.com"])).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.kinds, [""]);
        tokio::time::sleep(pause).await;
    }
    assert!(!serving.is_finished());
    drop((send, answers));
    assert!(ends(serving).await, "nobody calls any more");
}

#[tokio::test]
async fn a_call_that_waits_for_its_answer_is_a_use_of_its_connection() {
    let scene = Scene::new();
    let slow = get(async |_: Caller| tokio::time::sleep(SECOND * 3).await);
    let routes = Router::new().route("/slow", slow);
    let routes = routes.route("/quick", get(async |_: Caller| {}));
    let routes = routes.with_state(scene.api.clone());
    let (channel, serving) = connect(routes, patience(SECOND * 2, LONG), WINDOW).await;
    for path in ["/slow", "/quick"] {
        let answer = ask(&channel, &scene.token, "GET", path).await;
        assert_eq!(answer.unwrap().status(), 200, "{path}");
    }
    assert!(ends(serving).await, "nobody calls any more");
}

#[tokio::test]
async fn a_connection_is_of_use_while_a_program_is_answered() {
    let uses = Uses::new();
    let answer = |status: StatusCode, good: bool| {
        let call = uses.call();
        if good {
            call.is_a_programs();
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        call.answer(response)
    };
    let stands = async |idle: Duration| {
        let over = uses.over(patience(idle, LONG));
        tokio::time::timeout(2 * SHORT, over).await.is_err()
    };
    let one = answer(StatusCode::OK, true);
    let other = answer(StatusCode::OK, true);
    drop(one);
    assert!(stands(SHORT).await);
    drop(answer(StatusCode::UNAUTHORIZED, false));
    assert!(stands(SHORT).await, "others have a stream on it");
    drop(other);
    assert!(!stands(LONG).await, "the last who came was a stranger");
    drop(answer(StatusCode::TOO_MANY_REQUESTS, true));
    assert!(stands(LONG).await, "it was a program");
    drop(answer(StatusCode::OK, false));
    assert!(!stands(SHORT).await, "it was long ago");
}
