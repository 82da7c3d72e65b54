use super::*;
use crate::fake::Fake;
use crate::token;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use muster_cluster::{AccountRow, ApiClient, ControlCommand, Scope};
use muster_envelope::{Answer, Composed, Explained, ReportRefusal};
use muster_presence::{Explanation, Mapping, Said, Version};
use muster_sasl::Verifiers;
use muster_types::{BareJid, DomainPart, Epoch, LogIndex, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;
use tower::ServiceExt;

pub(super) const ALICE: &str = "/v1/presence/alice%40example.com";
const CALL: &str = r#"{"state":"off-hook","expires_in":60}"#;

pub(super) fn row(user: &str) -> AccountRow {
    AccountRow {
        jid: BareJid::new(user).unwrap(),
        verifiers: Verifiers::from_password("secret", &[7; 16], 4_096).unwrap(),
        home: None,
        name: None,
    }
}

/// A cluster with alice of example.com, dora of example.org, and a program.
pub(super) struct Scene {
    pub(super) fake: Arc<Fake>,
    pub(super) api: Api,
    pub(super) token: String,
}

impl Scene {
    pub(super) fn new() -> Self {
        let fake = Fake::pair();
        let domain = DomainPart::new("example.org").unwrap().into_owned();
        fake.must(ControlCommand::DomainAdd { domain });
        let rows = vec![row("alice@example.com"), row("dora@example.org")];
        let update = false;
        fake.must(ControlCommand::AccountsPut { rows, update });
        let api = Api::new(fake.clone());
        let mut scene = Self {
            fake,
            api,
            token: String::new(),
        };
        scene.token = scene.client("crm", &Scope::ALL, 2_000, None);
        scene
    }

    /// Makes a program; its token.
    pub(super) fn client(
        &self,
        name: &str,
        scopes: &[Scope],
        per_second: u32,
        expires: Option<Timestamp>,
    ) -> String {
        let (token, hash) = token::generate().unwrap();
        let client = ApiClient {
            hash,
            scopes: scopes.iter().copied().collect(),
            domains: BTreeSet::from(["example.com".to_owned()]),
            per_second,
            expires,
            created_by: "a test".to_owned(),
            created: Timestamp(1),
        };
        let name = name.to_owned();
        self.fake
            .must(ControlCommand::ApiClientCreate { name, client });
        token
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response {
        self.api.clone().routes().oneshot(request).await.unwrap()
    }

    pub(super) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let authorization = format!("Bearer {}", self.token);
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", authorization)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        read(self.send(request).await).await
    }

    async fn put(&self, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = self.request("PUT", path);
        let request = request.header("content-type", "application/json");
        read(self.send(request.body(body.into()).unwrap()).await).await
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    let bytes = to_bytes(response.into_body(), 100_000).await.unwrap();
    if status >= 400 {
        assert_eq!(kind.unwrap(), "application/problem+json");
    }
    let value = serde_json::from_slice(&bytes).unwrap_or_default();
    (status, value)
}

#[tokio::test]
async fn what_is_said_is_handed_to_the_owner_and_its_refusals_have_their_status() {
    let scene = Scene::new();
    let path = format!("{ALICE}/sources/phone/desk");
    for (refusal, status) in [
        (None, 204),
        (Some(ReportRefusal::NoAccount), 404),
        (Some(ReportRefusal::TooManySources(32)), 409),
        (
            Some(ReportRefusal::UnknownState("lunch".parse().unwrap())),
            422,
        ),
    ] {
        scene.fake.set_answer(Answer::Reports(vec![refusal]));
        assert_eq!(scene.put(&path, CALL).await.0, status);
    }
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let encoded = format!("{ALICE}/sources/phone%2Fdesk");
    assert_eq!(scene.put(&encoded, CALL).await.0, 204);
    let request = scene.request("DELETE", &encoded).body(Body::empty());
    assert_eq!(scene.send(request.unwrap()).await.status(), 204);
}

#[tokio::test]
async fn bad_input_is_answered_with_a_problem_that_says_what_to_do() {
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let dora = "/v1/presence/dora%40example.org/sources/phone/desk";
    let nobody = "/v1/presence/nobody%40example.com/sources/phone/desk";
    let desk = &format!("{ALICE}/sources/phone/desk");
    let past = r#"{"state":"off-hook","end":"2001-01-01T00:00:00Z"}"#;
    let years = r#"{"state":"off-hook","expires_in":94608000}"#;
    let endless = r#"{"state":"off-hook"}"#;
    let no_state = r#"{"state":"levitating","expires_in":60}"#;
    let megabyte = format!(r#"{{"state":"off-hook","note":"{}"}}"#, "x".repeat(1 << 20));
    for (path, body, status, part) in [
        (dora, CALL, 403, "its token is for example.com"),
        (nobody, CALL, 404, "no user nobody@example.com"),
        ("/v1/presence/%20/sources/manual", CALL, 400, "no address"),
        (
            "/v1/presence/%ff/sources/manual",
            CALL,
            400,
            "cannot be read",
        ),
        (
            "/v1/presence/example.com/sources/manual",
            CALL,
            400,
            "names no user",
        ),
        (
            &format!("{ALICE}/sources/radio/1"),
            CALL,
            400,
            "is no source",
        ),
        (desk, past, 422, "it ended at"),
        (desk, years, 422, "31 days"),
        (desk, endless, 422, "must say when this ends"),
        (desk, no_state, 422, "on-hook, off-hook"),
        (desk, r#"{"state":"#, 400, "cannot be used"),
        (desk, r#"{"colour":"red"}"#, 422, "unknown field"),
        (desk, &megabyte, 413, "65536 bytes"),
    ] {
        let (got, problem) = scene.put(path, body.to_owned()).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(
            got == status && detail.contains(part),
            "{path}: {got} {problem}"
        );
        assert_eq!(problem["status"], status);
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:muster:problem:")
        );
    }
    let text = scene
        .request("PUT", desk)
        .header("content-type", "text/plain");
    let (status, problem) = read(scene.send(text.body(CALL.into()).unwrap()).await).await;
    assert_eq!(status, 415, "{problem}");
    assert_eq!(scene.get("/v2/presence").await.0, 404);
    let post = scene.request("POST", ALICE).body(Body::empty()).unwrap();
    let refused = scene.send(post).await;
    assert!(refused.headers().contains_key("allow"));
    assert_eq!(read(refused).await.0, 405);
}

#[tokio::test]
async fn only_who_has_a_good_token_and_the_scope_is_served() {
    let mut scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let path = format!("{ALICE}/sources/phone/desk");
    let stranger = Request::get(ALICE).body(Body::empty()).unwrap();
    let refused = scene.send(stranger).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        "Bearer realm=\"muster\""
    );
    assert_eq!(refused.headers()["connection"], "close");
    assert_eq!(read(refused).await.0, 401);
    let good = scene.token.clone();
    for (token, part) in [
        ("muster_short".to_owned(), "no token of this cluster"),
        (token::generate().unwrap().0, "not known here"),
        (
            scene.client("old", &Scope::ALL, 9, Some(Timestamp(5))),
            "expired",
        ),
    ] {
        scene.token = token;
        let (status, problem) = scene.get(ALICE).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 401 && detail.contains(part), "{status} {detail}");
    }
    scene.token = scene.client("reader", &[Scope::Read], 9, None);
    let (status, problem) = scene.put(&path, CALL).await;
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("publish:phone")
    );
    scene.token = scene.client("phones", &[Scope::PublishPhone], 9, None);
    assert_eq!(scene.put(&path, CALL).await.0, 204);
    let calendar = format!("{ALICE}/sources/calendar/work");
    assert_eq!(scene.put(&calendar, CALL).await.0, 403);
    assert_eq!(scene.get(ALICE).await.0, 403);

    scene.token = good;
    assert_eq!(scene.put(&path, CALL).await.0, 204);
    let name = "crm".to_owned();
    scene.fake.must(ControlCommand::ApiClientRemove { name });
    assert_eq!(scene.put(&path, CALL).await.0, 401, "refused at once");
}

#[tokio::test]
async fn a_flood_is_told_to_wait_and_nobody_else_is() {
    let mut scene = Scene::new();
    scene.fake.set_answer(Answer::Reports(vec![None]));
    let other = std::mem::take(&mut scene.token);
    scene.token = scene.client("flood", &Scope::ALL, 10, None);
    let path = format!("{ALICE}/sources/phone/desk");
    let mut taken = 0;
    for _ in 0..200 {
        match scene.put(&path, CALL).await {
            (204, _) => taken += 1,
            (429, problem) => assert!(problem["detail"].as_str().unwrap().contains("10 requests")),
            (status, problem) => panic!("{status} {problem}"),
        }
    }
    assert!((50..150).contains(&taken), "{taken} of 200 are taken");
    let request = scene.request("GET", ALICE).body(Body::empty()).unwrap();
    assert_eq!(scene.send(request).await.headers()["retry-after"], "1");
    scene.token = other;
    assert_eq!(scene.put(&path, CALL).await.0, 204);
}

#[tokio::test]
async fn composed_presence_and_sources_are_shown() {
    let scene = Scene::new();
    assert_eq!(scene.get(ALICE).await.0, 503, "nobody answers");
    let said = |source: &str| Said {
        source: source.to_owned(),
        says: "off-hook".to_owned(),
        note: None,
        until: Some(Timestamp(0)),
        won: true,
        remark: None,
    };
    let explanation = Explanation {
        state: "on-the-phone".to_owned(),
        show: "dnd".to_owned(),
        status: Some("On the phone".to_owned()),
        said: vec![said("device/desk"), said("phone/desk")],
        ..Explanation::default()
    };
    let seen = None;
    let explained = Explained { explanation, seen };
    scene
        .fake
        .set_answer(Answer::Explained(Box::new(explained)));
    let (status, shown) = scene.get(ALICE).await;
    assert_eq!(status, 200);
    assert_eq!(shown["jid"], "alice@example.com");
    assert_eq!(shown["state"], "on-the-phone");
    assert_eq!(shown["until"], Value::Null);
    assert_eq!(shown["said"][1]["until"], "1970-01-01T00:00:00.000Z");
    let (_, sources) = scene.get(&format!("{ALICE}/sources")).await;
    assert_eq!(sources["sources"].as_array().unwrap().len(), 1);
    let (_, teams) = scene.get(&format!("{ALICE}?words_of=teams")).await;
    assert_eq!(teams["elsewhere"]["word"], "Busy", "{teams}");
    for query in [
        "words_of=",
        "words_of=skype",
        "words=teams",
        "words_of=teams&words_of=lync",
    ] {
        assert_eq!(
            scene.get(&format!("{ALICE}?{query}")).await.0,
            400,
            "{query}"
        );
    }
}

/// A path of the description as the router writes it.
fn paths(document: &Value) -> BTreeSet<&str> {
    let paths = document["paths"].as_object().unwrap();
    paths.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_description_has_every_path_and_no_other() {
    let scene = Scene::new();
    let request = Request::get("/v1/openapi.json").body(Body::empty());
    let (status, document) = read(scene.send(request.unwrap()).await).await;
    assert_eq!((status, &document["openapi"]), (200, &Value::from("3.1.0")));
    let source = include_str!("mod.rs");
    let routed = source.split(".route(\"").skip(1);
    let routed: BTreeSet<_> = routed.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(paths(&document), routed);
}

#[tokio::test]
async fn the_description_names_every_system_whose_words_are_taken_and_no_other() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let listed = document["components"]["schemas"]["WordsOf"]["enum"].as_array();
    let listed: Vec<_> = listed
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let mut taken = BTreeSet::new();
    for name in Mapping::preset_names() {
        let variants = Mapping::preset(name).unwrap().variants();
        taken.extend(variants.map(|variant| format!("{name}/{variant}")));
        taken.insert(name.to_owned());
    }
    assert_eq!(listed.len(), taken.len(), "none stands there twice");
    let named: BTreeSet<_> = listed.iter().map(|one| (*one).to_owned()).collect();
    assert_eq!(named, taken);
    let scene = Scene::new();
    scene.fake.set_answer(Answer::Explained(Box::new(Explained {
        explanation: Explanation::default(),
        seen: None,
    })));
    for one in listed {
        let path = format!("{ALICE}?words_of={one}");
        assert_eq!(scene.get(&path).await.0, 200, "{one}");
    }
}

pub(super) fn composed(seq: u64, state: &str) -> Composed {
    let version = Version {
        epoch: Epoch::opened_at(LogIndex(7)),
        seq,
    };
    let presence = Explanation {
        state: state.to_owned(),
        ..Explanation::default()
    };
    Composed { version, presence }
}
