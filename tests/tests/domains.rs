//! One cluster hosts several domains, each with a certificate of its own.

use std::fs;

use muster_testkit::{Client, ClientOptions, Library, Mode, Outcome, Quickstart, UserFacts};
use muster_testkit::{Raw, Trust, header, write_certificate};
use muster_tests::{Couple, c2s, log_in};
use serde_json::json;

const SECOND: &str = "second.example";

#[test]
fn several_domains_are_served_each_with_its_own_certificate() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let folder = cluster.folder().join("second");
    fs::create_dir(&folder)?;
    write_certificate(&folder, SECOND)?;
    let ctl = cluster.ctl();
    ctl.run(&["domain", "add", SECOND])?;
    cluster.reconfigure(|text| {
        format!(
            "{text}\n[[c2s.certificate]]\ndomain = \"{SECOND}\"\n\
             chain = \"second/{SECOND}.pem\"\nkey = \"second/{SECOND}.key\"\n"
        )
    })?;
    let zoe = UserFacts {
        jid: format!("zoe@{SECOND}"),
        password: "correct horse".to_owned(),
    };
    ctl.add_user(&zoe)?;

    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    // Her client trusts the second domain's authority alone: the other certificate would end the login.
    let node = cluster.node(&couple.peer)?;
    let address = node.c2s_tls.as_deref().unwrap_or_default();
    for (library, mode, address) in [
        (Library::Aioxmpp, Mode::Direct, address),
        (Library::Slixmpp, Mode::Starttls, c2s(node)?),
    ] {
        let options = ClientOptions {
            mode,
            ..ClientOptions::new(library, &[address])
        };
        let mut client = Client::start(&zoe, &folder.join("ca.pem"), &options)?;
        client.ready(0)?;
        alice.befriend(&mut client)?;
        let (here, there) = (alice.mark(), client.mark());
        alice.chat(&zoe.jid, "across domains")?;
        client.expect(there, "a message", |e| e.is_message("across domains"))?;
        client.chat(&couple.alice.jid, "and back")?;
        alice.expect(here, "an answer", |e| e.is_message("and back"))?;
        client.quit()?;
        alice.ask(json!({"do": "roster-remove", "jid": zoe.jid}))?;
    }

    // The certificate follows the name that the client asks for, and a name that is not hosted gets an error.
    let trust = Trust::read(&folder.join("ca.pem"), SECOND)?;
    let mut raw = Raw::connect_starttls(c2s(node)?, &trust)?;
    raw.send(header("third.example"))?;
    raw.read_until("host-unknown")?;
    Ok(())
}

#[test]
fn accounts_of_two_domains_do_not_know_each_other() -> Outcome {
    let cluster = Quickstart::start()?;
    let ctl = cluster.ctl();
    ctl.run(&["domain", "add", SECOND])?;
    let user = cluster.user(0);
    let name = user.jid.split('@').next().unwrap_or_default();
    let twin = UserFacts {
        jid: format!("{name}@{SECOND}"),
        password: "another one".to_owned(),
    };
    ctl.add_user(&twin)?;
    let (_, why) = ctl.refused(&["domain", "remove", SECOND])?;
    assert!(why.contains(SECOND), "{why}");
    ctl.run(&["user", "remove", &twin.jid])?;
    ctl.run(&["domain", "remove", SECOND])?;
    ctl.home_of(&user.jid)?;
    Ok(())
}
