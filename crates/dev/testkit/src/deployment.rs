//! A pair and a witness on three hosts, as `deploy/` describes them: each node in a network namespace of its own, with one
//! network for links and one for clients, so that a node can be cut from the others while its clients still reach it.
//! Needs root.

mod host;
mod processes;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::certificate::write_certificate;
use crate::client::{Client, ClientOptions};
use crate::ctl::Ctl;
use crate::facts::UserFacts;
use crate::network::{self, Network, PacketFault};
use crate::raw::Trust;
use crate::relay::Relay;
use crate::turn::Turn;
use crate::wait::{PATIENCE, until};
use host::Host;

const DOMAIN: &str = "example.com";
const GROUP: &str = "east";
/// How long the way home of a node may take: its copy has to catch up first.
const HOME: Duration = Duration::from_secs(60);

/// What to deploy.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The names of the accounts.
    pub users: &'a [&'a str],
    /// The hosts, serving ones before the witness; the cluster is made on the first.
    pub hosts: &'a [&'a str],
    /// The profile of the timing; without one the example's times hold.
    pub profile: Option<&'a str>,
    /// Lines of the example of a node's configuration, and what stands in their place on every node.
    pub options: &'a [(&'a str, &'a str)],
    /// There and back between two hosts, by a relay in front of each; zero: no relay.
    pub round_trip: Duration,
    /// How long a lost client is expected back, where it is not the example's time.
    pub grace_seconds: Option<u32>,
    /// A host whose data stands on a disk of its own of so many MiB.
    pub small_disk: Option<(&'a str, u32)>,
    /// A host whose clock runs faster from the beginning, and by what factor.
    pub fast_clock: Option<(&'a str, &'a str)>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            users: &["alice", "bob"],
            hosts: &["a", "b", "w"],
            profile: None,
            options: &[],
            round_trip: Duration::ZERO,
            grace_seconds: None,
            small_disk: None,
            fast_clock: None,
        }
    }
}

/// Some hosts. Dropped, they are gone with their networks.
#[derive(Debug)]
pub struct Deployment {
    // The fields are dropped in this order: the processes, then their relays and networks, then the folder, then the turn.
    hosts: Vec<Host>,
    relays: Vec<Relay>,
    network: Network,
    users: Vec<UserFacts>,
    profile: Option<String>,
    options: Vec<(String, String)>,
    grace_seconds: Option<u32>,
    folder: TempDir,
    _turn: Turn,
}

impl Deployment {
    /// Deploys the pair and the witness, makes the cluster, a group with HA, and the users.
    ///
    /// # Errors
    /// Fails without root, and when a step of the deployment does.
    pub fn start(users: &[&str]) -> Result<Self> {
        Self::start_with(&Plan {
            users,
            ..Plan::default()
        })
    }

    /// Deploys something else. Without a witness the group has no HA.
    ///
    /// # Errors
    /// As [`Deployment::start`].
    pub fn start_with(plan: &Plan) -> Result<Self> {
        let turn = Turn::wait()?;
        let folder = tempfile::Builder::new()
            .prefix("muster-")
            .tempdir()
            .context("making a folder")?;
        let network = Network::make(plan.hosts)?;
        write_certificate(folder.path(), DOMAIN)?;
        let users = plan.users.iter().map(|name| UserFacts {
            jid: format!("{name}@{DOMAIN}"),
            password: format!("{name}'s secret"),
        });
        let mut deployment = Self {
            hosts: Vec::new(),
            relays: Vec::new(),
            network,
            users: users.collect(),
            profile: plan.profile.map(str::to_owned),
            options: plan
                .options
                .iter()
                .map(|(example, chosen)| ((*example).to_owned(), (*chosen).to_owned()))
                .collect(),
            grace_seconds: plan.grace_seconds,
            folder,
            _turn: turn,
        };
        for name in plan.hosts {
            if !plan.round_trip.is_zero() {
                deployment.relay(name, plan.round_trip / 2)?;
            }
            let disk = plan.small_disk.filter(|(host, _)| host == name);
            let clock = plan.fast_clock.filter(|(host, _)| host == name);
            deployment.place(name, disk, clock.map(|(_, factor)| factor))?;
        }
        deployment.make_cluster(plan.hosts)?;
        Ok(deployment)
    }

