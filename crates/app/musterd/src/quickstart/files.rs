//! What a quickstart keeps in its folder.
//!
//! ```text
//! quickstart.json   what is running; 0600
//! quickstart.lock   held while the quickstart runs: nodes end when it is free
//! users.csv         addresses and passwords, for the next start (see `users`); 0600
//! ca.pem            the CA behind the clients' certificate
//! client.pem, client.key, a.toml, b.toml, w.toml
//! a/ b/ w/          the data folders
//! bin/musterctl     this program under its other name
//! env               lets a shell find musterctl, and musterctl the nodes
//! ```

use super::processes::Processes;
use super::users::{User, Users};
use super::{DOMAIN, Nodes, Options};
use anyhow::{Context, bail};
use muster_link::ClusterCa;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// One node of the quickstart.
pub(crate) struct NodeLayout {
    pub(crate) name: &'static str,
    pub(crate) witness: bool,
    pub(crate) config: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) port: u16,
    pub(crate) lock: PathBuf,
}

impl NodeLayout {
    /// The address of one of its ports.
    pub(crate) fn address(&self, which: Port) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port + which as u16))
    }

    /// The same port for clients that call `localhost` by IPv6.
    fn address_v6(&self, which: Port) -> SocketAddr {
        SocketAddr::from((Ipv6Addr::LOCALHOST, self.port + which as u16))
    }

    /// The unix socket of its admin service.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("admin.sock")
    }

    /// The same, as `musterctl` takes it.
    fn address_of_socket(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The command that runs it, from any folder.
    pub(crate) fn argv(&self, log: &str) -> anyhow::Result<Vec<String>> {
        let program = std::env::current_exe().context("where is this program?")?;
        let text = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .context("the path is not UTF-8: choose another --dir")
        };
        Ok(vec![
            text(&program)?,
            "run".to_owned(),
            text(&self.config)?,
            "--tied-to".to_owned(),
            text(&self.lock)?,
            "--log".to_owned(),
            log.to_owned(),
        ])
    }
}

/// A node's ports, from its first one on.
#[derive(Clone, Copy)]
pub(crate) enum Port {
    C2s = 0,
    C2sTls = 1,
    Link = 2,
    Admin = 3,
    Http = 4,
    Plaintext = 5,
    Api = 6,
}

/// The folder, ready to start nodes from.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    pub(crate) nodes: Vec<NodeLayout>,
    pub(crate) ca_file: PathBuf,
    pub(crate) users: Users,
    plaintext: bool,
    /// Whether this machine has the IPv6 loopback.
    ipv6: bool,
    // Dropping the file releases the lock.
    _lock: File,
}

const DESCRIPTION: &str = "quickstart.json";

impl Layout {
    /// Makes what is missing and takes the folder.
    pub(crate) fn prepare(options: &Options) -> anyhow::Result<Self> {
        let dir = options.dir();
        make_private_dir(dir)?;
        let dir = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
        let lock_path = dir.join("quickstart.lock");
        let lock = File::create(&lock_path).with_context(|| lock_path.display().to_string())?;
        if lock.try_lock().is_err() {
            bail!(
                "a quickstart runs in {} already; stop it, or choose another --dir and --base-port",
                dir.display()
            );
        }
        remove_if_there(&dir.join(DESCRIPTION))?;
        let names: &[(&str, bool)] = match options.nodes {
            Nodes::Pair => &[("a", false), ("b", false), ("w", true)],
            Nodes::Single => &[("a", false)],
        };
        let nodes = names
            .iter()
            .zip((0u16..).step_by(10))
            .map(|((name, witness), offset)| NodeLayout {
                name,
                witness: *witness,
                config: dir.join(format!("{name}.toml")),
                data: dir.join(name),
                port: options.base_port() + offset,
                lock: lock_path.clone(),
            })
            .collect();
        let layout = Self {
            ca_file: dir.join("ca.pem"),
            users: Users::prepare(&dir, options.users)?,
            dir,
            nodes,
            plaintext: options.plaintext,
            ipv6: TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok(),
            _lock: lock,
        };
        layout.certify()?;
        for node in &layout.nodes {
            write_private(&node.config, layout.config_of(node).as_bytes())?;
        }
        layout.link_musterctl()?;
        layout.write_environment()?;
        Ok(layout)
    }

    /// The certificate that clients see, from a CA of its own.
    fn certify(&self) -> anyhow::Result<()> {
        let chain = self.dir.join("client.pem");
        if chain.exists() && self.ca_file.exists() {
            return Ok(());
        }
        let ca = ClusterCa::generate("quickstart")?;
        let ips = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let issued = ca.issue_server(&[DOMAIN, "localhost"], &ips)?;
        write_private(&self.dir.join("client.key"), issued.key.as_bytes())?;
        write_private(&chain, issued.certificate.as_bytes())?;
        write_private(&self.ca_file, ca.certificate_pem().as_bytes())
    }

    fn config_of(&self, node: &NodeLayout) -> String {
        let at = |port| node.address(port);
        let mut text = format!(
            "# Written by `musterd quickstart`.\nname = \"{}\"\nrole = \"{}\"\ndata_dir = \"{}\"\n\n\
             [link]\nlisten = \"{}\"\n\n[admin]\nlisten = \"{}\"\n\n[http]\nlisten = \"{}\"\n",
            node.name,
            if node.witness { "witness" } else { "serving" },
            node.name,
            at(Port::Link),
            at(Port::Admin),
            at(Port::Http),
        );
        if !node.witness {
            let listen = |port| quoted(&self.for_clients(node, port));
            // Writing to a String cannot fail. One address each is what the cluster tells of the
            // node: the one in quickstart.json.
            let _ = write!(
                text,
                "\n[c2s]\nlisten = [{}]\nlisten_tls = [{}]\nlisten_plaintext = [{}]\n\
                 advertise = [{}]\nadvertise_tls = [{}]\n\n\
                 [api]\nlisten = [{}]\n\n\
                 [[c2s.certificate]]\ndomain = \"{DOMAIN}\"\nchain = \"client.pem\"\n\
                 key = \"client.key\"\n",
                listen(Port::C2s),
                listen(Port::C2sTls),
                listen(Port::Plaintext),
                quoted(&[at(Port::C2s)]),
                quoted(&[at(Port::C2sTls)]),
                listen(Port::Api),
            );
        }
        text
    }

