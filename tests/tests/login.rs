//! How clients get in, and who does not.

use muster_testkit::{
    ClientOptions, Library, Mode, Options, Outcome, Quickstart, Raw, UserFacts, header, plain,
};
use muster_tests::c2s;
use serde_json::json;

#[test]
fn other_peoples_clients_log_in_by_starttls_and_by_direct_tls() -> Outcome {
    let cluster = Quickstart::start()?;
    let user = cluster.user(0);
    for node in ["a", "b"] {
        let node = cluster.node(node)?;
        for library in [Library::Slixmpp, Library::Aioxmpp] {
            for (mode, address) in [(Mode::Starttls, &node.c2s), (Mode::Direct, &node.c2s_tls)] {
                let address = address.as_deref().unwrap_or_default();
                let options = ClientOptions {
                    mode,
                    ..ClientOptions::new(library, &[address])
                };
                let mut client = cluster.client(user, &options)?;
                let connected = client.ready(0)?;
                assert_eq!(connected.text("tls"), "TLSv1.3", "{library:?} {mode:?}");
                assert!(
                    connected.text("jid").starts_with(&format!("{}/", user.jid)),
                    "{connected:?}"
                );
                client.ask(json!({"do": "ping"}))?;
                client.quit()?;
            }
        }
    }
    Ok(())
}

#[test]
fn the_strongest_mechanism_that_a_client_knows_is_used() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = c2s(cluster.node("a")?)?;
    let mut client = cluster.client(
        cluster.user(0),
        &ClientOptions::new(Library::Slixmpp, &[address]),
    )?;
    let mechanism = client.ready(0)?.text("mechanism").to_owned();
    assert!(mechanism.starts_with("SCRAM-SHA-256"), "{mechanism}");
    Ok(())
}

#[test]
fn a_wrong_password_and_an_unknown_account_are_refused_alike() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = c2s(cluster.node("a")?)?;
    let known = cluster.user(0).clone();
    let stranger = UserFacts {
        jid: format!("nobody@{}", cluster.facts().domain),
        password: known.password.clone(),
    };
    for user in [
        UserFacts {
            password: "wrong".to_owned(),
            ..known
        },
        stranger,
    ] {
        let mut client =
            cluster.client(&user, &ClientOptions::new(Library::Slixmpp, &[address]))?;
        let refused = client.expect(0, "the login is refused", |event| event.is("refused"))?;
        assert_eq!(refused.text("condition"), "not-authorized", "{}", user.jid);
    }
    Ok(())
}

#[test]
fn before_tls_nothing_but_starttls_is_offered_and_plain_is_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut raw = Raw::connect(c2s(cluster.node("a")?)?)?;
    let features = raw.open(&cluster.facts().domain)?;
    assert!(features.contains("<required"), "{features}");
    assert!(
        !features.contains("PLAIN") && !features.contains("SCRAM"),
        "{features}"
    );
    raw.send(plain(cluster.user(0), ""))?;
    let answer = raw.read_until(">")?;
    assert!(!answer.contains("success"), "{answer}");
    Ok(())
}

#[test]
fn direct_tls_agrees_on_xmpp_client_by_alpn() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = cluster.node("a")?.c2s_tls.clone().unwrap_or_default();
    let raw = Raw::connect_tls(&address, &cluster.trust()?.with_alpn(&["xmpp-client"]))?;
    assert_eq!(raw.alpn().as_deref(), Some("xmpp-client"));
    Ok(())
}

#[test]
fn channel_binding_and_plain_are_offered_under_tls_only() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut raw = Raw::connect_starttls(c2s(cluster.node("a")?)?, &cluster.trust()?)?;
    let features = raw.open(&cluster.facts().domain)?;
    for mechanism in [
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "PLAIN",
    ] {
        assert!(
            features.contains(&format!(">{mechanism}<")),
            "{mechanism}: {features}"
        );
    }
    for binding in ["tls-exporter", "tls-server-end-point"] {
        assert!(features.contains(binding), "{binding}: {features}");
    }
    Ok(())
}

#[test]
fn the_same_resource_again_ends_the_older_session_with_conflict() -> Outcome {
    let cluster = Quickstart::start()?;
    let (trust, user) = (cluster.trust()?, cluster.user(0));
    let mut older = Raw::login(c2s(cluster.node("a")?)?, &trust, user, "desk")?;
    let mut newer = Raw::login(c2s(cluster.node("b")?)?, &trust, user, "desk")?;
    older.read_until("<conflict")?;
    newer.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")?;
    newer
        .read_until("id='p'")
        .or_else(|_| newer.read_until("id=\"p\""))?;
    Ok(())
}

#[test]
fn a_single_node_serves_logins_too() -> Outcome {
    let cluster = Quickstart::start_with(Options {
        pair: false,
        users: 2,
        ..Options::default()
    })?;
    let address = c2s(cluster.node("a")?)?;
    let mut client = cluster.client(
        cluster.user(1),
        &ClientOptions::new(Library::Aioxmpp, &[address]),
    )?;
    client.ready(0)?;
    client.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn an_unknown_domain_is_told_host_unknown() -> Outcome {
    let cluster = Quickstart::start()?;
    let mut raw = Raw::connect(c2s(cluster.node("a")?)?)?;
    raw.send(header("elsewhere.example"))?;
    raw.read_until("<host-unknown")?;
    Ok(())
}

#[test]
fn clients_get_in_over_ipv6_too() -> Outcome {
    let cluster = Quickstart::start()?;
    let address = c2s(cluster.node("a")?)?.replace("127.0.0.1", "[::1]");
    let mut raw = Raw::login(&address, &cluster.trust()?, cluster.user(0), "six")?;
    raw.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")?;
    raw.read_until("type='result'")?;
    Ok(())
}
