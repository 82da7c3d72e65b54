//! What DNS says, compared with what it should.

use super::records::{Srv, Zone};
use crate::failure::Failure;
use crate::output::Answer;
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a question may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks everything up.
pub(super) async fn check(zone: &Zone, server: Option<SocketAddr>) -> Result<Answer, Failure> {
    let resolver = resolver(server)?;
    let names: BTreeSet<_> = zone.services.iter().map(|srv| &srv.name).collect();
    let targets: BTreeSet<_> = zone.services.iter().map(|srv| &srv.target).collect();
    let of_names = names.into_iter().map(|name| service(zone, &resolver, name));
    let of_targets = targets.into_iter().map(|name| host(zone, &resolver, name));
    let (of_names, of_targets) = tokio::join!(join_all(of_names), join_all(of_targets));
    let problems: Vec<_> = of_names
        .into_iter()
        .flatten()
        .chain(of_targets.into_iter().flatten())
        .collect();
    if problems.is_empty() {
        let records = zone.services.len();
        let text = format!("all {records} SRV records are there, and their targets resolve");
        return Ok(Answer::new(text, json!({ "problems": [] })));
    }
    Err(Failure::Refused(format!(
        "DNS is not as it should be:\n  {}\n`musterctl dns records` prints what it should say",
        problems.join("\n  ")
    )))
}

/// What is wrong with one name.
async fn service(zone: &Zone, resolver: &TokioResolver, name: &str) -> Vec<String> {
    let wanted = zone
        .services
        .iter()
        .filter(|srv| srv.name == *name)
        .collect();
    match services(resolver, name).await {
        Ok(found) => compare(name, &wanted, &found),
        Err(error) => vec![format!("{name}: {error}")],
    }
}

/// What is wrong with the records of one name.
fn compare(name: &str, wanted: &BTreeSet<&Srv>, found: &BTreeSet<Srv>) -> Vec<String> {
    let mut problems = Vec::new();
    let same_place = |a: &Srv, b: &Srv| a.target == b.target && a.port == b.port;
    let show = |srv: &Srv| format!("{}:{}", srv.target, srv.port);
    for want in wanted {
        match found.iter().find(|have| same_place(want, have)) {
            None => problems.push(format!("{name}: no record leads to {}", show(want))),
            Some(have) if have.priority != want.priority => problems.push(format!(
                "{name}: {} has priority {}, should be {}",
                show(want),
                have.priority,
                want.priority
            )),
            // Weights are taste, unless one of several is never chosen.
            Some(have) if have.weight == 0 && found.iter().any(|other| other.weight > 0) => {
                problems.push(format!(
                    "{name}: {} has weight 0 and is hardly ever chosen",
                    show(want)
                ))
            }
            Some(_) => {}
        }
    }
    for have in found {
        if !wanted.iter().any(|want| same_place(want, have)) {
            problems.push(format!(
                "{name}: a record leads to {}, where no node of this cluster is",
                show(have)
            ));
        }
    }
    problems
}

async fn services(resolver: &TokioResolver, name: &str) -> Result<BTreeSet<Srv>, String> {
    let answer = resolver
        .srv_lookup(format!("{name}."))
        .await
        .map_err(|error| error.to_string())?;
    let records = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Srv {
                name: name.to_owned(),
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv
                    .target
                    .to_ascii()
                    .trim_end_matches('.')
                    .to_ascii_lowercase(),
            }),
            _ => None,
        });
    Ok(records.collect())
}

/// Whether a host resolves, and to the addresses it has.
async fn host(zone: &Zone, resolver: &TokioResolver, name: &str) -> Option<String> {
    let found: BTreeSet<IpAddr> = match resolver.lookup_ip(format!("{name}.")).await {
        Ok(addresses) => addresses.iter().collect(),
        Err(error) => return Some(format!("{name} does not resolve: {error}")),
    };
    let wanted = zone.hosts.get(name)?;
    let list = |addresses: &BTreeSet<IpAddr>| {
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    (!wanted.is_subset(&found)).then(|| {
        format!(
            "{name} resolves to {}, should be {}",
            list(&found),
            list(wanted)
        )
    })
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::Refused(format!(
            "no DNS server can be asked: {error}; name one with --resolver"
        ))
    };
    let mut builder = match server {
        None => TokioResolver::builder_tokio().map_err(|error| cannot(&error))?,
        Some(server) => {
            let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = ANSWER;
    options.attempts = 2;
    // What counts is what clients elsewhere see, not this host's own file.
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| cannot(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(target: &str, priority: u16, weight: u16) -> Srv {
        let name = "_xmpp-client._tcp.example.com".to_owned();
        Srv {
            name,
            priority,
            weight,
            port: 5222,
            target: target.to_owned(),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (a, b) = (srv("a", 10, 10), srv("b", 10, 10));
        for (found, part) in [
            (vec![a.clone(), b.clone()], None),
            (vec![srv("a", 10, 50), srv("b", 10, 5)], None),
            (vec![a.clone()], Some("no record leads to b:5222")),
            (
                vec![a.clone(), srv("b", 30, 10)],
                Some("b:5222 has priority 30, should be 10"),
            ),
            (
                vec![a.clone(), srv("b", 10, 0)],
                Some("b:5222 has weight 0"),
            ),
            (
                vec![a.clone(), b.clone(), srv("c", 10, 10)],
                Some("leads to c:5222"),
            ),
        ] {
            let found: BTreeSet<_> = found.into_iter().collect();
            let problems = compare("x", &BTreeSet::from([&a, &b]), &found);
            match part {
                None => assert!(problems.is_empty(), "{problems:?}"),
                Some(part) => assert!(problems[0].contains(part), "{problems:?}"),
            }
        }
    }
}
