//! Muster, as `musterd quickstart` starts it: the configuration it ships with, TLS, subscription checks and limits on.

use std::fs;

use anyhow::{Context, Result};
use muster_testkit::{Options, Quickstart, Signal};

use super::folder::Place;
use super::server::{Reach, Server};
use super::third::Third;

struct Muster {
    // Dropped before the cluster that it is part of.
    third: Option<Third>,
    cluster: Quickstart,
    reach: Reach,
    place: std::path::PathBuf,
}

/// Starts one node, a pair with its witness, or the pair and a third node.
pub(crate) fn start(nodes: u16, place: &Place) -> Result<Box<dyn Server>> {
    let pair = nodes > 1;
    let cluster = Quickstart::start_with(Options {
        users: 2,
        pair,
        plaintext: true,
        kept: Some((place.path.clone(), place.port)),
        ..Options::default()
    })?;
    if pair {
        // Its end may have been taken for the death of one node.
        for name in ["a", "b"] {
            cluster.come_home(name)?;
        }
    }
    let facts = &cluster.facts().nodes;
    let mut reach = Reach {
        plain: cluster.plaintext()?,
        tls: facts.iter().filter_map(|node| node.c2s.clone()).collect(),
        tls_kind: "starttls",
        ca: cluster.facts().ca_file.clone(),
        pids: facts.iter().map(|node| node.pid).collect(),
    };
    let third = (nodes > 2).then(|| Third::start(&cluster, place));
    let third = third.transpose()?;
    if let Some(third) = &third {
        reach.plain.push(third.plain.clone());
        reach.tls.push(third.tls.clone());
        reach.pids.push(third.pid());
    }
    Ok(Box::new(Muster {
        third,
        cluster,
        reach,
        place: place.path.clone(),
    }))
}

impl Server for Muster {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn import(&self, csv: &str) -> Option<Result<()>> {
        let file = self.place.join("accounts.csv");
        let import = || {
            fs::write(&file, csv).with_context(|| format!("writing {}", file.display()))?;
            let file = file.display().to_string();
            self.cluster
                .ctl()
                .run(&["user", "import", "--update", &file])
                .map(drop)
        };
        Some(import())
    }

    fn set(&self, setting: &str) -> Result<()> {
        self.cluster
            .ctl()
            .run(&["settings", "set", setting])
            .map(drop)
    }

    fn drain(&self, node: &str, per_second: u32) -> Option<String> {
        let ctl = self.cluster.folder().join("bin/musterctl");
        let socket = self.cluster.folder().join(node).join("admin.sock");
        Some(format!(
            "{} --address unix:{} node drain {node} --rate {per_second} >/dev/null",
            ctl.display(),
            socket.display()
        ))
    }

    fn end(mut self: Box<Self>) -> Result<()> {
        if let Some(third) = self.third.take() {
            third.end()?;
        }
        self.cluster.stop(Signal::Term)
    }
}
