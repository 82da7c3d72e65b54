//! `cargo xtask deb`: the Debian package, put together by dpkg's own tools. The same commit, compiler and programs give the
//! same file.

mod crates;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{config_page, deployed, needs};

/// The scripts and texts of the package.
const SOURCES: &str = "deploy/debian";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
const PROGRAMS: [&str; 2] = ["musterd", "musterctl"];
const EXAMPLES: [&str; 4] = ["a.toml", "b.toml", "w.toml", "example.com.zone"];
/// What an operator reads; ADRs and promises are for developers.
const DOCS: [&str; 8] = [
    "access",
    "alarms",
    "api",
    "guide",
    "ha-states",
    "metrics",
    "pep",
    "presence",
];
const UNIT: &str = "deploy/musterd.service";
/// A line of the unit, and what stands for it before this release of Debian, whose systemd (253) was the first to know
/// it. The shell's own `kill`, as a minimal Debian has no other.
const NOTIFY_RELOAD: (&str, &str) = (
    "\nType=notify-reload\n",
    "\nType=notify\nExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n",
);
const NOTIFY_RELOAD_SINCE: u32 = 13;
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/musterctl"),
    ("zsh", "zsh/vendor-completions/_musterctl"),
    ("fish", "fish/vendor_completions.d/musterctl.fish"),
];

/// What to package.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Counts packages of one version of Muster.
    #[arg(long, default_value = "1")]
    revision: String,
    /// Packages the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// Builds the package and says where it is.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    needs::install_packaging(&["dpkg-dev", "binutils"])?;
    let programs = match &options.programs {
        Some(folder) => folder.clone(),
        None => deployed::build(workspace)?,
    };
    let file = build(workspace, &programs, &options.revision)?;
    say(file.display().to_string());
    Ok(true)
}

/// Packages the programs in a folder; returns the file.
pub(crate) fn build(workspace: &Workspace, programs: &Path, revision: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("deb");
    let staging = Staging {
        workspace,
        root: folder.join("root"),
        version: format!("{}-{revision}", version(workspace)?),
        commit: Commit::last(workspace)?,
    };
    if folder.join("root").exists() {
        fs::remove_dir_all(&staging.root).context("emptying the staging folder")?;
    }
    staging.programs(programs)?;
    staging.manual(programs)?;
    staging.docs()?;
    staging.control(&folder)?;
    let architecture = architecture()?;
    let file = folder.join(format!("muster_{}_{architecture}.deb", staging.version));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&staging.root)
        .arg(&file)
        // Newer files get this time.
        .env("SOURCE_DATE_EPOCH", &staging.commit.epoch);
    must(&mut pack)?;
    Ok(file)
}

/// The version of Muster.
fn version(workspace: &Workspace) -> Result<String> {
    let musterd = workspace
        .members()
        .find(|package| package.name == "musterd")
        .context("there is no crate musterd")?;
    Ok(musterd.version.clone())
}

fn architecture() -> Result<String> {
    let name = run::capture(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(name.trim().to_owned())
}

/// What `/etc/os-release` says of this host: the programs are linked with its libraries.
pub(crate) fn release_of_debian(field: &str) -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix('='));
    let value = value.context("this host is no release of Debian: build the package on one")?;
    Ok(value.trim_matches('"').to_owned())
}

/// The last commit: its time is that of every file, and its author answers for the package.
pub(crate) struct Commit {
    epoch: String,
    date: String,
    author: String,
    pub(crate) id: String,
}

impl Commit {
    pub(crate) fn last(workspace: &Workspace) -> Result<Self> {
        let text = run::capture(Command::new("git").current_dir(&workspace.root).args([
            "log",
            "-1",
            "--format=%ct%n%cD%n%an <%ae>%n%h",
        ]))?;
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || {
            lines
                .next()
                .context("git says too little of the last commit")
        };
        let (epoch, date, author, id) = (next()?, next()?, next()?, next()?);
        // As Debian's own tools ask for whoever makes a package.
        let said = |name| std::env::var(name).ok();
        let author = match (said("DEBFULLNAME"), said("DEBEMAIL")) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            _ => author,
        };
        Ok(Self {
            epoch,
            date,
            author,
            id,
        })
    }
}

