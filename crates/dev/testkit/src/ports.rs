//! Ports that nobody uses.

use std::net::TcpListener;
use std::ops::Range;

use anyhow::{Result, bail};

/// Below the ports that the system gives to clients, so that a client's port never takes a server's.
const RANGE: Range<u16> = 20_000..30_000;

/// The first of `count` free ports in a row on loopback. Different test programs begin at different places.
///
/// # Errors
/// Fails when there is no such row.
pub fn free_ports(count: u16) -> Result<u16> {
    let places = (RANGE.end - RANGE.start) / count;
    let first = u16::try_from(std::process::id() % u32::from(places)).unwrap_or(0);
    for place in (first..places).chain(0..first) {
        let base = RANGE.start + place * count;
        if (base..base + count).all(is_free) {
            return Ok(base);
        }
    }
    bail!("there are no {count} free ports in a row on loopback");
}

/// One free port on loopback.
///
/// # Errors
/// Fails when there is none.
pub fn free_port() -> Result<u16> {
    free_ports(1)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
