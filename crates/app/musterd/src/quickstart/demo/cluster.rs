//! What the demo asks of the cluster: how it is, and to bring users home.

use super::client::News;
use crate::quickstart::cluster::channel;
use muster_admin::proto::admin_client::AdminClient;
use muster_admin::proto::{NodeRef, StatusRequest};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A node that dies while it is asked may leave the question open.
const ANSWER: Duration = Duration::from_millis(500);
/// How often homecoming is asked for: it is refused until the copy of the node has caught up.
const AGAIN: Duration = Duration::from_millis(250);

/// Tells how the cluster is, as long as somebody listens, whichever of its nodes are dead.
pub(super) async fn watch(sockets: Vec<PathBuf>, news: mpsc::Sender<News>) {
    for socket in sockets.into_iter().cycle() {
        if let Ok(channel) = channel(socket).await {
            let mut admin = AdminClient::new(channel);
            while let Ok(Ok(status)) = timeout(ANSWER, admin.status(StatusRequest {})).await {
                let status = Box::new(status.into_inner());
                if news.send(News::Status(status)).await.is_err() {
                    return;
                }
                sleep(LOOK).await;
            }
        }
        if news.is_closed() {
            return;
        }
        sleep(LOOK).await;
    }
}

/// Asks again and again for the users of `node` to go home; whoever started it knows when they are.
pub(super) async fn bring_home(sockets: Vec<PathBuf>, node: &'static str) {
    for socket in sockets.into_iter().cycle() {
        if let Ok(channel) = channel(socket).await {
            let node = node.to_owned();
            // Refused as long as it is too early, and when it is done.
            let _ = timeout(ANSWER, AdminClient::new(channel).fallback(NodeRef { node })).await;
        }
        sleep(AGAIN).await;
    }
}
