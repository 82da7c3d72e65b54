//! One host: a node's configuration, its process, its disk.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::network::{client_address, link_address, on_host};
use crate::process::{Process, Signal, signal};
use crate::programs;

/// Where nodes listen for each other.
pub(super) const LINK_PORT: u16 = 7400;
/// Stands between a program and its clocks (Debian: faketime).
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";
const END: Duration = Duration::from_secs(10);
const LOG_LINES_SHOWN: usize = 40;

#[derive(Debug)]
pub(super) struct Host {
    // Dropped in this order.
    process: Option<Process>,
    disk: Option<Disk>,
    /// By what factor the clock of its processes is faster, if it is.
    clock: Option<String>,
    name: String,
    config: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

/// A file system that is gone when this is dropped.
#[derive(Debug)]
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

/// What a name says about a node: witnesses are called `w` and `v`.
pub(super) fn is_witness(name: &str) -> bool {
    matches!(name, "w" | "v")
}

impl Host {
    /// Writes the configuration: an example's, with the addresses and folders of the test.
    pub(super) fn prepare(folder: &Path, name: &str, advertised: &str) -> Result<Self> {
        let example = match name {
            "b" => "b",
            _ if is_witness(name) => "w",
            _ => "a",
        };
        let path = programs::root().join(format!("deploy/{example}.toml"));
        let (data, config) = (folder.join(name), folder.join(format!("{name}.toml")));
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?
            .replace(
                &format!("name = \"{example}\""),
                &format!("name = \"{name}\""),
            )
            .replace("/var/lib/muster", &data.display().to_string())
            .replace("/etc/muster", &folder.display().to_string())
            .replace(&format!("{example}.internal.example.com:7400"), advertised)
            .replace(
                &format!("{example}.xmpp.example.com"),
                &client_address(name)?,
            );
        fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
        link_address(name)?;
        Ok(Self {
            process: None,
            disk: None,
            clock: None,
            name: name.to_owned(),
            config,
            data,
            log: folder.join(format!("{name}.log")),
        })
    }

    /// Puts other words in the place of the example's.
    pub(super) fn configure(&self, example: &str, chosen: &str) -> Result<()> {
        let text = fs::read_to_string(&self.config)?;
        if !text.contains(example) {
            bail!("{} says nothing of {example}", self.config.display());
        }
        fs::write(&self.config, text.replace(example, chosen))
            .with_context(|| format!("writing {}", self.config.display()))
    }

    /// Gives the data folder a small disk.
    pub(super) fn mount(&mut self, mib: u32) -> Result<()> {
        fs::create_dir_all(&self.data)?;
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700")])
            .arg("tmpfs")
            .arg(&self.data)
            .status()
            .context("starting mount")?;
        if !done.success() {
            bail!("mounting a tmpfs at {}", self.data.display());
        }
        self.disk = Some(Disk(self.data.clone()));
        Ok(())
    }

    /// From its next start on.
    pub(super) fn set_clock(&mut self, factor: Option<&str>) {
        self.clock = factor.map(str::to_owned);
    }

    /// Puts the data folder out of the way.
    pub(super) fn move_data_away(&self) -> Result<()> {
        let away = self.data.with_extension("old");
        fs::rename(&self.data, &away).with_context(|| format!("moving to {}", away.display()))
    }

    /// Starts the node.
    pub(super) fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = on_host(&self.name, programs::musterd()?);
        command.arg("run").arg(&self.config);
        if let Some(factor) = &self.clock {
            command
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME", format!("+0 x{factor}"));
        }
        self.process = Some(Process::start(
            command.stdout(log.try_clone()?).stderr(log),
        )?);
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn pid(&self) -> Result<u32> {
        let process = self.process.as_ref();
        process
            .map(Process::pid)
            .with_context(|| format!("node {} does not run", self.name))
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        signal(self.pid()?, Signal::Kill)?;
        self.wait()
    }

    /// Waits for the end of the process.
    pub(super) fn wait(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.wait(END)?;
        }
        self.process = None;
        Ok(())
    }

    pub(super) fn ended(&mut self) -> Result<Option<Option<i32>>> {
        match &mut self.process {
            Some(process) => process.ended(),
            None => bail!("node {} was ended before", self.name),
        }
    }

    pub(super) fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("reading {}", self.log.display()))
    }

    /// The end of the log.
    pub(super) fn last_words(&self) -> String {
        let text = self.log().unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}
