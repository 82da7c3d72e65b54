//! A Debian of its own: systemd is its process 1, and its network is its loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::run::{self, say};

const BOOT: &str = include_str!("boot.sh");
/// What a minimal Debian lacks, but has on every server.
const MORE: &str = "--include=systemd,dbus,man-db,openssl";
/// For the name of the kept folder: counts the changes of what is in it.
const EDITION: u32 = 1;
const BOOTED: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// A machine that runs until it is dropped.
pub(super) struct Machine {
    child: Child,
    root: PathBuf,
    init: String,
    /// Removed with the machine.
    _folder: TempDir,
}

impl Machine {
    /// Boots a fresh copy of a minimal Debian of this host's release.
    pub(super) fn boot(suite: &str) -> Result<Self> {
        let kept = kept(suite)?;
        let folder = tempfile::tempdir().context("making a folder")?;
        let root = folder.path().join("root");
        let mut copy = Command::new("cp");
        must(copy.arg("-a").arg(&kept).arg(&root))?;
        let script = folder.path().join("boot.sh");
        fs::write(&script, BOOT).context("writing boot.sh")?;
        let namespaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"];
        let child = Command::new("unshare")
            .args(namespaces)
            .args(["--fork", "--kill-child", "sh"])
            .args([&script, &root])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting unshare")?;
        let mut machine = Self {
            child,
            root,
            init: String::new(),
            _folder: folder,
        };
        machine.wait()?;
        Ok(machine)
    }

    /// Puts a file into its folder `/packages`.
    pub(super) fn give(&self, file: &Path) -> Result<()> {
        let folder = self.root.join("packages");
        fs::create_dir_all(&folder).context("making a folder")?;
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, folder.join(name)).with_context(|| format!("copying {}", file.display()))?;
        Ok(())
    }

    /// Runs a shell script in it; what it printed is returned if it fails.
    pub(super) fn does(&self, script: &str) -> Result<Result<(), String>> {
        run::quietly(self.inside().args(["bash", "-exc", script]))
    }

    /// What a command in it prints.
    pub(super) fn says(&self, words: &[&str]) -> Result<String> {
        run::capture(self.inside().args(words))
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init])
            .args(["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"])
            .arg("chroot")
            .arg(&self.root)
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]);
        command
    }

    /// Until all services of it run.
    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        let id = self.child.id();
        let children = format!("/proc/{id}/task/{id}/children");
        while begun.elapsed() < BOOTED {
            if let Some(status) = self.child.try_wait()? {
                bail!("the machine ended while it booted: {status}");
            }
            self.init = fs::read_to_string(&children).unwrap_or_default();
            self.init.truncate(self.init.trim_end().len());
            let up = "test -d /run/systemd/system && systemctl is-system-running --quiet";
            if !self.init.is_empty() && self.does(up)?.is_ok() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("systemd was not up after {} s", BOOTED.as_secs())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process all others end, and the mounts go.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The minimal Debian that copies are made of. Made once for a user.
fn kept(suite: &str) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let folder = PathBuf::from(home).join(".cache/muster-debian");
    let root = folder.join(format!("{suite}-{EDITION}"));
    if root.exists() {
        return Ok(root);
    }
    say(format!(
        "installing a minimal Debian into {}",
        root.display()
    ));
    fs::create_dir_all(&folder).context("making a folder")?;
    // Whole or not there.
    let part = folder.join(format!("{suite}-{EDITION}.part"));
    if part.exists() {
        fs::remove_dir_all(&part).context("removing what was begun before")?;
    }
    let mut install = Command::new("debootstrap");
    must(install.args(["--variant=minbase", MORE, suite]).arg(&part))?;
    fs::rename(&part, &root).context("renaming the folder")?;
    Ok(root)
}

fn must(command: &mut Command) -> Result<()> {
    match run::quietly(command)? {
        Ok(()) => Ok(()),
        Err(output) => bail!("`{}` failed:\n{output}", run::line(command)),
    }
}
