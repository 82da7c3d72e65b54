//! What DNS says, compared with what it should.

use super::records::{Srv, Zone};
use crate::failure::Failure;
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a question may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks everything up; returns what is wrong.
pub(super) async fn check(zone: &Zone, server: Option<SocketAddr>) -> Result<Vec<String>, Failure> {
    let resolver = resolver(server)?;
    let names: BTreeSet<_> = zone.services.iter().map(|srv| &srv.name).collect();
    let targets: BTreeSet<_> = zone.services.iter().map(|srv| &srv.target).collect();
    let of_names = names.into_iter().map(|name| service(zone, &resolver, name));
    let of_targets = targets.into_iter().map(|name| host(zone, &resolver, name));
    let of_absent = zone.absent.iter().map(|name| absent(&resolver, name));
    let (of_names, of_targets, of_absent) = tokio::join!(
        join_all(of_names),
        join_all(of_targets),
        join_all(of_absent)
    );
    Ok(of_names
        .into_iter()
        .flatten()
        .chain(of_targets.into_iter().flatten())
        .chain(of_absent.into_iter().flatten())
        .collect())
}

/// What is wrong with the name of a service that there is not. No record at all says the same as
/// one with the root as its target, only later: after a vain attempt at the domain's own address.
async fn absent(resolver: &TokioResolver, name: &str) -> Vec<String> {
    match services(resolver, name).await {
        Ok(found) => compare_absent(name, &found),
        Err(error) => vec![format!("{name}: {error}")],
    }
}

fn compare_absent(name: &str, found: &BTreeSet<Srv>) -> Vec<String> {
    let leads = found.iter().filter(|srv| !srv.target.is_empty());
    let words = |srv: &Srv| {
        format!(
            "{name}: a record leads to {}:{}, but no node takes connections of other servers",
            srv.target, srv.port
        )
    };
    leads.map(words).collect()
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
        if have.target.is_empty() {
            problems.push(format!(
                "{name}: a record says that there is no such service"
            ));
        } else if !wanted.iter().any(|want| same_place(want, have)) {
            problems.push(format!(
                "{name}: a record leads to {}, where no node of this cluster is",
                show(have)
            ));
        }
    }
    problems
}

/// The records of a name; none is no failure. The target of a service that is decidedly not
/// available is empty.
async fn services(resolver: &TokioResolver, name: &str) -> Result<BTreeSet<Srv>, String> {
    let answer = match resolver.srv_lookup(format!("{name}.")).await {
        Ok(answer) => answer,
        Err(error) if error.is_no_records_found() => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.to_string()),
    };
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

    /// A DNS server that gives every question this code and these records, as the bytes of an answer.
    async fn serve(code: u8, answers: &'static [u8]) -> SocketAddr {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message).await {
                // The header, and the question: a name of labels, its type and its class.
                let mut end = 12;
                while message[end] != 0 {
                    end += usize::from(message[end]) + 1;
                }
                end += 5;
                assert!(end <= length);
                let mut answer = message[..end].to_vec();
                let count = u8::from(!answers.is_empty());
                answer[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
                answer.extend(answers);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn no_record_and_the_root_both_say_that_there_is_no_service() {
        const NXDOMAIN: u8 = 3;
        const REFUSED: u8 = 5;
        /// SRV 0 0 0 . of the name that was asked for.
        const ROOT: &[u8] = &[
            0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 7, 0, 0, 0, 0, 0, 0, 0,
        ];
        let name = "_xmpp-server._tcp.example.com";
        for (code, answers, good) in [
            (NXDOMAIN, &[][..], true),
            (0, ROOT, true),
            (REFUSED, &[], false),
        ] {
            let server = serve(code, answers).await;
            let problems = absent(&resolver(Some(server)).unwrap(), name).await;
            assert_eq!(problems.is_empty(), good, "{code}: {problems:?}");
        }
        let server = serve(NXDOMAIN, &[]).await;
        let zone = Zone {
            services: BTreeSet::from([srv("a", 10, 10)]),
            absent: BTreeSet::from([name.to_owned()]),
            ..Zone::default()
        };
        let problems = check(&zone, Some(server)).await.unwrap();
        assert!(
            problems[0].contains("no record leads to a:5222"),
            "{problems:?}"
        );
        assert!(problems[1].contains("a does not resolve"), "{problems:?}");
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_service_that_there_is_not_leads_nowhere() {
        let name = "_xmpp-server._tcp.example.com";
        let nowhere = Srv {
            port: 0,
            ..srv("", 0, 0)
        };
        for good in [vec![], vec![nowhere.clone()]] {
            let found = good.into_iter().collect();
            assert!(compare_absent(name, &found).is_empty(), "{found:?}");
        }
        let found = BTreeSet::from([nowhere, srv("a", 10, 10)]);
        let problems = compare_absent(name, &found);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("leads to a:5222"), "{problems:?}");
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
            (
                vec![a.clone(), b.clone(), srv("", 0, 0)],
                Some("no such service"),
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
