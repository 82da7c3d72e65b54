//! `top`: the cluster live on a terminal. Every node named is asked; what is shown is what one of them
//! answers, and another one's as soon as it does not answer any more.
//!
//! ```text
//! looks (one for each address) ---\
//! watch, as the command of its own  --> News --> State --> view --> terminal
//! orders, carried out ------------/                ^---- keys <------/
//! ```

mod homing;
mod keys;
mod looks;
mod orders;
mod rates;
#[cfg(test)]
mod samples;
mod screen;
mod state;
mod view;

use super::status::NO_CLUSTER;
use super::watch;
use crate::ask::ask;
use crate::cli::Top;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Format;
use futures_util::future::join_all;
use muster_admin::proto::StatusRequest;
use orders::Order;
use state::{News, State};
use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;
use tokio::sync::mpsc;

/// What waits to be shown; a full queue holds the connections back.
const WAITING: usize = 256;
/// Before the events are followed again when no node answers.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(
    connector: &Connector,
    options: &Top,
    format: Format,
) -> Result<(), Failure> {
    check_terminal(stdin().is_terminal() && stdout().is_terminal(), format)?;
    // Whoever can reach nobody is told so on the plain screen.
    let status = ask(connector.client().await?.status(StatusRequest {})).await?;
    if status.cluster.is_empty() {
        return Err(Failure::Refused(NO_CLUSTER.to_owned()));
    }
    let (to, news) = mpsc::channel(WAITING);
    let (orders_to, orders) = mpsc::channel(1);
    let addresses = connector.addresses();
    let looks =
        (0..addresses.len()).map(|at| looks::look(connector, at, options.interval, to.clone()));
    let work = async {
        tokio::join!(
            join_all(looks),
            follow(connector, to.clone()),
            obey(connector, orders, to.clone())
        )
    };
    let words = addresses.iter().map(ToString::to_string).collect();
    let state = State::new(words, connector.is_given(), options.interval);
    tokio::select! {
        // Looks never end.
        _ = work => Ok(()),
        ended = screen::show(state, news, orders_to) => ended,
    }
}

/// A screen is nothing for scripts.
fn check_terminal(is_terminal: bool, format: Format) -> Result<(), Failure> {
    if is_terminal && format == Format::Table {
        return Ok(());
    }
    let what = if is_terminal {
        "it has no other form than its screen"
    } else {
        "standard input or output is none"
    };
    Err(Failure::Usage(format!(
        "top is for a terminal, and {what}: use `musterctl watch` for events as they happen, or `musterctl get nodes -o json` for the state now"
    )))
}

/// Tells what `musterctl watch` tells, for ever.
async fn follow(connector: &Connector, to: mpsc::Sender<News>) {
    loop {
        let show = |told| async {
            // Nobody listens once the command ends.
            let _ = to.send(News::Told(told)).await;
            Ok(())
        };
        // It ends when no node answers, which the looks say too.
        let _ = watch::watch(connector, show).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Carries out orders, one after the other.
async fn obey(connector: &Connector, mut orders: mpsc::Receiver<Order>, to: mpsc::Sender<News>) {
    while let Some(order) = orders.recv().await {
        let answer = order.clone().carry_out(connector).await;
        let _ = to.send(News::Answer(order, answer)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_told_which_commands_are_for_it() {
        for (is_terminal, format, good) in [
            (true, Format::Table, true),
            (true, Format::Json, false),
            (false, Format::Table, false),
        ] {
            let checked = check_terminal(is_terminal, format);
            assert_eq!(checked.is_ok(), good, "{is_terminal}, {format:?}");
            if let Err(failure) = checked {
                assert_eq!(failure.code(), 2);
                let words = failure.to_string();
                assert!(words.contains("`musterctl watch`"), "{words}");
                assert!(words.contains("`musterctl get nodes -o json`"), "{words}");
            }
        }
    }
}
