//! One session that writes for a user of the broken node through the other node, without a pause.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_testkit::{Deployment, Raw, until};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Probe {
    raw: Raw,
    tried: u64,
    writes: u64,
}

impl Probe {
    /// Logs a user of one node in at another one.
    pub(crate) fn start(cluster: &Deployment, home: &str, node: &str) -> Result<Self> {
        let ctl = cluster.any_ctl()?;
        let mut users = [cluster.user(0), cluster.user(1)].into_iter();
        let user = users
            .find(|user| ctl.home_of(&user.jid).is_ok_and(|is| is == home))
            .with_context(|| format!("no probe has its home on {home}"))?;
        let (address, trust) = (cluster.c2s(node)?, cluster.trust()?);
        // A node that was cut off has its users home before it takes clients again.
        let raw = until("a node takes clients", PATIENCE, || {
            Ok(Raw::login(&address, &trust, user, "probe").ok())
        })?;
        let mut probe = Self {
            raw,
            tried: 0,
            writes: 0,
        };
        if !probe.write()? {
            bail!("the probe's first write was refused");
        }
        Ok(probe)
    }

    /// Writes until a write that was sent after a fault is answered; how long after the fault that was.
    pub(crate) fn first_answer(&mut self, fault: Instant) -> Result<Duration> {
        loop {
            let done = self.write()?;
            let waited = fault.elapsed();
            if done {
                return Ok(waited);
            }
            if waited > PATIENCE {
                bail!("the peer did not serve within {} s", PATIENCE.as_secs());
            }
        }
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// Sends a roster set and waits for its answer; `false` is an error, which means: still between two owners.
    fn write(&mut self) -> Result<bool> {
        self.tried += 1;
        let id = format!("probe-{}-", self.tried);
        self.raw.send(format!(
            "<iq type='set' id='{id}'><query xmlns='jabber:iq:roster'>\
             <item jid='someone@elsewhere.example' name='{id}'/></query></iq>"
        ))?;
        let start = self.raw.read_until(&id)?;
        let rest = self.raw.read_until(">")?;
        let done = !start.contains("error") && !rest.contains("error");
        self.writes += u64::from(done);
        Ok(done)
    }
}
