//! What no honest client sends. Each gets the right error and nobody else notices.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use muster_testkit::{Library, Outcome, Quickstart, Raw, UserFacts, header, plain};
use muster_tests::{c2s, log_in};
use serde_json::json;

/// Deadlines for a silent client are 30 s; this is the longest it may take until the server has closed.
const SILENCE: Duration = Duration::from_secs(45);
const CLOSE: Duration = Duration::from_secs(10);

/// A bad thing to send and the conditions of which one must come back.
struct Case {
    what: &'static str,
    sends: Vec<u8>,
    answers: &'static [&'static str],
}

fn case(what: &'static str, sends: impl Into<Vec<u8>>, answers: &'static [&'static str]) -> Case {
    Case {
        what,
        sends: sends.into(),
        answers,
    }
}

/// A header with something changed.
fn header_with(from: &str, to: &str) -> String {
    let good = header("example.com");
    assert!(good.contains(from), "{from} is not in the header");
    good.replacen(from, to, 1)
}

/// Runs all cases and names every one that went wrong.
fn check(cases: &[Case], connect: impl Fn() -> Result<Raw>) -> Result<()> {
    let mut wrong = Vec::new();
    for Case {
        what,
        sends,
        answers,
    } in cases
    {
        let mut raw = connect().context(*what)?;
        raw.send(sends)?;
        match raw.read_to_end(CLOSE) {
            Ok(answer)
                if answers
                    .iter()
                    .any(|condition| answer.contains(&format!("<{condition}"))) => {}
            Ok(answer) => wrong.push(format!("{what}: expected one of {answers:?}, got {answer}")),
            Err(problem) => wrong.push(format!("{what}: {problem:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A third-party client still gets what it wants.
fn others_notice_nothing(cluster: &Quickstart) -> Result<()> {
    let mut client = log_in(cluster, Library::Slixmpp, cluster.user(1), "a")?;
    client.ask(json!({"do": "ping"}))?;
    client.quit()
}

#[test]
fn bad_xml_before_login_gets_the_right_stream_error() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = c2s(cluster.node("a")?)?.to_owned();
    let open = header("example.com");
    let after = |bytes: &[u8]| [open.as_bytes(), bytes].concat();
    let nested = "<x>".repeat(100);
    check(
        &[
            case(
                "another protocol",
                "GET / HTTP/1.1\r\n\r\n",
                &["not-well-formed", "bad-format", "invalid-xml"],
            ),
            case(
                "another root",
                "<html xmlns='jabber:client'>",
                &["invalid-namespace", "bad-format"],
            ),
            case(
                "another stream namespace",
                header_with("etherx", "other"),
                &["invalid-namespace"],
            ),
            case(
                "another content namespace",
                header_with("jabber:client", "jabber:none"),
                &["invalid-namespace"],
            ),
            case(
                "another encoding",
                header_with("?>", " encoding='ISO-8859-1'?>"),
                &["unsupported-encoding"],
            ),
            case(
                "an unknown domain",
                header("elsewhere.example"),
                &["host-unknown"],
            ),
            case(
                "a document type",
                "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]>",
                &["restricted-xml"],
            ),
            case("a comment", after(b"<!-- hello -->"), &["restricted-xml"]),
            case(
                "a processing instruction",
                after(b"<?php ?>"),
                &["restricted-xml"],
            ),
            case(
                "an entity",
                after(b"<x>&bomb;</x>"),
                &["not-well-formed", "restricted-xml"],
            ),
            case("a wrong end tag", after(b"<a></b>"), &["not-well-formed"]),
            case(
                "an undeclared prefix",
                after(b"<no:x/>"),
                &["bad-namespace-prefix"],
            ),
            case(
                "bytes that are no UTF-8",
                after(b"<x>\xff\xfe</x>"),
                &["not-well-formed", "bad-format"],
            ),
            case(
                "text between stanzas",
                after(b"hello"),
                &["bad-format", "not-well-formed"],
            ),
            case(
                "deep nesting",
                after(nested.as_bytes()),
                &["policy-violation", "not-authorized"],
            ),
            case(
                "a stanza before login",
                after(b"<message to='a@example.com'/>"),
                &["not-authorized", "policy-violation"],
            ),
        ],
        || Raw::connect(&address),
    )?;
    others_notice_nothing(&cluster)?;
    Ok(())
}

#[test]
fn a_tls_greeting_on_the_starttls_port_and_text_on_the_tls_port_end_the_connection() -> Outcome {
    let cluster = Quickstart::start()?;
    let node = cluster.node("a")?;
    let mut greeting = Raw::connect(c2s(node)?)?;
    greeting.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])?;
    greeting.read_to_end(SILENCE)?;
    let mut text = Raw::connect(node.c2s_tls.as_deref().unwrap_or_default())?;
    text.send(header("example.com"))?;
    text.read_to_end(SILENCE)?;
    others_notice_nothing(&cluster)?;
    Ok(())
}

#[test]
fn bad_stanzas_after_login_end_the_stream_with_the_right_error() -> Outcome {
    let cluster = Quickstart::start()?;
    let (address, trust) = (c2s(cluster.node("a")?)?.to_owned(), cluster.trust()?);
    let huge = format!(
        "<message to='bob@example.com'><body>{}</body></message>",
        "x".repeat(1_000_000)
    );
    let nested = format!("<message to='bob@example.com'>{}", "<x>".repeat(100));
    check(
        &[
            case("an oversized stanza", huge, &["policy-violation"]),
            case("deep nesting", nested, &["policy-violation"]),
            case(
                "somebody else's from",
                "<message from='bob@example.com' to='bob@example.com'/>",
                &["invalid-from"],
            ),
            case(
                "no stanza",
                "<hello xmlns='jabber:client'/>",
                &["unsupported-stanza-type"],
            ),
            case(
                "another namespace",
                "<message xmlns='urn:none' to='bob@example.com'/>",
                &["unsupported-stanza-type", "invalid-namespace"],
            ),
            case(
                "bad XML",
                "<message to='bob@example.com'><body></message>",
                &["not-well-formed"],
            ),
        ],
        || Raw::login(&address, &trust, cluster.user(0), "bad"),
    )?;
    others_notice_nothing(&cluster)?;
    Ok(())
}

#[test]
fn stanzas_that_cannot_be_served_are_answered_and_the_stream_goes_on() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut raw = Raw::login(
        c2s(cluster.node("a")?)?,
        &cluster.trust()?,
        cluster.user(0),
        "bad",
    )?;
    for (what, sends, condition) in [
        (
            "a bad address",
            "<message to='@@'><body>x</body></message>",
            "jid-malformed",
        ),
        (
            "an iq without a payload",
            "<iq type='get' id='1'/>",
            "bad-request",
        ),
        (
            "an iq with two payloads",
            "<iq type='set' id='2'><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>",
            "bad-request",
        ),
        (
            "an unknown request",
            "<iq type='get' id='3'><a xmlns='urn:a'/></iq>",
            "service-unavailable",
        ),
        (
            "an unknown user",
            "<iq type='get' id='4' to='nobody@example.com'><a xmlns='urn:a'/></iq>",
            "service-unavailable",
        ),
        (
            "another domain",
            "<message to='x@elsewhere.example'><body>x</body></message>",
            "remote-server-not-found",
        ),
        (
            "an empty group",
            "<iq type='set' id='5'><query xmlns='jabber:iq:roster'><item jid='x@example.com'><group/></item></query></iq>",
            "not-acceptable",
        ),
        (
            "two items",
            "<iq type='set' id='6'><query xmlns='jabber:iq:roster'><item jid='x@example.com'/><item jid='y@example.com'/>\
             </query></iq>",
            "bad-request",
        ),
        (
            "somebody else's roster",
            "<iq type='get' id='7' to='bob@example.com'><query xmlns='jabber:iq:roster'/></iq>",
            "",
        ),
    ] {
        raw.send(sends)?;
        raw.read_until("<error").context(what)?;
        raw.read_until(&format!("<{condition}")).context(what)?;
    }
    raw.send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>")?;
    raw.read_until("last")?;
    Ok(())
}

#[test]
fn a_second_bind_is_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut raw = Raw::login(
        c2s(cluster.node("a")?)?,
        &cluster.trust()?,
        cluster.user(0),
        "one",
    )?;
    raw.send("<iq type='set' id='again'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")?;
    raw.read_until("<not-allowed")?;
    Ok(())
}

#[test]
fn logins_that_pretend_are_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let (address, trust) = (c2s(cluster.node("a")?)?, cluster.trust()?);
    let auth = |mechanism: &str, data: &str| {
        format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>"
        )
    };
    for (what, sends, conditions) in [
        (
            "a foreign authorisation identity",
            plain(cluster.user(0), "bob@example.com"),
            &["invalid-authzid", "not-authorized"][..],
        ),
        // "y,,n=alice,r=nonce": the client would bind to the channel but believes that the server cannot.
        (
            "a channel-binding downgrade",
            auth("SCRAM-SHA-256", "eSwsbj1hbGljZSxyPW5vbmNl"),
            &["not-authorized", "malformed-request"],
        ),
        (
            "an unknown mechanism",
            auth("MAGIC", "eA=="),
            &["invalid-mechanism"],
        ),
        ("bad base64", auth("PLAIN", "***"), &["incorrect-encoding"]),
        (
            "an empty login",
            auth("PLAIN", "="),
            &["malformed-request", "not-authorized"],
        ),
    ] {
        let mut raw = Raw::connect_starttls(address, &trust)?;
        raw.open("example.com")?;
        raw.send(sends)?;
        let answer = raw.read_until("</failure>").context(what)?;
        assert!(
            conditions
                .iter()
                .any(|condition| answer.contains(condition)),
            "{what}: {answer}"
        );
    }
    Ok(())
}

