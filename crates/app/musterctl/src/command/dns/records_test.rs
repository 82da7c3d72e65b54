use super::*;
use crate::output::Format;
use muster_admin::proto::{Domain, Group, Setting};

pub(crate) fn status(mode: &str, addresses: &[(&str, &str)]) -> StatusResponse {
    let node = |(name, address): &(&str, &str)| Node {
        name: (*name).to_owned(),
        group: "east".to_owned(),
        c2s: vec![format!("{address}:5222")],
        c2s_tls: vec![format!("{address}:5223")],
        ..Node::default()
    };
    StatusResponse {
        cluster: "c-1".to_owned(),
        nodes: addresses.iter().map(node).collect(),
        groups: vec![Group {
            name: "east".to_owned(),
            nodes: addresses
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            ..Group::default()
        }],
        domains: vec![Domain {
            name: "example.com".to_owned(),
        }],
        settings: vec![Setting {
            name: "assignment".to_owned(),
            value: mode.to_owned(),
            ..Setting::default()
        }],
        ..StatusResponse::default()
    }
}

fn lines(status: &StatusResponse) -> Vec<String> {
    let text = zone(status).answer().format(Format::Table);
    text.lines()
        .filter(|line| !line.starts_with(';') && !line.starts_with("_xmpp-server."))
        .map(str::to_owned)
        .collect()
}

#[test]
fn nodes_that_share_the_users_share_the_logins() {
    let status = status(
        "balanced",
        &[("a", "a.example.net"), ("b", "b.example.net.")],
    );
    assert_eq!(
        lines(&status),
        [
            "_xmpp-client._tcp.example.com. 300 IN SRV 10 10 5222 a.example.net.",
            "_xmpp-client._tcp.example.com. 300 IN SRV 10 10 5222 b.example.net.",
            "_xmpps-client._tcp.example.com. 300 IN SRV 10 10 5223 a.example.net.",
            "_xmpps-client._tcp.example.com. 300 IN SRV 10 10 5223 b.example.net.",
        ]
    );
}

#[test]
fn a_standby_node_comes_second() {
    let status = status(
        "active-standby",
        &[("a", "a.example.net"), ("b", "b.example.net")],
    );
    let lines = lines(&status);
    for (target, priority) in [
        ("a.example.net.", " SRV 10 "),
        ("b.example.net.", " SRV 20 "),
    ] {
        let of_target: Vec<_> = lines.iter().filter(|line| line.ends_with(target)).collect();
        assert_eq!(of_target.len(), 2);
        assert!(
            of_target.iter().all(|line| line.contains(priority)),
            "{lines:?}"
        );
    }
}

#[test]
fn a_node_known_by_its_address_gets_a_name_after_the_services() {
    let status = status(
        "balanced",
        &[("East_1", "192.0.2.1"), ("b", "[2001:db8::2]")],
    );
    let lines = lines(&status);
    assert!(
        lines[0].ends_with(" SRV 10 10 5222 b.example.com."),
        "{lines:?}"
    );
    assert_eq!(
        lines[4..],
        [
            "b.example.com. 300 IN AAAA 2001:db8::2",
            "east-1.example.com. 300 IN A 192.0.2.1"
        ]
    );
}

#[test]
fn an_address_that_is_every_address_is_left_to_the_operator() {
    let status = status("balanced", &[("a", "0.0.0.0")]);
    let zone = zone(&status);
    assert!(zone.hosts.is_empty());
    let text = zone.answer().format(Format::Table);
    assert!(
        text.contains("; a.example.com. listens on every address"),
        "{text}"
    );
}

#[test]
fn other_servers_are_told_that_there_is_no_service_for_them() {
    let status = status("balanced", &[("a", "a.example.net")]);
    let answer = zone(&status).answer();
    let name = "_xmpp-server._tcp.example.com";
    let text = answer.format(Format::Table);
    assert!(
        text.contains(&format!("{name}. 300 IN SRV 0 0 0 .\n")),
        "{text}"
    );
    let records: Value = serde_json::from_str(&answer.format(Format::Json)).unwrap();
    let records = records.as_array().unwrap();
    let record = records.iter().find(|record| record["name"] == name);
    assert_eq!(record.map(|record| &record["target"]), Some(&json!(".")));
}