    fn relay(&mut self, name: &str, one_way: Duration) -> Result<()> {
        let listen: SocketAddr = network::relay_address(name)?.parse()?;
        let to = SocketAddr::new(network::link_address(name)?.parse()?, host::LINK_PORT);
        self.relays.push(Relay::start(listen, to, one_way)?);
        Ok(())
    }

    /// Starts a node on a host that stands.
    fn place(&mut self, name: &str, disk: Option<(&str, u32)>, clock: Option<&str>) -> Result<()> {
        let advertised = if self.relays.is_empty() {
            format!("{}:{}", network::link_address(name)?, host::LINK_PORT)
        } else {
            network::relay_address(name)?
        };
        let mut host = Host::prepare(self.folder.path(), name, &advertised)?;
        if let Some(profile) = &self.profile {
            let chosen = format!("profile = \"{profile}\"");
            host.configure("profile = \"lan\"", &chosen)?;
        }
        for (example, chosen) in &self.options {
            host.configure(example, chosen)?;
        }
        if let Some(seconds) = self.grace_seconds.filter(|_| !host::is_witness(name)) {
            host.configure("grace_seconds = 60", &format!("grace_seconds = {seconds}"))?;
        }
        if let Some((_, mib)) = disk {
            host.mount(mib)?;
        }
        host.set_clock(clock);
        host.start()?;
        self.hosts.push(host);
        Ok(())
    }

    fn make_cluster(&self, hosts: &[&str]) -> Result<()> {
        let first = self.ctl("a")?;
        self.answers("a")?;
        first.run(&["cluster", "init", "--domain", DOMAIN])?;
        for name in &hosts[1..] {
            self.join(name)?;
        }
        first.run(&["group", "create", GROUP])?;
        for name in ["a", "b"] {
            first.run(&["group", "add-node", GROUP, name])?;
        }
        let protected = hosts.iter().any(|name| host::is_witness(name));
        if protected {
            self.protect()?;
        }
        for user in &self.users {
            first.add_user(user)?;
        }
        if protected {
            self.is_protected()?;
        }
        Ok(())
    }

    /// Enables HA for the group, when that is possible.
    ///
    /// # Errors
    /// Fails when it stays impossible.
    pub fn protect(&self) -> Result<()> {
        let first = self.ctl("a")?;
        // Refused until the new nodes' copies are caught up.
        until("HA can be enabled", HOME, || {
            Ok(first.run(&["group", "enable-ha", GROUP]).ok())
        })
        .map(drop)
    }

    /// Waits until the cluster says that its users are protected.
    ///
    /// # Errors
    /// Fails when it does not in time.
    pub fn is_protected(&self) -> Result<()> {
        until("the users are protected", HOME, || {
            let status = self.any_ctl()?.run(&["status"])?;
            Ok((status.contains("protected") && !status.contains("not protected")).then_some(()))
        })
    }

    /// Puts up one more host, and brings its node into the cluster.
    ///
    /// # Errors
    /// Fails when a step does.
    pub fn add(&mut self, name: &str) -> Result<()> {
        self.network.add(name)?;
        self.place(name, None, None)?;
        self.join(name)
    }

    /// Moves the data folder of a node that has ended away, starts it without one, and brings it into the
    /// cluster as a new node of the same name.
    ///
    /// # Errors
    /// Fails when a step does.
    pub fn join_anew(&mut self, name: &str) -> Result<()> {
        self.host(name)?.move_data_away()?;
        self.restart(name)?;
        self.join(name)
    }

    fn join(&self, name: &str) -> Result<()> {
        self.answers(name)?;
        let role = if host::is_witness(name) {
            "witness"
        } else {
            "serving"
        };
        // Witnesses let nobody in.
        let mut running = self.hosts.iter().filter(|host| host.pid().is_ok());
        let member = running.find(|host| host.name() != name && !host::is_witness(host.name()));
        let member = member.context("no serving node runs")?.name();
        let token = self
            .ctl(member)?
            .json(&["token", "create", "--role", role])?;
        let token = token["token"].as_str().context("no token was printed")?;
        self.ctl(name)?.run(&["cluster", "join", token]).map(drop)
    }

    fn answers(&self, name: &str) -> Result<()> {
        let socket = self.host(name)?.data().join("admin.sock");
        until(&format!("node {name} takes commands"), PATIENCE, || {
            Ok(socket.exists().then_some(()))
        })
    }

    /// The n-th user.
    #[must_use]
    pub fn user(&self, n: usize) -> &UserFacts {
        &self.users[n]
    }

