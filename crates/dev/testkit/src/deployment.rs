//! A pair and a witness on three hosts, as `deploy/` describes them: each node in a network namespace of its own, with one
//! network for links and one for clients, so that a node can be cut from the others while its clients still reach it.
//! Needs root.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::client::{Client, ClientOptions};
use crate::ctl::Ctl;
use crate::facts::UserFacts;
use crate::process::Process;
use crate::programs;
use crate::turn::Turn;
use crate::wait::{PATIENCE, until};

const DOMAIN: &str = "example.com";
const GROUP: &str = "east";
const NODES: [&str; 3] = ["a", "b", "w"];

/// Three hosts. Dropped, they are gone with their networks.
#[derive(Debug)]
pub struct Deployment {
    // The fields are dropped in this order: the processes, then their networks, then the folder, then the turn.
    nodes: Vec<Process>,
    _network: Network,
    users: Vec<UserFacts>,
    folder: TempDir,
    _turn: Turn,
}

impl Deployment {
    /// Deploys the pair and the witness, makes the cluster, a group with HA, and the users.
    ///
    /// # Errors
    /// Fails without root, and when a step of the deployment does.
    pub fn start(users: &[&str]) -> Result<Self> {
        Self::start_expecting(users, 60)
    }

    /// The same, with so many seconds of grace for lost clients.
    ///
    /// # Errors
    /// As [`Deployment::start`].
    pub fn start_expecting(users: &[&str], grace_s: u32) -> Result<Self> {
        let turn = Turn::wait()?;
        let folder = tempfile::Builder::new()
            .prefix("muster-")
            .tempdir()
            .context("making a folder")?;
        let network = Network::make()?;
        write_certificate(folder.path(), DOMAIN)?;
        let mut nodes = Vec::new();
        for (number, name) in (1..).zip(NODES) {
            nodes.push(start_node(folder.path(), name, number, grace_s)?);
        }
        let users = users
            .iter()
            .map(|name| UserFacts {
                jid: format!("{name}@{DOMAIN}"),
                password: format!("{name}'s secret"),
            })
            .collect();
        let deployment = Self {
            nodes,
            _network: network,
            users,
            folder,
            _turn: turn,
        };
        deployment.make_cluster()?;
        Ok(deployment)
    }

    /// The n-th user.
    #[must_use]
    pub fn user(&self, n: usize) -> &UserFacts {
        &self.users[n]
    }

    /// The admin client on a node's host.
    ///
    /// # Errors
    /// Fails when the program is not there.
    pub fn ctl(&self, node: &str) -> Result<Ctl> {
        let socket = data_dir(self.folder.path(), node).join("admin.sock");
        let program = programs::musterctl()?.display().to_string();
        Ok(Ctl::new(vec![
            program,
            "--address".to_owned(),
            format!("unix:{}", socket.display()),
        ]))
    }

    /// A node's address for STARTTLS clients.
    #[must_use]
    pub fn c2s(&self, node: &str) -> String {
        format!("{}:5222", client_address(number(node)))
    }

    /// A third-party client, not yet waited for.
    ///
    /// # Errors
    /// Fails when the client's program cannot be started.
    pub fn client(&self, user: &UserFacts, options: &ClientOptions) -> Result<Client> {
        Client::start(user, &self.folder.path().join("ca.pem"), options)
    }

    /// Cuts a node from the other nodes; its clients still reach it.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn cut(&self, node: &str) -> Result<()> {
        ip(&format!("-n {} link set link0 down", namespace(node)))
    }

    /// Undoes [`Deployment::cut`].
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn heal(&self, node: &str) -> Result<()> {
        ip(&format!("-n {} link set link0 up", namespace(node)))
    }

    /// Cuts two nodes from each other; both still reach the rest.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn part(&self, one: &str, other: &str) -> Result<()> {
        for (host, unheard) in [(one, other), (other, one)] {
            let unheard = link_address(number(unheard));
            nft(host, &["add", "table", "inet", "faults"])?;
            let chain = "{ type filter hook input priority 0 ; }";
            nft(host, &["add", "chain", "inet", "faults", "input", chain])?;
            let rule = format!("add rule inet faults input ip saddr {unheard} drop");
            nft(host, &rule.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Undoes [`Deployment::part`] on one of the two.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn mend_packets(&self, node: &str) -> Result<()> {
        nft(node, &["delete", "table", "inet", "faults"])
    }

    /// The pids of all nodes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(Process::pid).collect()
    }

    fn make_cluster(&self) -> Result<()> {
        let first = self.ctl("a")?;
        for name in NODES {
            let socket = data_dir(self.folder.path(), name).join("admin.sock");
            until(&format!("node {name} takes commands"), PATIENCE, || {
                Ok(socket.exists().then_some(()))
            })?;
        }
        first.run(&["cluster", "init", "--domain", DOMAIN])?;
        for (name, role) in [("b", "serving"), ("w", "witness")] {
            let token = first.json(&["token", "create", "--role", role])?;
            let token = token["token"].as_str().context("no token was printed")?;
            self.ctl(name)?.run(&["cluster", "join", token])?;
        }
        first.run(&["group", "create", GROUP])?;
        for name in ["a", "b"] {
            first.run(&["group", "add-node", GROUP, name])?;
        }
        // Refused until the new nodes' copies are caught up.
        until("HA can be enabled", PATIENCE, || {
            Ok(first.run(&["group", "enable-ha", GROUP]).ok())
        })?;
        for user in &self.users {
            first.add_user(user)?;
        }
        until("the users are protected", PATIENCE, || {
            let status = first.run(&["status"])?;
            Ok((status.contains("protected") && !status.contains("not protected")).then_some(()))
        })
    }
}

