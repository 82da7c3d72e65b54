//! What the end-to-end tests need from the system. As root it is installed, otherwise the one line to run is printed.

use std::process::Command;

use anyhow::{Result, bail};

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
        package: "valgrind",
        probe: (
            "valgrind",
            &["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"],
        ),
    },
];

/// Installs what is missing.
///
/// # Errors
/// Fails with the line to run when this user may not install.
pub(crate) fn install() -> Result<()> {
    provide(|_| true)
}

/// The same with one of the packages.
pub(crate) fn install_only(package: &str) -> Result<()> {
    provide(|need| need.package == package)
}

fn provide(wanted: impl Fn(&Need) -> bool) -> Result<()> {
    let needs = NEEDS.iter().filter(|need| wanted(need));
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
        bail!("the tests need more Debian packages; as root run: {line}");
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
    match NEEDS.iter().find(|need| wanted(need) && !there(need)) {
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
