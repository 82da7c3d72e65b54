use super::super::rest_test::{ALICE, Scene, composed, row};
use super::*;
use crate::publish::now_ms;
use axum::body::{Body, BodyDataStream};
use muster_cluster::ControlCommand;
use muster_types::{BareJid, Timestamp};

/// A stream that is read event by event.
struct Reader(BodyDataStream, String);

impl Reader {
    async fn open(scene: &Scene, path: &str, last: Option<&str>) -> Self {
        let mut request = scene.request("GET", path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = scene.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body().into_data_stream(), String::new())
    }

    /// The fields of the next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Vec<(String, String)>> {
        while !self.1.contains("\n\n") {
            let part = self.0.next().await?.unwrap();
            self.1 += std::str::from_utf8(&part).unwrap();
        }
        let (event, rest) = self.1.split_once("\n\n").unwrap();
        let fields = event.lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        let fields = fields.collect();
        self.1 = rest.to_owned();
        Some(fields)
    }

    async fn next_field(&mut self, field: &str) -> String {
        let event = self.next().await.unwrap();
        let found = event.iter().find(|(name, _)| name == field);
        found
            .unwrap_or_else(|| panic!("no {field} in {event:?}"))
            .1
            .clone()
    }
}

fn state(data: &str) -> String {
    let value: Value = serde_json::from_str(data).unwrap();
    value["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_tells_what_is_and_what_changes_and_resumes_by_id() {
    let scene = Scene::new();
    let path = format!("{ALICE}/events");
    let tell = |seq, word: &str| {
        let newest = Ok(composed(seq, word));
        scene.fake.tell_followers("alice@example.com", newest);
    };
    tell(1, "away");
    let mut reader = Reader::open(&scene, &path, None).await;
    assert_eq!(state(&reader.next_field("data").await), "away");
    tell(2, "busy");
    let event = reader.next().await.unwrap();
    let names: Vec<_> = event.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let id = event
        .iter()
        .find(|(name, _)| name == "id")
        .unwrap()
        .1
        .clone();
    drop(reader);

    // Nothing has changed, then a new owner says the same, then something is new.
    let mut reader = Reader::open(&scene, &path, Some(&id)).await;
    let mut same = composed(1, "busy");
    same.version.epoch = muster_types::Epoch::opened_at(muster_types::LogIndex(9));
    scene.fake.tell_followers("alice@example.com", Ok(same));
    let quiet = reader.next().await.unwrap();
    assert_eq!(quiet.len(), 1, "only its id: {quiet:?}");
    assert!(quiet[0].1.starts_with("9-1-"));
    let mut lunch = composed(2, "lunch");
    lunch.version.epoch = muster_types::Epoch::opened_at(muster_types::LogIndex(9));
    scene.fake.tell_followers("alice@example.com", Ok(lunch));
    assert_eq!(state(&reader.next_field("data").await), "lunch");
    let other = Reader::open(&scene, &path, Some("of another stream")).await;
    let mut other = other;
    assert_eq!(state(&other.next_field("data").await), "lunch");
}

#[tokio::test]
async fn several_users_share_a_stream_and_its_id() {
    let scene = Scene::new();
    let rows = vec![row("bob@example.com")];
    let update = false;
    scene
        .fake
        .must(ControlCommand::AccountsPut { rows, update });
    let path = "/v1/events?jid=bob%40example.com&jid=alice@example.com&jid=bob@example.com";
    let mut reader = Reader::open(&scene, path, None).await;
    let tell = |user: &str, word| scene.fake.tell_followers(user, Ok(composed(1, word)));
    tell("bob@example.com", "busy");
    let id = reader.next_field("id").await;
    assert!(id.starts_with("0,7-1-"), "alice, then bob: {id}");
    tell("alice@example.com", "away");
    assert_eq!(state(&reader.next_field("data").await), "away");
    let mut later = Reader::open(&scene, path, Some(&id)).await;
    assert_eq!(
        state(&later.next_field("data").await),
        "away",
        "bob is known"
    );

    let jid = BareJid::new("alice@example.com").unwrap();
    scene.fake.must(ControlCommand::AccountRemove { jid });
    assert_eq!(reader.next_field("event").await, "removed");
    let jid = BareJid::new("bob@example.com").unwrap();
    scene.fake.must(ControlCommand::AccountRemove { jid });
    assert_eq!(reader.next_field("event").await, "removed");
    assert_eq!(reader.next().await, None, "nobody is left");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_its_node_and_its_owner() {
    let scene = Scene::new();
    let path = format!("{ALICE}/events");
    let mut reader = Reader::open(&scene, &path, None).await;
    let (name, hash) = ("crm".to_owned(), muster_cluster::TokenHash([9; 32]));
    scene
        .fake
        .must(ControlCommand::ApiClientRotate { name, hash });
    assert_eq!(reader.next_field("event").await, "closed");
    assert_eq!(reader.next().await, None);

    let mut scene = Scene::new();
    let soon = Timestamp(now_ms() + 300);
    scene.token = scene.client("short", &Scope::ALL, 9, Some(soon));
    let mut reader = Reader::open(&scene, &path, None).await;
    assert!(reader.next_field("data").await.contains("expired"));
    assert_eq!(reader.next().await, None);

    let scene = Scene::new();
    let mut reader = Reader::open(&scene, &path, None).await;
    let mut other = Reader::open(&scene, &path, None).await;
    scene
        .fake
        .tell_followers("alice@example.com", Err(FollowRefused));
    assert!(reader.next_field("data").await.contains("follow fewer"));
    assert!(other.next_field("data").await.contains("follow fewer"));

    let scene = Scene::new();
    let mut reader = Reader::open(&scene, &path, None).await;
    scene.api.service.end();
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn streams_that_cannot_be_are_refused() {
    let scene = Scene::new();
    let many: Vec<_> = (0..51).map(|n| format!("jid=u{n}@example.com")).collect();
    for (path, status) in [
        ("/v1/events".to_owned(), 400),
        ("/v1/events?user=alice@example.com".to_owned(), 400),
        ("/v1/events?jid=dora@example.org".to_owned(), 403),
        ("/v1/events?jid=nobody@example.com".to_owned(), 404),
        (format!("/v1/events?{}", many.join("&")), 400),
    ] {
        let request = scene.request("GET", &path).body(Body::empty()).unwrap();
        assert_eq!(scene.send(request).await.status(), status, "{path}");
    }
    let path = format!("{ALICE}/events");
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(Reader::open(&scene, &path, None).await);
    }
    let request = |scene: &Scene| scene.request("GET", &path).body(Body::empty()).unwrap();
    assert_eq!(scene.send(request(&scene)).await.status(), 429);
    open.pop();
    assert_eq!(scene.send(request(&scene)).await.status(), 200);
}