/// Starts a node from the example configuration, with the addresses and folders of the test.
fn start_node(folder: &Path, name: &str, number: u8, grace_s: u32) -> Result<Process> {
    let example = programs::root().join("deploy").join(format!("{name}.toml"));
    let config = fs::read_to_string(&example)
        .with_context(|| format!("reading {}", example.display()))?
        .replace(
            "/var/lib/muster",
            &data_dir(folder, name).display().to_string(),
        )
        .replace("/etc/muster", &folder.display().to_string())
        .replace(
            &format!("{name}.internal.example.com"),
            &link_address(number),
        )
        .replace(&format!("{name}.xmpp.example.com"), &client_address(number))
        .replace("grace_seconds = 60", &format!("grace_seconds = {grace_s}"));
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, config).with_context(|| format!("writing {}", file.display()))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(format!("{name}.log")))?;
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &namespace(name)])
        .arg(programs::musterd()?)
        .arg("run")
        .arg(&file);
    Process::start(command.stdout(log.try_clone()?).stderr(log))
}

/// Writes a certificate for a domain as the example configurations name it (`DOMAIN.pem`), its key (`DOMAIN.key`), and its
/// authority as `ca.pem`.
///
/// # Errors
/// Fails when a file is there already or cannot be written.
pub fn write_certificate(folder: &Path, domain: &str) -> Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A leaf of the same name would look self-signed to OpenSSL.
    let authority = format!("authority of {domain}");
    ca.distinguished_name.push(DnType::CommonName, authority);
    fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key)?.pem())?;
    let key = KeyPair::generate()?;
    let issued = CertificateParams::new(vec![domain.to_owned()])?
        .signed_by(&key, &Issuer::new(ca, ca_key))?;
    fs::write(folder.join(format!("{domain}.pem")), issued.pem())?;
    let key_file = folder.join(format!("{domain}.key"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&key_file)?;
    std::io::Write::write_all(&mut file, key.serialize_pem().as_bytes())
        .with_context(|| format!("writing {}", key_file.display()))
}

/// Two bridges and three namespaces with a leg on each.
#[derive(Debug)]
struct Network;

const BRIDGES: [(&str, &str); 2] = [("link", "mu-link"), ("client", "mu-client")];

impl Network {
    fn make() -> Result<Self> {
        Self::remove(); // what a killed test left behind
        let network = Self;
        for (_, bridge) in BRIDGES {
            ip(&format!("link add {bridge} type bridge"))?;
            ip(&format!("link set {bridge} up"))?;
        }
        ip(&format!(
            "addr add {}/24 dev {}",
            client_address(254),
            BRIDGES[1].1
        ))?;
        for (number, name) in (1..).zip(NODES) {
            let space = namespace(name);
            ip(&format!("netns add {space}"))?;
            ip(&format!("-n {space} link set lo up"))?;
            for ((leg, bridge), address) in BRIDGES
                .into_iter()
                .zip([link_address(number), client_address(number)])
            {
                let outside = format!("mu-{leg}-{name}");
                ip(&format!(
                    "link add {outside} type veth peer name {leg}0 netns {space}"
                ))?;
                ip(&format!("link set {outside} master {bridge} up"))?;
                ip(&format!("-n {space} addr add {address}/24 dev {leg}0"))?;
                ip(&format!("-n {space} link set {leg}0 up"))?;
            }
        }
        Ok(network)
    }

    fn remove() {
        for name in NODES {
            ip(&format!("netns del {}", namespace(name))).ok();
            for (leg, _) in BRIDGES {
                ip(&format!("link del mu-{leg}-{name}")).ok();
            }
        }
        for (_, bridge) in BRIDGES {
            ip(&format!("link del {bridge}")).ok();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        Self::remove();
    }
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

fn nft(host: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace(host), "nft"])
        .args(arguments)
        .output()
        .context("starting nft (Debian: nftables)")?;
    if !output.status.success() {
        bail!(
            "nft {} on {host}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn number(node: &str) -> u8 {
    (1..)
        .zip(NODES)
        .find(|(_, name)| *name == node)
        .map_or(0, |(number, _)| number)
}

fn namespace(node: &str) -> String {
    format!("muster-{node}")
}

fn link_address(number: u8) -> String {
    format!("10.78.0.{number}")
}

fn client_address(number: u8) -> String {
    format!("10.77.0.{number}")
}

fn data_dir(folder: &Path, node: &str) -> PathBuf {
    folder.join(node)
}
