//! The floor: `muster-floor`.

use std::env;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use muster_testkit::{Process, until, write_certificate};

use super::folder::Place;
use super::server::{Reach, Server};
use super::work::Crowd;

const READY: Duration = Duration::from_secs(10);

struct Floor {
    _process: Process,
    reach: Reach,
}

/// Starts it for a crowd.
pub(crate) fn start(place: &Place, crowd: Crowd) -> Result<Box<dyn Server>> {
    if !place.path.join("ca.pem").exists() {
        write_certificate(&place.path, "example.com")?;
    }
    let program = env::var("MUSTER_FLOOR").context("MUSTER_FLOOR names no program")?;
    let plain = format!("127.0.0.1:{}", place.port);
    let tls = format!("127.0.0.1:{}", place.port + 1);
    let mut command = Command::new(program);
    command
        .args(["--listen", &plain, "--listen-tls", &tls])
        .args(["--cert", &place.file("example.com.pem")])
        .args(["--key", &place.file("example.com.key")])
        .args(["--users", &crowd.users.to_string()])
        .args(["--contacts", &crowd.contacts.to_string()])
        .stdin(Stdio::null());
    let mut process = Process::start(&mut command)?;
    until("the floor takes connections", READY, || {
        if let Some(code) = process.ended()? {
            bail!("muster-floor ended with {code:?}");
        }
        Ok(TcpStream::connect(&plain).is_ok().then_some(()))
    })?;
    let reach = Reach {
        plain: vec![plain],
        tls: vec![tls],
        tls_kind: "direct",
        ca: place.path.join("ca.pem"),
        pids: vec![process.pid()],
    };
    Ok(Box::new(Floor {
        _process: process,
        reach,
    }))
}

impl Server for Floor {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn has_accounts(&self) -> bool {
        false
    }

    fn end(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
