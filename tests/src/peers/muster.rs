//! Muster, as `musterd quickstart` starts it: the configuration it ships with, TLS, subscription checks and limits on.

use std::fs;

use anyhow::{Context, Result};
use muster_testkit::{Options, Quickstart, Signal};

use super::folder::Place;
use super::server::{Reach, Server};

struct Muster {
    cluster: Quickstart,
    reach: Reach,
    place: std::path::PathBuf,
}

/// Starts one node, or a pair with its witness.
pub(crate) fn start(pair: bool, place: &Place) -> Result<Box<dyn Server>> {
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
    let nodes = &cluster.facts().nodes;
    let reach = Reach {
        plain: cluster.plaintext()?,
        tls: nodes.iter().filter_map(|node| node.c2s.clone()).collect(),
        tls_kind: "starttls",
        ca: cluster.facts().ca_file.clone(),
        pids: nodes.iter().map(|node| node.pid).collect(),
    };
    Ok(Box::new(Muster {
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

    fn end(mut self: Box<Self>) -> Result<()> {
        self.cluster.stop(Signal::Term)
    }
}
