//! The presence API for programs: tokens, REST, server-sent events, gRPC, bad input, floods; and whether it is what its
//! OpenAPI document says.

#[path = "api/flood.rs"]
mod flood;
#[path = "api/http2.rs"]
mod http2;

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use muster_testkit::{
    Client, Ctl, Library, Outcome, PATIENCE, Quickstart, Raw, Trust, clients, python, until,
};
use muster_tests::{Couple, log_in};
use serde_json::Value;

const CALL: &str = r#"{"state":"off-hook","expires_in":3600}"#;

/// A program with a token, at one node.
struct Program {
    address: String,
    trust: Trust,
    token: String,
}

/// What it was answered.
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Program {
    /// Lets a program in, with more words for `api-client create`.
    fn new(cluster: &Quickstart, node: &str, name: &str, more: &[&str]) -> Result<Self> {
        let mut words = vec!["api-client", "create", name];
        words.extend([
            "--scopes",
            "publish,read",
            "--domains",
            &cluster.facts().domain,
        ]);
        words.extend(more);
        let made = cluster.ctl().json(&words)?;
        let token = made["token"].as_str().context("no token")?.to_owned();
        let program = Self {
            address: address(cluster, node)?,
            trust: cluster.trust()?,
            token,
        };
        until("every node knows the program", PATIENCE, || {
            for node in ["a", "b"] {
                let there = Self {
                    address: address(cluster, node)?,
                    trust: cluster.trust()?,
                    token: program.token.clone(),
                };
                let asked = there.call("GET", "/v1/presence/nobody%40nowhere.example", "")?;
                if asked.status != 403 {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })?;
        Ok(program)
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let (token, length) = (&self.token, body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Result<Raw> {
        let mut raw = Raw::connect_tls(&self.address, &self.trust)?;
        raw.send(self.request(method, path, headers, body))?;
        Ok(raw)
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let headers = "Connection: close\r\nContent-Type: application/json\r\n";
        let all = self
            .send(method, path, headers, body)?
            .read_to_end(PATIENCE)?;
        let (head, body) = all.split_once("\r\n\r\n").context("no answer")?;
        let status = head.get(9..12).context("no status")?.parse()?;
        Ok(Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or_default(),
        })
    }

    fn says(&self, user: &str, source: &str, body: &str) -> Result<Answer> {
        self.call(
            "PUT",
            &format!("/v1/presence/{user}/sources/{source}"),
            body,
        )
    }

    /// Is told what changes about a user from now on, or since an event.
    fn events(&self, user: &str, last: Option<&str>) -> Result<Events> {
        let path = format!("/v1/presence/{user}/events");
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        let mut raw = self.send("GET", &path, &last, "")?;
        let head = raw.read_until("\r\n\r\n")?;
        anyhow::ensure!(head.contains("200 OK"), "{head}");
        Ok(Events(raw))
    }
}

/// A stream of events.
struct Events(Raw);

impl Events {
    /// The data and the id of the next event that has data.
    fn next(&mut self) -> Result<(Value, String)> {
        loop {
            let event = self.0.read_until("\n\n")?;
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if let Some(data) = field("data: ") {
                let id = field("id: ").unwrap_or_default();
                return Ok((serde_json::from_str(data)?, id.to_owned()));
            }
        }
    }

    fn state(&mut self) -> Result<(String, String)> {
        let (data, id) = self.next()?;
        let state = data["state"].as_str().with_context(|| data.to_string())?;
        Ok((state.to_owned(), id))
    }
}

fn address(cluster: &Quickstart, node: &str) -> Result<String> {
    let url = cluster.node(node)?.api.clone().context("no API")?;
    Ok(url.trim_start_matches("https://").to_owned())
}

/// Alice's address as it stands in a path.
fn in_path(jid: &str) -> String {
    jid.replace('@', "%40")
}

#[test]
fn a_program_publishes_and_reads_with_a_token_that_is_shown_once() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let alice_is = in_path(&couple.alice.jid);
    let program = Program::new(&cluster, &couple.peer, "crm", &[])?;
    let listed = cluster.ctl().run(&["api-client", "list", "-o", "json"])?;
    assert!(listed.contains("\"crm\"") && !listed.contains(&program.token[7..]));
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let mark = bob.mark();
    let said = program.says(&alice_is, "phone%2Fdesk", CALL)?;
    assert_eq!(said.status, 204, "{}", said.body);
    bob.expect(mark, "alice on the phone", |e| {
        e.is_presence("available", &couple.alice.jid) && e.text("status") == "On the phone"
    })?;
    // Every node tells the same.
    for node in ["a", "b"] {
        let reader = Program {
            address: address(&cluster, node)?,
            trust: cluster.trust()?,
            token: program.token.clone(),
        };
        let shown = reader.call("GET", &format!("/v1/presence/{alice_is}"), "")?;
        assert_eq!(shown.body["state"], "on-the-phone", "{}", shown.body);
        let sources = reader.call("GET", &format!("/v1/presence/{alice_is}/sources"), "")?;
        assert_eq!(
            sources.body["sources"][0]["source"], "phone/desk",
            "{}",
            sources.body
        );
    }
    let mark = bob.mark();
    let path = format!("/v1/presence/{alice_is}/sources/phone/desk");
    assert_eq!(program.call("DELETE", &path, "")?.status, 204);
    bob.expect(mark, "alice as she is", |e| {
        e.is_presence("available", &couple.alice.jid) && e.value("show").is_null()
    })?;
    Ok(())
}

#[test]
fn an_event_stream_goes_on_after_a_takeover_and_resumes_by_id() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let alice_is = in_path(&couple.alice.jid);
    let program = Program::new(&cluster, &couple.peer, "crm", &[])?;
    let _alice: Client = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    let mut events = program.events(&alice_is, None)?;
    until("alice is available", PATIENCE, || {
        Ok((events.state()?.0 == "available").then_some(()))
    })?;
    assert_eq!(program.says(&alice_is, "phone/desk", CALL)?.status, 204);
    let (state, before) = events.state()?;
    assert_eq!(state, "on-the-phone");

    cluster.kill(&couple.home)?;
    let dnd = r#"{"state":"dnd","expires_in":3600}"#;
    until("another owner takes what is said", PATIENCE, || {
        Ok((program.says(&alice_is, "phone/desk", dnd)?.status == 204).then_some(()))
    })?;
    let (state, after) = events.state()?;
    assert_eq!(
        state, "do-not-disturb",
        "nothing in between: {before}, {after}"
    );
    let epoch = |id: &str| {
        id.split('-')
            .next()
            .and_then(|epoch| epoch.parse::<u64>().ok())
    };
    assert!(epoch(&after) > epoch(&before), "{before}, {after}");

    // Who was cut off is told what is new, and only that.
    let mut late = program.events(&alice_is, Some(&before))?;
    assert_eq!(late.state()?, ("do-not-disturb".to_owned(), after.clone()));
    let mut current = program.events(&alice_is, Some(&after))?;
    let path = format!("/v1/presence/{alice_is}/sources/phone/desk");
    assert_eq!(program.call("DELETE", &path, "")?.status, 204);
    for stream in [&mut events, &mut late, &mut current] {
        assert_eq!(stream.state()?.0, "available", "the next after {after}");
    }
    Ok(())
}

#[test]
fn who_is_removed_is_refused_at_once_and_hears_no_more() -> Outcome {
    let cluster = Quickstart::start()?;
    let alice_is = in_path(&cluster.user(0).jid);
    let program = Program::new(&cluster, "a", "crm", &[])?;
    let mut events = program.events(&alice_is, None)?;
    events.state()?;
    cluster.ctl().run(&["api-client", "remove", "crm"])?;
    let (data, _) = events.next()?;
    assert!(data["detail"].to_string().contains("removed"), "{data}");
    let path = format!("/v1/presence/{alice_is}");
    until("node a has heard of it", PATIENCE, || {
        Ok((program.call("GET", &path, "")?.status == 401).then_some(()))
    })?;
    let brief = Program::new(&cluster, "a", "brief", &["--lifetime", "2s"])?;
    let mut events = brief.events(&alice_is, None)?;
    events.state()?;
    let (data, _) = events.next()?;
    assert!(data["detail"].to_string().contains("expired"), "{data}");
    assert_eq!(brief.call("GET", &path, "")?.status, 401);
    Ok(())
}

fn add_tenant(ctl: &Ctl) -> Result<()> {
    ctl.run(&["domain", "add", "tenant.example"])?;
    ctl.run_with(
        &["user", "add", "dora@tenant.example", "--password-file", "-"],
        "secret",
    )
    .map(drop)
}

#[test]
fn bad_requests_have_clear_answers_and_disturb_nobody() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    add_tenant(&ctl)?;
    let alice_is = in_path(&cluster.user(0).jid);
    let mut program = Program::new(&cluster, "a", "crm", &[])?;
    let megabyte = format!(r#"{{"state":"off-hook","note":"{}"}}"#, "x".repeat(1 << 20));
    let past = r#"{"state":"off-hook","end":"2020-01-01T00:00:00Z"}"#;
    let years = r#"{"state":"off-hook","end":"2099-01-01T00:00:00Z"}"#;
    for (user, body, status, part) in [
        (
            "dora%40tenant.example",
            CALL,
            403,
            "its token is for example.com",
        ),
        ("nobody%40example.com", CALL, 404, "there is no user"),
        (&*alice_is, &*megabyte, 413, "65536 bytes"),
        (&*alice_is, past, 422, "it ended at"),
        (&*alice_is, years, 422, "31 days"),
    ] {
        let answer = program.says(user, "phone/desk", body)?;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(
            answer.status == status && detail.contains(part),
            "{user}: {} {}",
            answer.head,
            answer.body
        );
        assert!(
            answer.head.contains("application/problem+json"),
            "{}",
            answer.head
        );
    }
    let slow = Program::new(&cluster, "a", "slow", &["--rate", "5"])?;
    let path = format!("/v1/presence/{alice_is}");
    until("a flood is told to wait", PATIENCE, || {
        let answer = slow.call("GET", &path, "")?;
        Ok((answer.status == 429 && answer.head.contains("retry-after: 1")).then_some(()))
    })?;
    assert_eq!(program.call("GET", &path, "")?.status, 200);
    program.token = format!("{}A", program.token);
    assert_eq!(program.call("GET", &path, "")?.status, 401);
    Ok(())
}

/// How long other people's tester may take.
const TESTED: Duration = Duration::from_secs(60);

#[test]
fn the_api_is_what_its_openapi_document_says() -> Outcome {
    let cluster = Quickstart::start()?;
    let program = Program::new(&cluster, "a", "schemathesis", &[])?;
    let begun = Instant::now();
    let url = format!("https://{}", program.address);
    let output = Command::new(python()?)
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(clients().join("schemathesis.toml"))
        .args(["run", &format!("{url}/v1/openapi.json"), "--url", &url])
        .env("MUSTER_TOKEN", &program.token)
        .env("MUSTER_USER", &cluster.user(0).jid)
        .env("REQUESTS_CA_BUNDLE", &cluster.facts().ca_file)
        .current_dir(cluster.folder())
        .output()
        .context("starting schemathesis")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(begun.elapsed() < TESTED, "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn a_silent_stranger_holds_no_place_and_plain_http_is_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = address(&cluster, "a")?;
    let mut plain = Raw::connect(&address)?;
    plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    assert!(!plain.read_to_end(PATIENCE)?.contains("HTTP/1.1"));
    let mut stranger = Raw::connect_tls(&address, &cluster.trust()?)?;
    stranger.send("GET /v1/presence/x HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let answer = stranger.read_to_end(PATIENCE)?;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    Ok(())
}

#[test]
fn a_program_streams_batches_over_http2_and_each_publication_is_answered() -> Outcome {
    let cluster = Quickstart::start()?;
    let alice = &cluster.user(0).jid;
    let mut program = Program::new(&cluster, "a", "calendars", &[])?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let in_an_hour = u64::try_from(since.as_millis())? + 3_600_000;
    let batch = |nobody: &str| {
        let both = [
            http2::off_hook(alice, in_an_hour)?,
            http2::off_hook(nobody, in_an_hour)?,
        ];
        anyhow::Ok(both.concat())
    };
    let nobodies = ["nobody1@example.com", "nobody2@example.com", "n@x.example"];
    let batches = nobodies
        .map(batch)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let trust = program.trust.with_alpn(&["h2"]);
    let mut raw = Raw::connect_tls(&program.address, &trust)?;
    assert_eq!(raw.alpn().as_deref(), Some("h2"));
    raw.send(http2::publish(&program.token, &batches)?)?;
    for part in [
        "no user nobody1@",
        "unknown-user",
        "no user nobody2@",
        "its token is for example.com",
        "other-domain",
    ] {
        raw.read_until(part)?;
    }
    let path = format!("/v1/presence/{}/sources", in_path(alice));
    let sources = program.call("GET", &path, "")?.body;
    assert_eq!(sources["sources"][0]["source"], "phone/desk", "{sources}");

    // A stranger's connection is closed.
    program.token = program.token.replace("muster_", "muster-");
    let mut raw = Raw::connect_tls(&program.address, &trust)?;
    raw.send(http2::publish(&program.token, &batches)?)?;
    raw.read_to_end(PATIENCE)?;
    Ok(())
}
