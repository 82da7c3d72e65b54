//! What a configuration must not say. Every refusal begins with the option.

use super::{C2s, Config, LimitsConfig, Misplaced, Role, TimingConfig};
use muster_types::{DomainPart, Shards};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The largest stanza that fits into one message between nodes with room for its envelope.
const STANZA_BYTES_MAX: usize = 1_000_000;
/// More clients than one process can hold; the semaphore behind it takes as many.
const CLIENTS_MAX: usize = 1_000_000;
/// Longer than anybody waits for a client to come back.
const GRACE_SECONDS_MAX: u64 = 86_400;
/// Longer than any failover may take.
const ELECTION_MS_MAX: u128 = 60_000;

/// Refuses client options on a witness, also those that say what is the default.
pub(super) fn witness(text: &str, role: Role) -> Result<(), String> {
    // The text was read as a configuration before.
    let file: toml::Table = toml::from_str(text).unwrap_or_default();
    let c2s = file.get("c2s").and_then(toml::Value::as_table);
    match (role, c2s.and_then(|c2s| c2s.keys().next())) {
        (Role::Witness, Some(option)) => Err(format!(
            "c2s.{option}: a witness serves no clients: remove [c2s] and [[c2s.certificate]], or set \
             role = \"serving\""
        )),
        (Role::Witness | Role::Serving, _) => Ok(()),
    }
}

impl Config {
    /// Refuses values that cannot be, and options that do not fit together.
    pub(super) fn check(&self) -> Result<(), String> {
        muster_cluster::check_name(&self.name).map_err(|e| format!("name: {e}"))?;
        self.check_link()?;
        self.check_advertised()?;
        self.check_listeners()?;
        self.timing.check()?;
        self.services.check()?;
        self.limits.check()?;
        match self.role {
            Role::Serving => self.c2s.check(),
            Role::Witness if !self.api.listen.is_empty() => Err(
                "api.listen: a witness has no certificate of a domain: remove [api], or set role = \"serving\""
                    .to_owned(),
            ),
            Role::Witness => Ok(()),
        }
    }

    fn check_link(&self) -> Result<(), String> {
        if self.link.advertise.is_none() && self.link.listen.ip().is_unspecified() {
            return Err(format!(
                "link.listen is {}, which other nodes cannot connect to: set link.advertise to \
                 the address they use",
                self.link.listen
            ));
        }
        Ok(())
    }

    fn check_advertised(&self) -> Result<(), String> {
        let link = self.link.advertise.iter().map(|a| ("link.advertise", a));
        let admin = self.admin.advertise.iter().map(|a| ("admin.advertise", a));
        let c2s = self.c2s.advertise.iter().map(|a| ("c2s.advertise", a));
        let tls = (self.c2s.advertise_tls.iter()).map(|a| ("c2s.advertise_tls", a));
        for (option, address) in link.chain(admin).chain(c2s).chain(tls) {
            if !is_host_and_port(address) {
                return Err(format!("{option}: {address:?} is not host:port"));
            }
        }
        Ok(())
    }

    /// The system would refuse the second one, but only when the node is half started.
    fn check_listeners(&self) -> Result<(), String> {
        let all = self.listeners();
        for (at, (option, address)) in all.iter().enumerate() {
            let earlier = all[..at].iter().find(|(_, other)| clash(*address, *other));
            if let Some((other, taken)) = earlier {
                return Err(format!(
                    "{option}: {address} is taken by {other} ({taken}): choose another port"
                ));
            }
        }
        Ok(())
    }

    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let mut all = vec![("link.listen", self.link.listen)];
        all.extend(self.admin.listen.map(|address| ("admin.listen", address)));
        all.push(("http.listen", self.http.listen));
        if self.role == Role::Serving {
            for (option, addresses) in [
                ("c2s.listen", &self.c2s.listen),
                ("c2s.listen_tls", &self.c2s.listen_tls),
                ("c2s.listen_plaintext", &self.c2s.listen_plaintext),
                ("api.listen", &self.api.listen),
            ] {
                all.extend(addresses.iter().map(|address| (option, *address)));
            }
        }
        all
    }
}

/// Port 0 is whatever is free.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let every = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same_family = one.is_ipv4() == other.is_ipv4();
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || every && same_family)
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let bare = |host: &str| {
        let named = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        !host.is_empty() && host.chars().all(named)
    };
    port.parse().is_ok_and(|port: u16| port != 0)
        && (bare(host) || address.parse::<SocketAddr>().is_ok())
}

