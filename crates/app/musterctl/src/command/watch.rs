//! `watch`: events as they happen. When the node asked goes away, another one is asked.

use crate::ask::ask;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::objects;
use crate::output::{Answer, Format, progress};
use muster_admin::proto::{Event, WatchRequest};
use std::time::Duration;
use tonic::Streaming;

/// How often another node is looked for.
const TRIES: u32 = 30;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(connector: &Connector, format: Format) -> Result<(), Failure> {
    let mut events = begin(connector).await?;
    loop {
        let ended = match events.message().await {
            Ok(Some(event)) => {
                print(&event, format)?;
                continue;
            }
            Ok(None) => "the node ends".to_owned(),
            Err(status) => status.message().to_owned(),
        };
        progress(&format!("{ended}; events may be missing here"));
        events = again(connector).await?;
    }
}

async fn begin(connector: &Connector) -> Result<Streaming<Event>, Failure> {
    ask(connector.client().await?.watch(WatchRequest {})).await
}

async fn again(connector: &Connector) -> Result<Streaming<Event>, Failure> {
    let mut tries = 0;
    loop {
        tokio::time::sleep(PAUSE).await;
        match begin(connector).await {
            Err(Failure::Unreachable(_) | Failure::Unknown(_)) if tries < TRIES => tries += 1,
            begun => return begun,
        }
    }
}

/// One line for an event; in YAML a document each.
fn print(event: &Event, format: Format) -> Result<(), Failure> {
    let value = objects::event(event);
    let text = match format {
        Format::Table => {
            let text = event.text.replace(char::is_control, "\u{fffd}");
            format!("{}  {:<8} {text}", event.at, event.kind)
        }
        Format::Json => value.to_string(),
        Format::Yaml => format!("---\n{}", crate::yaml::yaml(&value)),
    };
    Ok(Answer::new(text, value).print(Format::Table)?)
}