#[test]
fn wrong_passwords_in_bulk_are_throttled_and_others_get_in() -> Outcome {
    let cluster = Quickstart::start()?;
    let (address, trust) = (c2s(cluster.node("a")?)?, cluster.trust()?);
    let wrong = UserFacts {
        password: "wrong".to_owned(),
        ..cluster.user(0).clone()
    };
    let mut throttled = false;
    for _ in 0..60 {
        let mut raw = Raw::connect_starttls(address, &trust)?;
        raw.open("example.com")?;
        raw.send(plain(&wrong, ""))?;
        let answer = raw.read_until("</failure>")?;
        if answer.contains("temporary-auth-failure") || answer.contains("policy-violation") {
            throttled = true;
            break;
        }
    }
    assert!(throttled, "60 wrong passwords in a row were all looked at");
    let mut client = log_in(&cluster, Library::Slixmpp, cluster.user(1), "b")?;
    client.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn silent_and_slow_clients_are_closed_in_time() -> Outcome {
    let cluster = Quickstart::start()?;
    let node = cluster.node("a")?;
    let (plain, tls) = (c2s(node)?, node.c2s_tls.clone().unwrap_or_default());
    let mut waiting = Vec::new();
    for (what, address, sends) in [
        ("nothing", plain, String::new()),
        (
            "half a header",
            plain,
            "<?xml version='1.0'?><stream:str".to_owned(),
        ),
        ("a header only", plain, header("example.com")),
        ("no TLS greeting", tls.as_str(), String::new()),
    ] {
        let mut raw = Raw::connect(address)?;
        raw.send(sends)?;
        waiting.push((what, raw));
    }
    let mut half = Raw::login(plain, &cluster.trust()?, cluster.user(0), "slow")?;
    half.send("<message to='bob@example.com'><body>never ")?;
    waiting.push(("half a stanza", half));
    for (what, mut raw) in waiting {
        raw.read_to_end(SILENCE).context(what)?;
    }
    others_notice_nothing(&cluster)?;
    Ok(())
}

#[test]
fn many_half_open_connections_disturb_nobody_and_fill_no_log() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = c2s(cluster.node("a")?)?;
    let before = fs::metadata(cluster.log())?.len();
    let mut open = Vec::new();
    for n in 0..300 {
        let mut raw = Raw::connect(address)?;
        raw.send(if n % 2 == 0 {
            "<?xml version='1.0'?>"
        } else {
            "garbage"
        })?;
        open.push(raw);
    }
    others_notice_nothing(&cluster)?;
    drop(open);
    others_notice_nothing(&cluster)?;
    let grown = fs::metadata(cluster.log())?.len() - before;
    assert!(
        grown < 10_000,
        "300 bad connections wrote {grown} bytes of log"
    );
    Ok(())
}