/// The folder that becomes the package.
struct Staging<'a> {
    workspace: &'a Workspace,
    root: PathBuf,
    version: String,
    commit: Commit,
}

impl Staging<'_> {
    /// The programs, without what only debuggers read, and the unit.
    fn programs(&self, programs: &Path) -> Result<()> {
        for name in PROGRAMS {
            let program = programs.join(name);
            let bytes = fs::read(&program).with_context(|| {
                format!("{}: build it, or leave out --programs", program.display())
            })?;
            let packaged = self.put(&format!("usr/bin/{name}"), &bytes, 0o755)?;
            let mut strip = Command::new("strip");
            strip.args(["--strip-unneeded", "--remove-section=.comment"]);
            must(strip.arg(&packaged))?;
        }
        self.put(
            "lib/systemd/system/musterd.service",
            self.unit()?.as_bytes(),
            0o644,
        )?;
        Ok(())
    }

    /// The unit, in words that this Debian's systemd knows.
    fn unit(&self) -> Result<String> {
        let unit = String::from_utf8(self.read(UNIT)?).context("the unit is no UTF-8")?;
        let release = release_of_debian("VERSION_ID")?;
        if release
            .parse()
            .is_ok_and(|release: u32| release >= NOTIFY_RELOAD_SINCE)
        {
            return Ok(unit);
        }
        let (newer, older) = NOTIFY_RELOAD;
        if !unit.contains(newer) {
            bail!(
                "{UNIT} has no line {newer}: say in deb.rs how an older systemd is told of a reload"
            );
        }
        Ok(unit.replace(newer, older))
    }

    /// The manual and the completions, as the programs write them.
    fn manual(&self, programs: &Path) -> Result<()> {
        let made = tempfile::tempdir().context("making a folder")?;
        for name in PROGRAMS {
            let mut write = Command::new(programs.join(name));
            must(write.arg("man").arg(made.path()))?;
        }
        let release = version(self.workspace)?;
        let config = config_page::page(self.workspace, &release)?;
        fs::write(made.path().join("musterd.toml.5"), config).context("writing a page")?;
        for entry in fs::read_dir(made.path()).context("reading the pages")? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let section = name.rsplit('.').next().unwrap_or_default();
            let bytes = gzip(&path)?;
            self.put(
                &format!("usr/share/man/man{section}/{name}.gz"),
                &bytes,
                0o644,
            )?;
        }
        for (shell, file) in COMPLETIONS {
            let mut write = Command::new(programs.join("musterctl"));
            let script = run::capture(write.args(["completions", shell]))?;
            self.put(&format!("usr/share/{file}"), script.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    fn docs(&self) -> Result<()> {
        let docs = "usr/share/doc/muster";
        for name in ["copyright", "README.Debian"] {
            self.copy(&format!("{SOURCES}/{name}"), &format!("{docs}/{name}"))?;
        }
        self.copy("README.md", &format!("{docs}/README.md"))?;
        for name in DOCS {
            self.copy(
                &format!("docs/{name}.md"),
                &format!("{docs}/docs/{name}.md"),
            )?;
        }
        for name in EXAMPLES {
            self.copy(
                &format!("deploy/{name}"),
                &format!("{docs}/examples/{name}"),
            )?;
        }
        let overrides = format!("{SOURCES}/lintian-overrides");
        self.copy(&overrides, "usr/share/lintian/overrides/muster")?;
        let changes = gzip(&self.workspace.root.join("CHANGELOG.md"))?;
        self.put(&format!("{docs}/changelog.gz"), &changes, 0o644)?;
        let Commit {
            date, author, id, ..
        } = &self.commit;
        let text = format!(
            "muster ({}) unstable; urgency=medium\n\n  * Built from commit {id}; changelog.gz says what is new.\n\n -- {author}  {date}\n",
            self.version
        );
        self.packed(&format!("{docs}/changelog.Debian.gz"), &text)?;
        self.packed(
            &format!("{docs}/crates.txt.gz"),
            &crates::list(self.workspace),
        )
    }

    /// What dpkg reads.
    fn control(&self, folder: &Path) -> Result<()> {
        for name in SCRIPTS {
            let bytes = self.read(&format!("{SOURCES}/{name}"))?;
            self.put(&format!("DEBIAN/{name}"), &bytes, 0o755)?;
        }
        let (mut files, mut kilobytes) = (Vec::new(), 0);
        for path in files_below(&self.root)? {
            let name = path.strip_prefix(&self.root).unwrap_or(&path);
            if !name.starts_with("DEBIAN") {
                kilobytes += fs::metadata(&path)?.len().div_ceil(1024);
                files.push(name.display().to_string());
            }
        }
        let sums = run::capture(Command::new("md5sum").current_dir(&self.root).args(&files))?;
        self.put("DEBIAN/md5sums", sums.as_bytes(), 0o644)?;
        let template = self.read(&format!("{SOURCES}/control"))?;
        let mut control = String::from_utf8(template).context("control is no UTF-8")?;
        for (mark, value) in [
            ("@VERSION@", self.version.clone()),
            ("@ARCHITECTURE@", architecture()?),
            ("@MAINTAINER@", self.commit.author.clone()),
            ("@INSTALLED_SIZE@", kilobytes.to_string()),
            ("@SHLIBS@", self.libraries(folder)?),
        ] {
            control = control.replace(mark, &value);
        }
        self.put("DEBIAN/control", control.as_bytes(), 0o644)?;
        Ok(())
    }

    /// The packages of the libraries that the programs are linked with, and which versions do.
    fn libraries(&self, folder: &Path) -> Result<String> {
        // It only works beside a source package.
        fs::create_dir_all(folder.join("debian")).context("making a folder")?;
        fs::write(
            folder.join("debian/control"),
            "Source: muster\n\nPackage: muster\nArchitecture: any\n",
        )
        .context("writing a control file")?;
        let mut ask = Command::new("dpkg-shlibdeps");
        // Cargo sets the variable for its own libraries.
        ask.current_dir(folder).env_remove("LD_LIBRARY_PATH");
        ask.args(["-O", "-Tdebian/substvars"]);
        ask.args(PROGRAMS.map(|name| self.root.join("usr/bin").join(name)));
        let text = run::capture(&mut ask)?;
        let depends = text.trim().strip_prefix("shlibs:Depends=");
        Ok(depends
            .context("dpkg-shlibdeps named no library")?
            .to_owned())
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let bytes = self.read(from)?;
        self.put(to, &bytes, 0o644)?;
        Ok(())
    }

    fn read(&self, file: &str) -> Result<Vec<u8>> {
        fs::read(self.workspace.root.join(file)).with_context(|| format!("reading {file}"))
    }

    /// Puts text there, packed.
    fn packed(&self, to: &str, text: &str) -> Result<()> {
        let made = tempfile::NamedTempFile::new().context("making a file")?;
        fs::write(made.path(), text).context("writing a file")?;
        self.put(to, &gzip(made.path())?, 0o644)?;
        Ok(())
    }

    /// Makes a file, whatever the umask is, and the folders above it.
    fn put(&self, to: &str, bytes: &[u8], mode: u32) -> Result<PathBuf> {
        let path = self.root.join(to);
        let mut above: Vec<_> = path.ancestors().skip(1).collect();
        above.retain(|folder| folder.starts_with(&self.root) && !folder.exists());
        for folder in above.into_iter().rev() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path)
    }
}

/// A file packed without its name and time.
fn gzip(file: &Path) -> Result<Vec<u8>> {
    let output = Command::new("gzip").args(["-9nc"]).arg(file).output();
    let output = output.context("starting gzip")?;
    if !output.status.success() {
        bail!("gzip cannot pack {}", file.display());
    }
    Ok(output.stdout)
}

/// All files, in the order of their paths.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let text = run::capture(Command::new("find").arg(folder).args(["-type", "f"]))?;
    let mut files: Vec<_> = text.lines().map(PathBuf::from).collect();
    files.sort();
    Ok(files)
}

/// Runs a program that has to succeed.
fn must(command: &mut Command) -> Result<()> {
    match run::quietly(command)? {
        Ok(()) => Ok(()),
        Err(output) => bail!("`{}` failed:\n{output}", run::line(command)),
    }
}
