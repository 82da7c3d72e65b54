//! Which records there should be.

use crate::output::Answer;
use muster_admin::proto::{Node, StatusResponse};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Seconds a resolver may keep a record.
const TTL: u32 = 300;
/// Priority of nodes that have users.
const ACTIVE: u16 = 10;
/// Priority of nodes that stand by: tried when the others are gone.
const STANDBY: u16 = 20;
/// Nodes of one priority share evenly.
const WEIGHT: u16 = 10;

/// The records of all hosted domains.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Zone {
    pub(super) services: BTreeSet<Srv>,
    /// Names of services that the domains do not offer.
    pub(super) absent: BTreeSet<String>,
    /// Addresses of hosts that the cluster knows only by address.
    pub(super) hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Hosts whose addresses only the operator knows.
    pub(super) unknown: BTreeSet<String>,
}

/// Where a service is (RFC 2782). Names have no final dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Srv {
    pub(super) name: String,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// The records that lead clients to the nodes, and other servers nowhere: no node takes their
/// connections. Nodes in no group have no users and are left out.
pub(super) fn zone(status: &StatusResponse) -> Zone {
    let mut zone = Zone::default();
    let standby = status
        .settings
        .iter()
        .any(|s| s.name == "assignment" && s.value == "active-standby");
    for domain in &status.domains {
        zone.absent
            .insert(format!("_xmpp-server._tcp.{}", domain.name));
        for group in &status.groups {
            for (place, name) in group.nodes.iter().enumerate() {
                let priority = if standby && place > 0 {
                    STANDBY
                } else {
                    ACTIVE
                };
                if let Some(node) = status.nodes.iter().find(|node| node.name == *name) {
                    zone.add_node(&domain.name, node, priority);
                }
            }
        }
    }
    zone
}

impl Zone {
    fn add_node(&mut self, domain: &str, node: &Node, priority: u16) {
        let services = [
            ("_xmpp-client", &node.c2s),
            ("_xmpps-client", &node.c2s_tls),
        ];
        for (service, addresses) in services {
            for address in addresses {
                let Some((host, port)) = split(address) else {
                    continue;
                };
                let target = self.host(host, domain, node);
                self.services.insert(Srv {
                    name: format!("{service}._tcp.{domain}"),
                    priority,
                    weight: WEIGHT,
                    port,
                    target,
                });
            }
        }
    }

    /// A target is a name (RFC 2782): a node known by its address gets one in the domain.
    fn host(&mut self, host: &str, domain: &str, node: &Node) -> String {
        let Ok(address) = host.parse::<IpAddr>() else {
            return host.trim_end_matches('.').to_ascii_lowercase();
        };
        let name = format!(
            "{}.{domain}",
            node.name.to_ascii_lowercase().replace('_', "-")
        );
        if address.is_unspecified() {
            self.unknown.insert(name.clone());
        } else {
            self.hosts.entry(name.clone()).or_default().insert(address);
        }
        name
    }

    /// As lines of a zone file, and as data.
    pub(super) fn answer(&self) -> Answer {
        let mut text = String::new();
        for srv in &self.services {
            let Srv {
                name,
                priority,
                weight,
                port,
                target,
            } = srv;
            text += &format!("{name}. {TTL} IN SRV {priority} {weight} {port} {target}.\n");
        }
        for name in &self.absent {
            text += &format!("{name}. {TTL} IN SRV 0 0 0 .\n");
        }
        for (name, address) in self.addresses() {
            text += &format!("{name}. {TTL} IN {} {address}\n", kind(address));
        }
        for name in &self.unknown {
            text += &format!(
                "; {name}. listens on every address: add its A and AAAA records, or set c2s.advertise\n"
            );
        }
        let services = self.services.iter().map(|srv| {
            json!({
                "type": "SRV",
                "name": srv.name,
                "ttl": TTL,
                "priority": srv.priority,
                "weight": srv.weight,
                "port": srv.port,
                "target": srv.target,
            })
        });
        // The target of a service that is decidedly not available is the root (RFC 2782).
        let absent = self.absent.iter().map(|name| {
            json!({
                "type": "SRV",
                "name": name,
                "ttl": TTL,
                "priority": 0,
                "weight": 0,
                "port": 0,
                "target": ".",
            })
        });
        let hosts = self.addresses().map(|(name, address)| {
            json!({ "type": kind(address), "name": name, "ttl": TTL, "address": address.to_string() })
        });
        Answer::new(
            text,
            Value::Array(services.chain(absent).chain(hosts).collect()),
        )
    }

    fn addresses(&self) -> impl Iterator<Item = (&String, IpAddr)> {
        self.hosts
            .iter()
            .flat_map(|(name, all)| all.iter().map(move |address| (name, *address)))
    }
}

fn kind(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "A" } else { "AAAA" }
}

/// Host and port of `host:port`, without the brackets of an IPv6 address.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
#[path = "records_test.rs"]
mod records_test;
