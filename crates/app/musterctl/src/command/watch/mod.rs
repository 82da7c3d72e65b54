//! `watch`: events as they happen, from every node named. Each node tells its own, such as those of
//! its sessions; what the log decides all nodes tell, and one of them is listened to.
//!
//! ```text
//! follower (one for each address) -- News --> follow: sources -> printed or not
//! ```

mod follower;
mod sources;

use crate::connect::Connector;
use crate::failure::Failure;
use crate::objects;
use crate::output::{Answer, Format, progress};
use follower::{News, follow};
use futures_util::future::join_all;
use muster_admin::proto::Event;
use sources::{Source, Sources};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long no node may answer before the command ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events that wait to be printed; a full queue holds the connections back.
const WAITING: usize = 256;

pub(super) async fn run(connector: &Connector, format: Format) -> Result<(), Failure> {
    watch(connector, |event| print(event, format)).await
}

/// Shows events until it cannot, or until no node has answered for too long.
async fn watch(
    connector: &Connector,
    show: impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (to, news) = mpsc::channel(WAITING);
    let followers = (0..connector.addresses().len()).map(|at| follow(connector, at, to.clone()));
    tokio::select! {
        // Followers never end.
        _ = join_all(followers) => Ok(()),
        ended = listen(connector, news, show) => ended,
    }
}

async fn listen(
    connector: &Connector,
    mut news: mpsc::Receiver<(usize, News)>,
    mut show: impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut sources = Sources::new(connector.addresses().len());
    let mut begun = false;
    let mut last_answer = Instant::now();
    // Each follower tells something every few seconds.
    while let Some((at, news)) = news.recv().await {
        match news {
            News::Event(event) if sources.tells(at, &event) => show(&event)?,
            News::Event(_) => {}
            News::Here(source) => {
                last_answer = Instant::now();
                here(connector, &mut sources, at, source);
            }
            News::Gone(cause) => gone(connector, &mut sources, at, cause),
        }
        let is_first_look = !begun && sources.is_complete();
        if sources.is_empty() && (is_first_look || last_answer.elapsed() > PATIENCE) {
            return Err(connector.nobody(&sources.causes()));
        }
        if is_first_look {
            begun = true;
            tell_missing(connector, &sources);
        }
    }
    Ok(())
}

fn here(connector: &Connector, sources: &mut Sources, at: usize, source: Source) {
    let address = &connector.addresses()[at];
    if sources.here(at, source) {
        progress(&format!("{address} answers again"));
    }
    choose(connector, sources);
}

fn gone(connector: &Connector, sources: &mut Sources, at: usize, cause: String) {
    let address = &connector.addresses()[at];
    let words = format!("{address}: {cause}; events may be missing here");
    if sources.gone(at, cause) {
        progress(&words);
    }
    choose(connector, sources);
}

/// Listens to a better node for what the log decides, if there is one now.
fn choose(connector: &Connector, sources: &mut Sources) {
    let before = sources.main();
    sources.choose();
    if let (Some(before), Some(now)) = (before, sources.main())
        && before != now
    {
        let address = &connector.addresses()[now];
        progress(&format!(
            "what the cluster decides is heard from {address} now"
        ));
    }
}

/// Says of which nodes that were named nothing is shown.
fn tell_missing(connector: &Connector, sources: &Sources) {
    // That there is nothing at a default address means nothing.
    for (at, cause) in sources.causes().iter().filter(|_| connector.is_given()) {
        let address = &connector.addresses()[*at];
        progress(&format!(
            "events of this node are missing: {address}: {cause}"
        ));
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

#[cfg(test)]
#[path = "watch_test.rs"]
mod watch_test;
