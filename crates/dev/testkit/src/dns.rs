//! A DNS server that knows what a zone file says, on loopback or on a host of its own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::network::{client_address, on_host};
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{PATIENCE, until};

/// Where a resolver asks that is told no port.
const PORT: u16 = 53;

/// One line of a zone file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Where a service is (RFC 2782).
    Srv {
        /// As `_xmpp-client._tcp.example.com`.
        name: String,
        /// The lower one is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// The port there.
        port: u16,
        /// The host's name.
        target: String,
    },
    /// Where a host is.
    Address {
        /// The host's name.
        name: String,
        /// Its address.
        address: IpAddr,
    },
}

impl Record {
    /// Reads the SRV, A and AAAA lines of a zone file; other lines are passed over.
    #[must_use]
    pub fn parse(zone: &str) -> Vec<Self> {
        zone.lines().filter_map(Self::parse_line).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(';').next()?.split_whitespace().collect();
        let kind = words
            .iter()
            .position(|word| matches!(*word, "SRV" | "A" | "AAAA"))?;
        let name = words.first()?.trim_end_matches('.').to_owned();
        match (words[kind], &words[kind + 1..]) {
            ("SRV", [priority, weight, port, target]) => Some(Self::Srv {
                name,
                priority: priority.parse().ok()?,
                weight: weight.parse().ok()?,
                port: port.parse().ok()?,
                target: target.trim_end_matches('.').to_owned(),
            }),
            ("A" | "AAAA", [address]) => Some(Self::Address {
                name,
                address: address.parse().ok()?,
            }),
            _ => None,
        }
    }

    fn option(&self) -> String {
        match self {
            Self::Srv {
                name,
                priority,
                weight,
                port,
                target,
            } => {
                format!("--srv-host={name},{target},{port},{priority},{weight}")
            }
            Self::Address { name, address } => format!("--host-record={name},{address}"),
        }
    }
}

/// The server; it ends with its value.
#[derive(Debug)]
pub struct Dns {
    _process: Process,
    address: SocketAddr,
}

impl Dns {
    /// Starts a server for these records. A target without an address record is on loopback.
    ///
    /// # Errors
    /// Fails when the server does not answer.
    pub fn start(records: &[Record]) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Self::serve(Command::new("dnsmasq"), address, records)
    }

    /// Starts a server on a host, at the port that the hosts' resolvers ask.
    pub(crate) fn start_on(host: &str, records: &[Record]) -> Result<Self> {
        let address = SocketAddr::new(client_address(host)?.parse()?, PORT);
        Self::serve(on_host(host, "dnsmasq"), address, records)
    }

    fn serve(mut command: Command, address: SocketAddr, records: &[Record]) -> Result<Self> {
        command.args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            "--pid-file=",
        ]);
        command.args([
            "--bind-interfaces",
            &format!("--listen-address={}", address.ip()),
            &format!("--port={}", address.port()),
        ]);
        command.args(records.iter().map(Record::option));
        command.args(
            without_address(records)
                .into_iter()
                .map(|target| format!("--host-record={target},{}", Ipv4Addr::LOCALHOST)),
        );
        let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
            .context("the tests need the Debian package dnsmasq-base")?;
        until("the DNS server answers", PATIENCE, || {
            Ok(answers(address)?.then_some(()))
        })?;
        Ok(Self {
            _process: process,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

fn without_address(records: &[Record]) -> BTreeSet<&str> {
    let has_address = |host: &str| {
        records
            .iter()
            .any(|r| matches!(r, Record::Address { name, .. } if name == host))
    };
    let targets = records.iter().filter_map(|record| match record {
        Record::Srv { target, .. } => Some(target.as_str()),
        Record::Address { .. } => None,
    });
    targets.filter(|target| !has_address(target)).collect()
}

/// Asks for the root's name servers; any answer will do.
fn answers(address: SocketAddr) -> Result<bool> {
    const QUESTION: [u8; 17] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    socket.connect(address)?;
    Ok(socket.send(&QUESTION).is_ok() && socket.recv(&mut [0; 512]).is_ok())
}

#[cfg(test)]
mod tests {
    use super::{Dns, Record};

    const ZONE: &str = "; a zone\n\
        _xmpp-client._tcp.example.com. 300 IN SRV 10 50 5222 a.example.com. ; home\n\
        a.example.com. 300 IN A 192.0.2.1\n\
        example.com. 300 IN MX 10 mail.example.com.\n";

    #[test]
    fn a_zone_file_is_read() {
        let expected = [
            Record::Srv {
                name: "_xmpp-client._tcp.example.com".to_owned(),
                priority: 10,
                weight: 50,
                port: 5222,
                target: "a.example.com".to_owned(),
            },
            Record::Address {
                name: "a.example.com".to_owned(),
                address: [192, 0, 2, 1].into(),
            },
        ];
        assert_eq!(Record::parse(ZONE), expected);
    }

    #[test]
    fn a_server_starts_and_ends() {
        Dns::start(&Record::parse(ZONE)).expect("dnsmasq is installed by `cargo xtask test`");
    }
}
