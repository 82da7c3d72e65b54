//! Where a demo runs: in a folder and on ports of its own, so that it disturbs nothing.

use anyhow::{Context, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use tempfile::TempDir;

/// Ports of a pair and a witness, the first to the last.
const PORTS: u16 = 30;
/// Below the ports that the system gives to clients, and above those that are known.
const RANGE: Range<u16> = 20_000..30_000;

/// A folder and the first of the ports.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) base_port: u16,
    /// Removed with all that is in it when this is dropped.
    _temporary: Option<TempDir>,
}

impl Place {
    /// What was asked for; what was not is temporary and free.
    pub(crate) fn find(dir: Option<PathBuf>, base_port: Option<u16>) -> anyhow::Result<Self> {
        let temporary = match dir {
            Some(_) => None,
            None => {
                let folder = tempfile::Builder::new().prefix("muster-demo-").tempdir();
                Some(folder.context("making a temporary folder")?)
            }
        };
        let made = temporary.as_ref().map(|folder| folder.path().to_owned());
        Ok(Self {
            dir: dir.or(made).unwrap_or_default(),
            base_port: base_port.map_or_else(free_ports, Ok)?,
            _temporary: temporary,
        })
    }
}

/// The first of so many ports in a row that nobody uses. Each process begins elsewhere.
fn free_ports() -> anyhow::Result<u16> {
    let places = (RANGE.end - RANGE.start) / PORTS;
    let first = u16::try_from(std::process::id() % u32::from(places))?;
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for place in (first..places).chain(0..first) {
        let base = RANGE.start + place * PORTS;
        if (base..base + PORTS).all(is_free) {
            return Ok(base);
        }
    }
    bail!("there are no {PORTS} free ports in a row: choose with --base-port")
}
