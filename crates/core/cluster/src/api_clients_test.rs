//! Programs with tokens come and go by the log.

use crate::apply_test::{Log, pair};
use crate::*;
use muster_types::{DomainPart, Timestamp};
use std::collections::BTreeSet;

pub(crate) fn client(byte: u8) -> ApiClient {
    ApiClient {
        hash: TokenHash([byte; 32]),
        scopes: BTreeSet::from([Scope::Read]),
        domains: BTreeSet::from(["example.com".to_owned()]),
        per_second: 10,
        expires: Some(Timestamp(9)),
        created_by: "local user 0".to_owned(),
        created: Timestamp(4),
    }
}

fn create(name: &str, byte: u8) -> ControlCommand {
    ControlCommand::ApiClientCreate {
        name: name.to_owned(),
        client: client(byte),
    }
}

#[test]
fn a_token_is_known_by_its_hash_from_its_making_to_its_end() {
    let mut log = pair();
    log.ok(create("crm", 1));
    let found = |log: &Log, byte| {
        let found = log.state.api_client_of(&TokenHash([byte; 32]));
        found.map(|(name, _)| name.to_owned())
    };
    assert_eq!(found(&log, 1).as_deref(), Some("crm"));
    assert_eq!(found(&log, 2), None);
    let (name, hash) = ("crm".to_owned(), TokenHash([2; 32]));
    log.ok(ControlCommand::ApiClientRotate { name, hash });
    assert_eq!(found(&log, 1), None, "the old token is over");
    assert_eq!(found(&log, 2).as_deref(), Some("crm"));
    let name = "crm".to_owned();
    log.ok(ControlCommand::ApiClientRemove { name });
    assert_eq!(found(&log, 2), None);
    assert_eq!(log.state.api_clients().count(), 0);
}

#[test]
fn a_domain_that_is_not_hosted_any_more_takes_its_tokens_with_it() {
    let mut log = pair();
    let domain = DomainPart::new("customer.example").unwrap().into_owned();
    let add = ControlCommand::DomainAdd {
        domain: domain.clone(),
    };
    log.ok(add.clone());
    for (name, byte, domains) in [
        ("theirs", 1, vec!["customer.example"]),
        ("both", 2, vec!["customer.example", "example.com"]),
    ] {
        let domains = domains.into_iter().map(str::to_owned).collect();
        let client = ApiClient {
            domains,
            ..client(byte)
        };
        let name = name.to_owned();
        log.ok(ControlCommand::ApiClientCreate { name, client });
    }
    log.ok(ControlCommand::DomainRemove { domain });
    log.ok(add);
    assert!(log.state.api_client_of(&TokenHash([1; 32])).is_none());
    let (_, both) = log.state.api_client_of(&TokenHash([2; 32])).unwrap();
    assert!(both.domains.iter().eq(["example.com"]));
}

#[test]
fn what_is_no_client_is_refused() {
    let mut log = pair();
    log.ok(create("crm", 1));
    let mut elsewhere = client(2);
    elsewhere.domains.insert("elsewhere.example".to_owned());
    let mut everywhere = client(2);
    let hosts = (0..API_CLIENT_DOMAINS_MAX).map(|n| format!("d{n}.example"));
    for name in hosts {
        let domain = DomainPart::new(&name).unwrap().into_owned();
        log.ok(ControlCommand::DomainAdd { domain });
        everywhere.domains.insert(name);
    }
    let named = |client: ApiClient| ControlCommand::ApiClientCreate {
        name: "other".to_owned(),
        client,
    };
    for (command, part) in [
        (create("two words", 3), "no valid name"),
        (named(elsewhere), "elsewhere.example is not hosted"),
        (named(everywhere), "100 domains of one API client"),
        (create("crm", 3), "API client crm already exists"),
        (create("other", 1), "already exists"),
        (
            ControlCommand::ApiClientRemove {
                name: "other".to_owned(),
            },
            "no API client other",
        ),
        (
            ControlCommand::ApiClientRotate {
                name: "other".to_owned(),
                hash: TokenHash([5; 32]),
            },
            "no API client other",
        ),
    ] {
        let why = log.refused(command).to_string();
        assert!(why.contains(part), "{part}: {why}");
    }
    for n in 1..API_CLIENTS_MAX {
        let mut client = client(0);
        client.hash.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
        client.hash.0[31] = 7;
        let name = format!("c{n}");
        log.ok(ControlCommand::ApiClientCreate { name, client });
    }
    let why = log.refused(create("one-more", 9)).to_string();
    assert!(why.contains("1000 API clients"), "{why}");
}
