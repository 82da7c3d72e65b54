//! Hosts with nothing of Muster on them but what its package brings, for tests that do what an operator does, command by
//! command. Each has a network, processes, a name and folders of its own (`bare/host.sh`); systemctl and scp have stand-ins,
//! since there is neither systemd nor an sshd. Needs root.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::dns::{Dns, Record};
use crate::network::{Network, client_address, on_host};
use crate::process::Process;
use crate::programs;
use crate::turn::Turn;

const HOST: &str = include_str!("bare/host.sh");
const STAND_INS: [(&str, &str); 2] = [
    ("systemctl", include_str!("bare/systemctl")),
    ("scp", include_str!("bare/scp")),
];
/// The host of the DNS server that the others ask.
const DNS_HOST: &str = "d";
/// So long a command may take; none should come near it.
const COMMAND_S: &str = "60";
const LOG_LINES_SHOWN: &str = "40";

/// Some hosts. Dropped, they are gone with their networks.
#[derive(Debug)]
pub struct BareHosts {
    // Dropped in this order: processes, networks, the folder, the turn.
    hosts: Vec<BareHost>,
    dns: Option<Dns>,
    _network: Network,
    folder: TempDir,
    _turn: Turn,
}

#[derive(Debug)]
struct BareHost {
    name: String,
    /// What everything on the host ends with.
    _unshare: Process,
    /// Process 1 of the host, as it is called outside.
    init: u32,
}

/// What became of a command.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// Whether it said that all is well.
    pub good: bool,
    /// What it printed, mistakes included.
    pub text: String,
}

impl BareHosts {
    /// Makes the hosts.
    ///
    /// # Errors
    /// Fails without root, and when the system refuses.
    pub fn start(names: &[&str]) -> Result<Self> {
        let turn = Turn::wait()?;
        let folder = tempfile::Builder::new()
            .prefix("muster-")
            .tempdir()
            .context("making a folder")?;
        lay_out(folder.path(), names)?;
        let network = Network::make(&[names, &[DNS_HOST]].concat())?;
        let mut all = Self {
            hosts: Vec::new(),
            dns: None,
            _network: network,
            folder,
            _turn: turn,
        };
        for name in names {
            let host = BareHost::boot(name, all.folder.path())?;
            all.hosts.push(host);
        }
        Ok(all)
    }

    /// Runs a script on a host, as root in root's home folder; it ends with the first command that fails.
    ///
    /// # Errors
    /// Fails when it cannot be started.
    pub fn run(&self, host: &str, script: &str) -> Result<Printed> {
        let log = self.folder.path().join("printed");
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let status = self
            .shell(host, &["timeout", "--signal=KILL", COMMAND_S], script)?
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()
            .context("starting nsenter")?;
        let text =
            fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
        let good = status.success();
        Ok(Printed { good, text })
    }

    /// Starts a script on a host that goes on until it is dropped; what it prints goes to a file.
    ///
    /// # Errors
    /// Fails when it cannot be started.
    pub fn leave_running(&self, host: &str, script: &str, log: &Path) -> Result<Process> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = self.shell(host, &[], script)?;
        Process::start(command.stdout(file.try_clone()?).stderr(file))
    }

    /// The DNS server of all hosts knows these records from now on, and no others.
    ///
    /// # Errors
    /// Fails when the server does not answer.
    pub fn publish(&mut self, records: &[Record]) -> Result<()> {
        self.dns = None; // It has the port.
        self.dns = Some(Dns::start_on(DNS_HOST, records)?);
        Ok(())
    }

    /// Where the DNS server of all hosts is.
    ///
    /// # Errors
    /// Fails before something is published.
    pub fn resolver(&self) -> Result<String> {
        let dns = self.dns.as_ref().context("nothing is published")?;
        Ok(dns.address())
    }

    /// Root's home folder on a host, as this test sees it.
    #[must_use]
    pub fn home(&self, host: &str) -> PathBuf {
        homes(self.folder.path()).join(host)
    }

    /// A folder for what a test keeps; no host looks there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn shell(&self, host: &str, under: &[&str], script: &str) -> Result<Command> {
        let mut all = self.hosts.iter();
        let host = all
            .find(|one| one.name == host)
            .with_context(|| format!("there is no host {host}"))?;
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &host.init.to_string()])
            .args(["--mount", "--pid", "--net", "--uts"])
            .args([
                "env",
                "-i",
                "--chdir=/root",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            ])
            .args(["HOME=/root", "LC_ALL=C.UTF-8"])
            .args(under)
            .args(["sh", "-ec", script])
            .stdin(Stdio::null());
        Ok(command)
    }
}

impl Drop for BareHosts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                let log = format!("tail -n {LOG_LINES_SHOWN} /run/musterd.log");
                let said = self.run(&host.name, &log);
                eprintln!(
                    "--- {}\n{}",
                    host.name,
                    said.map_or_else(|e| e.to_string(), |p| p.text)
                );
            }
        }
    }
}

impl BareHost {
    fn boot(name: &str, folder: &Path) -> Result<Self> {
        let mut command = on_host(name, "unshare");
        command
            .args(["--mount", "--pid", "--uts", "--fork", "--kill-child"])
            .args(["bash", "-c", HOST, "host.sh", name])
            .args([folder, &programs::root().canonicalize()?])
            .args([programs::musterd()?, programs::musterctl()?])
            .arg(client_address(DNS_HOST)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut unshare = Process::start(&mut command)?;
        let output = unshare.child().stdout.take();
        let mut said = String::new();
        BufReader::new(output.context("unshare has no output")?).read_line(&mut said)?;
        if said != "ready\n" {
            bail!("host {name} could not be made");
        }
        let id = unshare.pid();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(Self {
            name: name.to_owned(),
            init: children.trim().parse().context("unshare has no child")?,
            _unshare: unshare,
        })
    }
}

/// What the hosts are made of: programs of their own, and homes.
fn lay_out(folder: &Path, names: &[&str]) -> Result<()> {
    let programs = folder.join("bin");
    fs::create_dir(&programs)?;
    for name in ["musterd", "musterctl"] {
        File::create(programs.join(name))?; // what the program is mounted over
    }
    for (name, text) in STAND_INS {
        let path = programs.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    fs::set_permissions(&programs, Permissions::from_mode(0o755))?;
    for name in names {
        fs::create_dir_all(homes(folder).join(name))?;
    }
    Ok(())
}

fn homes(folder: &Path) -> PathBuf {
    folder.join("homes")
}