    /// The addresses behind one of a node's ports for clients; none on a witness.
    fn for_clients(&self, node: &NodeLayout, port: Port) -> Vec<SocketAddr> {
        let (open, ipv6) = match port {
            Port::C2s | Port::C2sTls | Port::Api => (true, self.ipv6),
            Port::Plaintext => (self.plaintext, false),
            Port::Link | Port::Admin | Port::Http => (false, false),
        };
        let mut addresses = Vec::new();
        if open && !node.witness {
            addresses.push(node.address(port));
            addresses.extend(ipv6.then(|| node.address_v6(port)));
        }
        addresses
    }

    /// Every address that a node listens on.
    fn listens(&self, node: &NodeLayout) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for port in [Port::C2s, Port::C2sTls, Port::Plaintext, Port::Api] {
            addresses.extend(self.for_clients(node, port));
        }
        addresses.extend([Port::Link, Port::Admin, Port::Http].map(|port| node.address(port)));
        addresses
    }

    /// `musterctl` is this program under another name.
    fn link_musterctl(&self) -> anyhow::Result<()> {
        let bin = self.dir.join("bin");
        make_private_dir(&bin)?;
        let path = bin.join("musterctl");
        remove_if_there(&path)?;
        let program = std::env::current_exe().context("where is this program?")?;
        symlink(program, &path).with_context(|| path.display().to_string())
    }

    /// A shell that reads it finds `musterctl`, and that finds the nodes.
    fn write_environment(&self) -> anyhow::Result<()> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let sockets: Vec<_> = self
            .nodes
            .iter()
            .map(NodeLayout::address_of_socket)
            .collect();
        let text = format!(
            "# For a shell: . {}\nexport PATH={}:\"$PATH\"\nexport MUSTERCTL_ADDRESS={}\n",
            self.environment().display(),
            quoted(&self.dir.join("bin").display().to_string()),
            quoted(&sockets.join(",")),
        );
        write_private(&self.environment(), text.as_bytes())
    }

    /// Where that is.
    pub(crate) fn environment(&self) -> PathBuf {
        self.dir.join("env")
    }

    /// Fails before anything is started when a port is taken.
    pub(crate) fn check_ports(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            for address in self.listens(node) {
                TcpListener::bind(address).with_context(|| {
                    format!(
                        "cannot listen on {address} for node {}: choose another --base-port",
                        node.name
                    )
                })?;
            }
        }
        Ok(())
    }

    /// How `musterctl` is called so that it reaches the cluster while any node is up.
    pub(crate) fn musterctl(&self) -> Vec<String> {
        let mut argv = vec![self.dir.join("bin/musterctl").display().to_string()];
        for node in &self.nodes {
            argv.push("--address".to_owned());
            argv.push(node.address_of_socket());
        }
        argv
    }

    /// Writes `quickstart.json`, whole or not at all.
    pub(crate) fn write_description(&self, processes: &Processes) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Description<'a> {
            domain: &'a str,
            ca_file: String,
            users: Vec<&'a User>,
            nodes: Vec<Node>,
            musterctl: Vec<String>,
        }
        #[derive(Serialize)]
        struct Node {
            name: &'static str,
            role: &'static str,
            pid: u32,
            argv: Vec<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            c2s: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            c2s_tls: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            api: Option<String>,
            link: String,
            admin: String,
            http: String,
        }
        let describe = |node: &NodeLayout| {
            let running = processes.find(node.name).context("a node has ended")?;
            let clients = |port| (!node.witness).then(|| node.address(port).to_string());
            anyhow::Ok(Node {
                name: node.name,
                role: if node.witness { "witness" } else { "serving" },
                pid: running.pid,
                argv: running.argv.clone(),
                c2s: clients(Port::C2s),
                c2s_tls: clients(Port::C2sTls),
                api: clients(Port::Api).map(|address| format!("https://{address}")),
                link: node.address(Port::Link).to_string(),
                admin: node.address(Port::Admin).to_string(),
                http: node.address(Port::Http).to_string(),
            })
        };
        let description = Description {
            domain: DOMAIN,
            ca_file: self.ca_file.display().to_string(),
            users: self.users.present().collect(),
            nodes: self
                .nodes
                .iter()
                .map(describe)
                .collect::<anyhow::Result<_>>()?,
            musterctl: self.musterctl(),
        };
        let fresh = self.dir.join("quickstart.json.new");
        write_private(&fresh, &serde_json::to_vec_pretty(&description)?)?;
        Ok(fs::rename(fresh, self.dir.join(DESCRIPTION))?)
    }

    /// Where the description is.
    pub(crate) fn description(&self) -> PathBuf {
        self.dir.join(DESCRIPTION)
    }
}

fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

fn quoted(addresses: &[SocketAddr]) -> String {
    let quoted: Vec<_> = addresses.iter().map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}

/// Writes a file that only its owner can read, also where an older one had another mode.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(bytes))
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
#[path = "files_test.rs"]
mod files_test;