impl C2s {
    fn check(&self) -> Result<(), String> {
        let far = |address: &&SocketAddr| !address.ip().is_loopback();
        if let Some(open) = self.listen_plaintext.iter().find(far) {
            return Err(format!(
                "c2s.listen_plaintext {open}: plaintext is for measuring on loopback only; use \
                 c2s.listen"
            ));
        }
        if self.clients_max == 0 || self.clients_max > CLIENTS_MAX {
            return Err(format!(
                "c2s.clients_max is {}: it must be from 1 to {CLIENTS_MAX}",
                self.clients_max
            ));
        }
        if let Some(count) = self.router_shards
            && Shards::new(count).is_none()
        {
            return Err(format!(
                "c2s.router_shards is {count}: it must be from 1 to {}",
                Shards::MAX
            ));
        }
        self.check_misplaced()?;
        self.check_certificates()
    }

    /// Whoever is sent on must be able to get there, and the peer sends clients here too.
    fn check_misplaced(&self) -> Result<(), String> {
        let nowhere = |advertised: &[String], listen: &[SocketAddr]| {
            advertised.is_empty() && listen.iter().any(|a| a.ip().is_unspecified())
        };
        let unreachable = nowhere(&self.advertise, &self.listen)
            || nowhere(&self.advertise_tls, &self.listen_tls);
        match self.misplaced {
            Misplaced::SeeOtherHost if unreachable => Err(
                "c2s.misplaced = \"see-other-host\" sends clients to what each node advertises: set \
                 c2s.advertise and c2s.advertise_tls to host:port as clients reach this node"
                    .to_owned(),
            ),
            Misplaced::SeeOtherHost | Misplaced::Serve => Ok(()),
        }
    }

    fn check_certificates(&self) -> Result<(), String> {
        if self.certificate.is_empty() {
            return Err(
                "c2s.certificate: a serving node needs one, also where c2s.listen_plaintext is its \
                 only listener: add [[c2s.certificate]] with domain, chain and key"
                    .to_owned(),
            );
        }
        let mut seen = BTreeSet::new();
        for certificate in &self.certificate {
            let name = &certificate.domain;
            let domain = DomainPart::new(name)
                .map_err(|e| format!("c2s.certificate ({name}): {name:?} is no domain: {e}"))?;
            if !seen.insert(domain.as_str().to_ascii_lowercase()) {
                return Err(format!("c2s.certificate ({name}): this domain has two"));
            }
        }
        Ok(())
    }
}

impl TimingConfig {
    fn check(&self) -> Result<(), String> {
        let timing = self.timing();
        let [beat, min, max] =
            [timing.beat, timing.election_min, timing.election_max].map(|time| time.as_millis());
        if beat == 0 {
            return Err("timing.beat_ms is 0: a leader must beat".to_owned());
        }
        if max > ELECTION_MS_MAX {
            return Err(format!(
                "timing.election_max_ms is {max}: at most {ELECTION_MS_MAX}"
            ));
        }
        if !(beat.saturating_mul(2) < min && min < max) {
            return Err(format!(
                "timing: beat_ms ({beat}) must be less than half of election_min_ms ({min}), and that \
                 less than election_max_ms ({max})"
            ));
        }
        Ok(())
    }
}

impl LimitsConfig {
    fn check(&self) -> Result<(), String> {
        if self.stanza_bytes > STANZA_BYTES_MAX {
            return Err(format!(
                "limits.stanza_bytes is {}, links between nodes carry at most {STANZA_BYTES_MAX}",
                self.stanza_bytes
            ));
        }
        if self.stanza_bytes < 10_000 {
            return Err(format!(
                "limits.stanza_bytes is {}, at least 10000 must be taken (RFC 6120 §13.12)",
                self.stanza_bytes
            ));
        }
        if self.sessions_per_user == 0 {
            return Err("limits.sessions_per_user is 0: nobody could log in".to_owned());
        }
        if self.grace_seconds > GRACE_SECONDS_MAX {
            return Err(format!(
                "limits.grace_seconds is {}: at most {GRACE_SECONDS_MAX}, a day",
                self.grace_seconds
            ));
        }
        Ok(())
    }
}
