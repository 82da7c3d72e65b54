//! Clients that find the cluster by DNS, as RFC 6120 §3.2 says, and find its other node when one dies.

use std::time::Duration;

use anyhow::{Context, Result};
use muster_testkit::{ClientOptions, Dns, Library, Outcome, Quickstart, Record};
use serde_json::json;

const TAKEOVER: Duration = Duration::from_secs(20);

#[test]
fn the_records_name_both_nodes_for_both_ways_in() -> Outcome {
    let cluster = Quickstart::start()?;
    let records = Record::parse(&cluster.ctl().run(&["dns", "records"])?);
    for (service, addresses) in [
        (
            "_xmpp-client._tcp.example.com",
            ["a", "b"].map(|n| cluster.node(n).map(|node| node.c2s.clone())),
        ),
        (
            "_xmpps-client._tcp.example.com",
            ["a", "b"].map(|n| cluster.node(n).map(|node| node.c2s_tls.clone())),
        ),
    ] {
        for address in addresses {
            let address = address?.unwrap_or_default();
            let found = records.iter().any(|record| {
                matches!(record, Record::Srv { name, port, .. }
                    if name == service && address.ends_with(&format!(":{port}")))
            });
            assert!(found, "{service} has no record for {address}: {records:?}");
        }
    }
    Ok(())
}

/// The node behind an address that a client found; STARTTLS and direct TLS are equally good.
fn owner_of(cluster: &Quickstart, address: &str) -> Result<String> {
    let found = cluster.facts().nodes.iter().find(|node| {
        [&node.c2s, &node.c2s_tls]
            .into_iter()
            .any(|known| known.as_deref() == Some(address))
    });
    found
        .map(|node| node.name.clone())
        .with_context(|| format!("{address} is no node of ours"))
}

/// Kills the node that the client found, and waits for the client at the other one.
fn comes_back_through_the_next_record(library: Library) -> Result<()> {
    let cluster = Quickstart::start()?;
    let dns = Dns::start(&Record::parse(&cluster.ctl().run(&["dns", "records"])?))?;
    let options = ClientOptions {
        resolver: Some(dns.address()),
        ..ClientOptions::new(library, &[])
    };
    let mut client = cluster.client(cluster.user(0), &options)?;
    let first = client.ready(0)?.text("address").to_owned();
    let node = owner_of(&cluster, &first)?;
    let mark = client.mark();
    cluster.kill(&node)?;
    let back = client.expect_within(mark, "the client is back", TAKEOVER, |e| e.is("connected"))?;
    let now = owner_of(&cluster, back.text("address"))?;
    assert_eq!(now, cluster.peer(&node)?.name);
    client.expect(mark, "the client is ready", |e| e.is("ready"))?;
    client.ask(json!({"do": "ping"})).map(drop)
}

#[test]
fn slixmpp_comes_back_through_the_next_record() -> Outcome {
    comes_back_through_the_next_record(Library::Slixmpp)?;
    Ok(())
}

#[test]
fn aioxmpp_comes_back_through_the_next_record() -> Outcome {
    comes_back_through_the_next_record(Library::Aioxmpp)?;
    Ok(())
}

#[test]
fn dns_check_says_what_is_wrong() -> Outcome {
    let cluster = Quickstart::start()?;
    let right = Record::parse(&cluster.ctl().run(&["dns", "records"])?);
    let dns = Dns::start(&right)?;
    cluster
        .ctl()
        .run(&["dns", "check", "--resolver", &dns.address()])?;
    let dns = Dns::start(&right[1..])?;
    let (_, why) = cluster
        .ctl()
        .refused(&["dns", "check", "--resolver", &dns.address()])?;
    assert!(
        why.contains("_tcp.example.com"),
        "the missing record is not named: {why}"
    );
    Ok(())
}
