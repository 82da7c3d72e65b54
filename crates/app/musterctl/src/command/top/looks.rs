//! What one node is asked, again and again.

use super::state::News;
use crate::connect::{Client, Connector, cause};
use muster_admin::proto::{SessionListRequest, StatusRequest};
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::{Response, Status};

/// Between two attempts to reach a node.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a node may take to answer: a paused one keeps its connections and says nothing.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a full node may take to list its sessions.
const LIST: Duration = Duration::from_secs(10);
/// After a list of sessions a node has so many times as long as it took for other things.
const LIST_REST: u32 = 20;

/// Asks the node at an address for ever.
pub(super) async fn look(
    connector: &Connector,
    at: usize,
    interval: Duration,
    to: mpsc::Sender<News>,
) {
    let address = &connector.addresses()[at];
    loop {
        let why = match connector.reach(address).await {
            Ok(reached) => ask_on(reached.client, at, interval, &to).await,
            Err(why) => why,
        };
        // Nobody listens once the command ends.
        let _ = to.send(News::Gone(at, why)).await;
        tokio::time::sleep(PAUSE.min(interval)).await;
    }
}

/// Asks until there is no answer any more; returns why.
async fn ask_on(client: Client, at: usize, interval: Duration, to: &mpsc::Sender<News>) -> String {
    // A long list holds up nothing.
    tokio::select! {
        why = ask_status(client.clone(), at, interval, to) => why,
        why = ask_sessions(client, at, interval, to) => why,
    }
}

async fn ask_status(
    mut client: Client,
    at: usize,
    interval: Duration,
    to: &mpsc::Sender<News>,
) -> String {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match ask(ANSWER, client.status(StatusRequest {})).await {
            Ok(status) if status.cluster.is_empty() => {
                return "it has only just started and knows nothing of its cluster yet".to_owned();
            }
            Ok(status) => {
                let _ = to.send(News::Status(at, Box::new(status))).await;
            }
            Err(why) => return why,
        }
    }
}

async fn ask_sessions(
    mut client: Client,
    at: usize,
    interval: Duration,
    to: &mpsc::Sender<News>,
) -> String {
    loop {
        let begun = Instant::now();
        match ask(LIST, client.session_list(SessionListRequest {})).await {
            Ok(list) => {
                let _ = to.send(News::Sessions(at, list.sessions)).await;
            }
            Err(why) => return why,
        }
        tokio::time::sleep(interval.max(begun.elapsed() * LIST_REST)).await;
    }
}

async fn ask<T>(
    within: Duration,
    question: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, String> {
    let answer = tokio::time::timeout(within, question).await;
    let silent = || format!("no answer within {} s", within.as_secs());
    answer
        .map_err(|_| silent())?
        .map(Response::into_inner)
        .map_err(|status| cause(&status))
}
