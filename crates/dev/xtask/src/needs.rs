//! What the end-to-end tests need from the system. As root it is installed, otherwise the one line to run is printed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, say};

/// A Debian package and a command that works once it is there.
struct Need {
    package: &'static str,
    probe: (&'static str, &'static [&'static str]),
}

const NEEDS: &[Need] = &[
    Need {
        package: "python3-venv",
        probe: ("python3", &["-c", "import ensurepip"]),
    },
    Need {
        package: "profanity",
        probe: ("profanity", &["--version"]),
    },
    Need {
        package: "dnsmasq-base",
        probe: ("dnsmasq", &["--version"]),
    },
    Need {
        package: "iproute2",
        probe: ("ip", &["-V"]),
    },
    Need {
        package: "faketime",
        probe: ("faketime", &["--version"]),
    },
    Need {
        package: "nftables",
        probe: ("nft", &["--version"]),
    },
    Need {
        package: "openssl",
        probe: ("openssl", &["version"]),
    },
    Need {
        package: "man-db",
        probe: ("man", &["--version"]),
    },
    Need {
        package: "valgrind",
        probe: (
            "valgrind",
            &["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"],
        ),
    },
];

/// Servers to compare with. Nothing but the bench needs them.
const SERVERS: &[Need] = &[
    Need {
        package: "prosody",
        probe: ("test", &["-x", "/usr/bin/prosody"]),
    },
    Need {
        package: "ejabberd",
        probe: ("test", &["-x", "/usr/sbin/ejabberdctl"]),
    },
];

/// What judges the alert rules and the dashboard: Prometheus, with promtool.
const MONITORING: &[Need] = &[Need {
    package: "prometheus",
    probe: ("promtool", &["--version"]),
}];

/// What makes a Debian package, and what proves one.
const PACKAGING: &[Need] = &[
    Need {
        package: "dpkg-dev",
        probe: ("dpkg-shlibdeps", &["--version"]),
    },
    Need {
        package: "binutils",
        probe: ("strip", &["--version"]),
    },
    Need {
        package: "lintian",
        probe: ("lintian", &["--version"]),
    },
    Need {
        package: "debootstrap",
        probe: ("debootstrap", &["--version"]),
    },
];

/// What Debian asks before it starts the service of a package that is being installed; 101 is no.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const NEVER_START: &str = "#!/bin/sh\nexit 101\n";

/// Installs what is missing.
///
/// # Errors
/// Fails with the line to run when this user may not install.
pub(crate) fn install() -> Result<()> {
    provide(NEEDS, |_| true)
}

/// Installs some of the servers to compare with, without starting the system's own instances of them.
///
/// # Errors
/// Fails with the line to run when this user may not install.
pub(crate) fn install_servers(packages: &[&str]) -> Result<()> {
    provide_stopped(SERVERS, |need| packages.contains(&need.package))
}

/// Installs Prometheus, without starting the system's own instance of it.
///
/// # Errors
/// Fails with the line to run when this user may not install.
pub(crate) fn install_monitoring() -> Result<()> {
    provide_stopped(MONITORING, |_| true)
}

/// Installs what is missing of packages that have a service, and does not start it.
fn provide_stopped(all: &[Need], wanted: impl Fn(&Need) -> bool) -> Result<()> {
    if all.iter().filter(|need| wanted(need)).all(there) {
        return Ok(());
    }
    let ours = is_root() && !Path::new(POLICY).exists();
    if ours {
        fs::write(POLICY, NEVER_START).with_context(|| format!("writing {POLICY}"))?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
    }
    let installed = provide(all, wanted);
    if ours {
        fs::remove_file(POLICY).with_context(|| format!("removing {POLICY}"))?;
    }
    installed
}

/// Installs some of what is needed to make and to prove a Debian package.
///
/// # Errors
/// Fails with the line to run when this user may not install.
pub(crate) fn install_packaging(packages: &[&str]) -> Result<()> {
    provide(PACKAGING, |need| packages.contains(&need.package))
}

/// The same with one of the packages.
pub(crate) fn install_only(package: &str) -> Result<()> {
    provide(NEEDS, |need| need.package == package)
}

fn provide(all: &[Need], wanted: impl Fn(&Need) -> bool) -> Result<()> {
    let needs = all.iter().filter(|need| wanted(need));
    let missing: Vec<_> = needs
        .filter(|need| !there(need))
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!(
        "apt-get install -y --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_root() {
        bail!("this needs more Debian packages; as root run: {line}");
    }
    say(format!("installing {}", missing.join(" ")));
    for arguments in ["apt-get update", &line] {
        let mut words = arguments.split(' ');
        let mut command = Command::new(words.next().unwrap_or("apt-get"));
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        if let Err(output) = run::quietly(&mut command)? {
            bail!("`{arguments}` failed:\n{output}");
        }
    }
    match all.iter().find(|need| wanted(need) && !there(need)) {
        Some(need) => bail!(
            "{} is installed, but `{}` does not work",
            need.package,
            need.probe.0
        ),
        None => Ok(()),
    }
}

fn there(need: &Need) -> bool {
    run::works(need.probe.0, need.probe.1)
}

/// Whether this user may make network namespaces and install packages.
pub(crate) fn is_root() -> bool {
    run::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
