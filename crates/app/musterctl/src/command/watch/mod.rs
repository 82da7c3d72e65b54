//! `watch`: events as they happen, from every node named. Each node tells its own, such as those of
//! its sessions; what the log decides all nodes tell, and one of them is listened to.
//!
//! ```text
//! follower (one for each address) -- News --> follow: sources -> Told -> printed, or shown by `top`
//! ```

mod follower;
pub(super) mod sources;

use crate::connect::Connector;
use crate::failure::Failure;
use crate::objects;
use crate::output::{Answer, Format, printable, progress};
use follower::{News, follow};
use futures_util::future::join_all;
use muster_admin::proto::Event;
use sources::{Source, Sources};
use std::future::{self, Future};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long no node may answer before the command ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events that wait to be printed; a full queue holds the connections back.
const WAITING: usize = 256;

/// What there is to tell.
pub(super) enum Told {
    /// Something happened.
    Event(Event),
    /// Where events come from now, and where they may be missing.
    Note(String),
}

pub(super) async fn run(connector: &Connector, format: Format) -> Result<(), Failure> {
    let show = |told| {
        future::ready(match told {
            Told::Event(event) => print(&event, format),
            Told::Note(text) => {
                progress(&text);
                Ok(())
            }
        })
    };
    watch(connector, show).await
}

/// Shows events until it cannot, or until no node has answered for too long.
pub(super) async fn watch<F>(
    connector: &Connector,
    show: impl FnMut(Told) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let (to, news) = mpsc::channel(WAITING);
    let followers = (0..connector.addresses().len()).map(|at| follow(connector, at, to.clone()));
    tokio::select! {
        // Followers never end.
        _ = join_all(followers) => Ok(()),
        ended = listen(connector, news, show) => ended,
    }
}

async fn listen<F>(
    connector: &Connector,
    mut news: mpsc::Receiver<(usize, News)>,
    mut show: impl FnMut(Told) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let mut sources = Sources::new(connector.addresses().len());
    let mut begun = false;
    let mut last_answer = Instant::now();
    // Each follower tells something every few seconds.
    while let Some((at, news)) = news.recv().await {
        let mut notes = Vec::new();
        match news {
            News::Event(event) if sources.tells(at, &event) => show(Told::Event(event)).await?,
            News::Event(_) => {}
            News::Here(source) => {
                last_answer = Instant::now();
                notes.extend(here(connector, &mut sources, at, source));
                notes.extend(choose(connector, &mut sources));
            }
            News::Gone(cause) => {
                notes.extend(gone(connector, &mut sources, at, cause));
                notes.extend(choose(connector, &mut sources));
            }
        }
        let is_first_look = !begun && sources.is_complete();
        if sources.is_empty() && (is_first_look || last_answer.elapsed() > PATIENCE) {
            return Err(connector.nobody(&sources.causes()));
        }
        if is_first_look {
            begun = true;
            notes.extend(missing(connector, &sources));
        }
        for note in notes {
            show(Told::Note(note)).await?;
        }
    }
    Ok(())
}

fn here(connector: &Connector, sources: &mut Sources, at: usize, source: Source) -> Option<String> {
    let address = &connector.addresses()[at];
    let is_back = sources.here(at, source);
    is_back.then(|| format!("{address} answers again"))
}

fn gone(connector: &Connector, sources: &mut Sources, at: usize, cause: String) -> Option<String> {
    let address = &connector.addresses()[at];
    let words = format!("{address}: {cause}; events may be missing here");
    sources.gone(at, cause).then_some(words)
}

/// Listens to a better node for what the log decides, if there is one now.
fn choose(connector: &Connector, sources: &mut Sources) -> Option<String> {
    let before = sources.main();
    sources.choose();
    let (before, now) = (before?, sources.main()?);
    let address = &connector.addresses()[now];
    (before != now).then(|| format!("what the cluster decides is heard from {address} now"))
}

/// Of which nodes that were named nothing is shown.
fn missing(connector: &Connector, sources: &Sources) -> Vec<String> {
    // That there is nothing at a default address means nothing.
    let causes = sources.causes();
    let named = causes.iter().filter(|_| connector.is_given());
    let words = |(at, cause): &(usize, String)| {
        let address = &connector.addresses()[*at];
        format!("events of this node are missing: {address}: {cause}")
    };
    named.map(words).collect()
}

/// One line for an event; in YAML a document each.
fn print(event: &Event, format: Format) -> Result<(), Failure> {
    let value = objects::event(event);
    let text = match format {
        Format::Table => {
            format!("{}  {:<8} {}", event.at, event.kind, printable(&event.text))
        }
        Format::Json => value.to_string(),
        Format::Yaml => format!("---\n{}", crate::yaml::yaml(&value)),
    };
    Ok(Answer::new(text, value).print(Format::Table)?)
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod watch_test;
