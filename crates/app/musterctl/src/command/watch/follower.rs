//! The connection to one node, made again whenever it breaks.

use super::sources::Source;
use crate::connect::{Client, Connector, Reached, cause};
use muster_admin::proto::{Event, HelloRequest, WatchRequest};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tonic::Streaming;

/// Between two attempts, and between two questions whether the node is there and has a quorum: a
/// paused node keeps its connections and says nothing.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What is heard of one address.
pub(super) enum News {
    /// The node answers. Told again every second.
    Here(Source),
    /// Something happened there.
    Event(Event),
    /// It does not answer, or no more, and why.
    Gone(String),
}

/// Tells of one address for ever.
pub(super) async fn follow(connector: &Connector, at: usize, to: mpsc::Sender<(usize, News)>) {
    let address = &connector.addresses()[at];
    loop {
        let why = match connector.reach(address).await {
            Ok(reached) => listen(reached, at, &to).await,
            Err(why) => why,
        };
        // Nobody listens once the command ends.
        let _ = to.send((at, News::Gone(why))).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells what a node tells, until it tells nothing any more; returns why.
async fn listen(reached: Reached, at: usize, to: &mpsc::Sender<(usize, News)>) -> String {
    let Reached {
        mut client, hello, ..
    } = reached;
    let mut events = match begin(&mut client).await {
        Ok(events) => events,
        Err(why) => return why,
    };
    let mut news = News::Here(Source::from(&hello));
    let mut tick = interval_at(Instant::now() + PAUSE, PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Nobody listens once the command ends.
        let _ = to.send((at, news)).await;
        news = tokio::select! {
            _ = tick.tick() => match ask(&mut client).await {
                Ok(source) => News::Here(source),
                Err(why) => return why,
            },
            event = events.message() => match event {
                Ok(Some(event)) => News::Event(event),
                Ok(None) => return "the node ends".to_owned(),
                Err(status) => return cause(&status),
            },
        };
    }
}

async fn begin(client: &mut Client) -> Result<Streaming<Event>, String> {
    let begun = tokio::time::timeout(ANSWER, client.watch(WatchRequest {})).await;
    let begun = begun.map_err(|_| silent())?;
    begun
        .map(tonic::Response::into_inner)
        .map_err(|status| cause(&status))
}

async fn ask(client: &mut Client) -> Result<Source, String> {
    let hello = tokio::time::timeout(ANSWER, client.hello(HelloRequest {})).await;
    let hello = hello.map_err(|_| silent())?;
    hello
        .map(|hello| Source::from(&hello.into_inner()))
        .map_err(|status| cause(&status))
}

fn silent() -> String {
    "no answer within 2 s".to_owned()
}
