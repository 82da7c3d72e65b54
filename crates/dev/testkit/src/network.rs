//! Hosts in network namespaces: one network for links, one for clients, and what can go wrong with packets. Needs root.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// The hosts that a deployment may use, in the order of their numbers.
const HOSTS: [&str; 6] = ["a", "b", "w", "c", "d", "v"];
const BRIDGES: [(&str, &str); 2] = [("link", "mu-links"), ("client", "mu-clients")];
/// The tests' own end of both networks.
const OUTSIDE: u8 = 254;

/// What connections are marked with, another number for each fault.
static MARKS: AtomicU32 = AtomicU32::new(1);

/// Two bridges, and a namespace for each host with a leg on both. Dropped, they are gone. One at a time on a machine,
/// since the names are the machine's.
#[derive(Debug)]
pub(crate) struct Network {
    _alone: File,
}

impl Network {
    /// Makes the networks and the hosts.
    pub(crate) fn make(hosts: &[&str]) -> Result<Self> {
        let path = std::env::temp_dir().join("muster-network.lock");
        let lock = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        lock.lock()
            .with_context(|| format!("locking {}", path.display()))?;
        remove(); // what a killed test left behind
        let network = Self { _alone: lock };
        for ((_, bridge), address) in BRIDGES
            .into_iter()
            .zip([link_of(OUTSIDE), client_of(OUTSIDE)])
        {
            ip(&format!("link add {bridge} type bridge"))?;
            ip(&format!("link set {bridge} up"))?;
            ip(&format!("addr add {address}/24 dev {bridge}"))?;
        }
        for host in hosts {
            network.add(host)?;
        }
        Ok(network)
    }

    /// One more host.
    pub(crate) fn add(&self, host: &str) -> Result<()> {
        let space = namespace(host);
        ip(&format!("netns add {space}"))?;
        ip(&format!("-n {space} link set lo up"))?;
        for ((leg, bridge), address) in BRIDGES
            .into_iter()
            .zip([link_address(host)?, client_address(host)?])
        {
            let outside = outside(leg, host);
            ip(&format!(
                "link add {outside} type veth peer name {leg}0 netns {space}"
            ))?;
            ip(&format!("link set {outside} master {bridge} up"))?;
            ip(&format!("-n {space} addr add {address}/24 dev {leg}0"))?;
            ip(&format!("-n {space} link set {leg}0 up"))?;
        }
        Ok(())
    }

    /// Pulls or plugs the cable of a host's links.
    pub(crate) fn plug(&self, host: &str, plugged: bool) -> Result<()> {
        let to = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set link0 {to}", namespace(host)))
    }

    /// Breaks something for a host, beside what is broken already.
    pub(crate) fn break_packets(&self, host: &str, fault: &PacketFault) -> Result<()> {
        let rules: String = fault
            .rules()?
            .iter()
            .map(|rule| format!("add rule inet faults {rule}\n"))
            .collect();
        nft(
            host,
            &format!(
                "add table inet faults\n\
                 add chain inet faults input {{ type filter hook input priority 0; }}\n\
                 add chain inet faults output {{ type filter hook output priority 0; }}\n{rules}"
            ),
        )
    }

    /// Nothing is broken for a host any more.
    pub(crate) fn mend_packets(&self, host: &str) -> Result<()> {
        // Added first, since removing what is not there is refused.
        nft(host, "add table inet faults\ndelete table inet faults\n")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove();
    }
}

/// What happens to the packets of a host.
#[derive(Clone, Debug)]
pub enum PacketFault {
    /// Nothing comes from another host's link; that host still hears this one.
    DeafTo(String),
    /// Of what comes over the links so many in a hundred packets are lost, by chance.
    Loss(u8),
    /// Every link connection that stands is reset; new ones are let be.
    ResetLinks,
    /// A client's host has vanished: nothing comes from this address any more, no acknowledgement either.
    LostClient(SocketAddr),
}

impl PacketFault {
    fn rules(&self) -> Result<Vec<String>> {
        Ok(match self {
            Self::DeafTo(host) => {
                vec![format!("input ip saddr {} drop", link_address(host)?)]
            }
            Self::Loss(percent) => vec![format!(
                "input iifname \"link0\" numgen random mod 100 < {percent} drop"
            )],
            // Whatever is new is marked at its first packet, and what has no mark stood before. Marks outlive the
            // rules. A single reset would not do: one that crosses other packets is out of order and ignored.
            Self::ResetLinks => {
                let mark = MARKS.fetch_add(1, Ordering::Relaxed);
                let links = "input iifname \"link0\"";
                vec![
                    format!("{links} tcp flags & syn != 0 ct mark set {mark} accept"),
                    format!("{links} tcp flags & rst != 0 accept"),
                    format!("{links} meta l4proto tcp ct mark != {mark} reject with tcp reset"),
                ]
            }
            // Not what is sent to it: a packet that is dropped on its way out is a local trouble, for which TCP waits.
            Self::LostClient(address) => vec![format!(
                "input ip saddr {} tcp sport {} drop",
                address.ip(),
                address.port()
            )],
        })
    }
}

fn remove() {
    for host in HOSTS {
        ip(&format!("netns del {}", namespace(host))).ok();
        for (leg, _) in BRIDGES {
            ip(&format!("link del {}", outside(leg, host))).ok();
        }
    }
    for (_, bridge) in BRIDGES {
        ip(&format!("link del {bridge}")).ok();
    }
}

/// A command on a host.
pub(crate) fn on_host(host: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &namespace(host)])
        .arg(program);
    command
}

/// A host's address for the other nodes.
pub(crate) fn link_address(host: &str) -> Result<String> {
    Ok(link_of(number(host)?))
}

/// A host's address for clients.
pub(crate) fn client_address(host: &str) -> Result<String> {
    Ok(client_of(number(host)?))
}

/// Where a relay for a host stands: on the tests' own end, with a port for each host.
pub(crate) fn relay_address(host: &str) -> Result<String> {
    Ok(format!(
        "{}:{}",
        link_of(OUTSIDE),
        7400 + u16::from(number(host)?)
    ))
}

fn number(host: &str) -> Result<u8> {
    let at = HOSTS.iter().position(|name| *name == host);
    let at = at.with_context(|| format!("there is no host {host}"))?;
    Ok(u8::try_from(at + 1)?)
}

fn link_of(number: u8) -> String {
    format!("10.78.1.{number}")
}

fn client_of(number: u8) -> String {
    format!("10.77.1.{number}")
}

fn namespace(host: &str) -> String {
    format!("muster-host-{host}")
}

fn outside(leg: &str, host: &str) -> String {
    format!("mu-{leg}s-{host}")
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .context("starting ip (Debian: iproute2)")?;
    if !output.status.success() {
        bail!(
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn nft(host: &str, script: &str) -> Result<()> {
    let mut child = on_host(host, "nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting nft (Debian: nftables)")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).context("telling nft")?;
    }
    let output = child.wait_with_output().context("waiting for nft")?;
    if !output.status.success() {
        bail!(
            "nft on {host}: {}\n{script}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
