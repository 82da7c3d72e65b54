//! `prepare`: makes what the other commands need, by the protocol only: accounts (XEP-0077) and mutual contacts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::contacts::{self, Contacts};
use crate::crowd::{self, Progress};
use crate::figures::{Failures, Report};
use crate::options::Common;
use crate::target::Target;

/// Registrations under way at once, if nothing else is said.
const CONCURRENCY: usize = 16;

/// What to make.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Register the accounts in-band; those that are there already are left
    #[arg(long)]
    register: bool,
    /// Mutual contacts to give each user, by subscribing and approving
    #[arg(long, value_name = "N")]
    contacts: Option<usize>,
}

/// Prepares.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    let begun = Instant::now();
    let mut registered = None;
    if options.register {
        let gate = options.common.concurrency.unwrap_or(CONCURRENCY);
        registered = Some(register(&target, gate).await?);
    }
    if let Some(contacts) = options.contacts {
        let plan = Contacts::ring(target.users.len(), contacts)?;
        let members = crowd::gather_all(&target, &options.common).await?;
        crowd::close(contacts::befriend(&target, &plan, members).await?).await;
    }
    Ok(Report::default()
        .with("command", "prepare")
        .with("users", target.users.len())
        .with("registered", registered)
        .with("contacts", options.contacts)
        .with("seconds", begun.elapsed().as_secs_f64()))
}

/// How many accounts are new.
async fn register(target: &Arc<Target>, gate: usize) -> Result<u64> {
    let gate = Arc::new(Semaphore::new(gate.max(1)));
    let progress = Progress::start("registered", target.users.len());
    let mut tasks = JoinSet::new();
    for number in 0..target.users.len() {
        let permit = Arc::clone(&gate).acquire_owned().await;
        let (target, done) = (Arc::clone(target), progress.counter());
        tasks.spawn(async move {
            let _permit = permit;
            let new = target.register(number).await?;
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, crate::client::SessionError>(u64::from(new))
        });
    }
    let (mut new, mut failures) = (0, Failures::default());
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            Ok(one) => new += one,
            Err(error) => failures.add(&error),
        }
    }
    if failures.total() > 0 {
        bail!(
            "{} accounts could not be registered: {failures}",
            failures.total()
        );
    }
    Ok(new)
}