    /// The folder of everything: `NAME.log`, `NAME.toml` and the data folder `NAME` of each node, `ca.pem`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The admin client on a node's host.
    ///
    /// # Errors
    /// Fails when the program is not there.
    pub fn ctl(&self, node: &str) -> Result<Ctl> {
        self.ctl_of(&[node])
    }

    /// The admin client, which asks whichever node answers, a witness first.
    ///
    /// # Errors
    /// Fails when the program is not there.
    pub fn any_ctl(&self) -> Result<Ctl> {
        let mut names: Vec<_> = self.hosts.iter().map(Host::name).collect();
        names.sort_by_key(|name| !host::is_witness(name));
        self.ctl_of(&names)
    }

    fn ctl_of(&self, names: &[&str]) -> Result<Ctl> {
        let folder = self.folder.path();
        Ctl::of_sockets(
            names
                .iter()
                .map(|name| folder.join(name).join("admin.sock")),
        )
    }

    /// A node's address for STARTTLS clients.
    ///
    /// # Errors
    /// Fails when there is no such host.
    pub fn c2s(&self, node: &str) -> Result<String> {
        Ok(format!("{}:5222", network::client_address(node)?))
    }

    /// What a raw client needs to trust the servers.
    ///
    /// # Errors
    /// Fails when the authority's certificate cannot be read.
    pub fn trust(&self) -> Result<Trust> {
        Trust::read(&self.folder.path().join("ca.pem"), DOMAIN)
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
        self.network.plug(node, false)
    }

    /// Undoes [`Deployment::cut`].
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn heal(&self, node: &str) -> Result<()> {
        self.network.plug(node, true)
    }

    /// Breaks packets on a node's host.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn break_packets(&self, node: &str, fault: &PacketFault) -> Result<()> {
        self.network.break_packets(node, fault)
    }

    /// Cuts two nodes from each other; both still reach the rest.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn part(&self, one: &str, other: &str) -> Result<()> {
        self.break_packets(one, &PacketFault::DeafTo(other.to_owned()))?;
        self.break_packets(other, &PacketFault::DeafTo(one.to_owned()))
    }

    /// Nothing is wrong with a host's packets any more.
    ///
    /// # Errors
    /// Fails when the system refuses.
    pub fn mend_packets(&self, node: &str) -> Result<()> {
        self.network.mend_packets(node)
    }

    /// The relays, in the order of the hosts.
    #[must_use]
    pub fn relays(&self) -> &[Relay] {
        &self.relays
    }

    /// Waits until a node that is back may have its users again, and brings them home.
    ///
    /// # Errors
    /// Fails when that does not happen in time.
    pub fn come_home(&self, node: &str) -> Result<()> {
        let ctl = self.any_ctl()?;
        until("the users are home", HOME, || {
            let home = ctl.owner_of(node)?.as_deref() == Some(node);
            if home && ctl.state_of(node)?.0 == "Normal" {
                return Ok(Some(()));
            }
            // Refused until the node is back and its copy has caught up, and while its users are on their way.
            ctl.run(&["group", "fallback", node]).ok();
            Ok(None)
        })
    }

    /// Waits until a node serves the users of a home node.
    ///
    /// # Errors
    /// Fails when it does not in time.
    pub fn served_by(&self, home: &str, owner: &str) -> Result<()> {
        let ctl = self.any_ctl()?;
        until(
            &format!("{owner} serves the users of {home}"),
            PATIENCE,
            || Ok((ctl.owner_of(home)?.as_deref() == Some(owner)).then_some(())),
        )
    }

    /// The pids of all nodes that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.hosts
            .iter()
            .filter_map(|host| host.pid().ok())
            .collect()
    }

    /// What a node has logged so far.
    ///
    /// # Errors
    /// Fails when the log cannot be read.
    pub fn log(&self, node: &str) -> Result<String> {
        self.host(node)?.log()
    }

    fn host(&self, name: &str) -> Result<&Host> {
        let mut all = self.hosts.iter();
        all.find(|host| host.name() == name)
            .with_context(|| format!("no node runs on host {name}"))
    }

    fn host_mut(&mut self, name: &str) -> Result<&mut Host> {
        let mut all = self.hosts.iter_mut();
        all.find(|host| host.name() == name)
            .with_context(|| format!("no node runs on host {name}"))
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("--- {}\n{}", host.name(), host.last_words());
            }
        }
    }
}
