//! More clients than a node can take.

use muster_testkit::{Library, Options, Outcome, Quickstart, Raw, header};
use muster_tests::{Couple, c2s, log_in};

/// Open files of a node, and how many clients they leave room for.
const FILES: u64 = 300;
const ROOM: usize = 44;

#[test]
fn the_limit_of_open_files_is_named_and_clients_beyond_it_are_told_so() -> Outcome {
    let cluster = Quickstart::start_with(Options {
        open_files: Some(FILES),
        ..Options::default()
    })?;
    let couple = Couple::of(&cluster)?;
    let status = cluster.ctl().json(&["status"])?.to_string();
    for part in ["300 open files", "44 clients", "LimitNOFILE=19256"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    // What it stands on, each named node asked: what is not as it should be comes with what to do.
    let checks = cluster.ctl().json(&["doctor"])?;
    let checks = checks.as_array().map(Vec::as_slice).unwrap_or_default();
    let limits = checks.iter().filter(|one| one["check"] == "open-files");
    let limits: Vec<_> = limits
        .map(|one| (one["verdict"].as_str(), one["remedy"].to_string()))
        .collect();
    let crowded = limits.iter().filter(|(verdict, remedy)| {
        *verdict == Some("warn") && remedy.contains("LimitNOFILE=19256")
    });
    // The witness has no clients.
    assert_eq!((crowded.count(), limits.len()), (2, 3), "{checks:?}");
    for check in ["quorum", "links"] {
        let good = |one: &&serde_json::Value| one["check"] == check && one["verdict"] == "pass";
        assert_eq!(checks.iter().filter(good).count(), 3, "{check}: {checks:?}");
    }
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let address = c2s(cluster.node(&couple.home)?)?;
    let (_, domain) = couple.alice.jid.split_once('@').unwrap_or_default();
    // Alice has one of the places.
    let (mut held, mut turned_away) = (Vec::new(), 0);
    for _ in 0..ROOM + 20 {
        let mut raw = Raw::connect(address)?;
        raw.send(header(domain))?;
        let said = raw.read_until("</stream:")?;
        turned_away += usize::from(said.contains("resource-constraint"));
        held.push(raw);
    }
    assert!(turned_away >= 20, "{turned_away} were turned away");
    bob.chat(&couple.alice.jid, "still there?")?;
    alice.expect(0, "a message", |e| e.is_message("still there?"))?;
    drop(held);
    Ok(())
}
