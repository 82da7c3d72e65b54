//! `node drain`: the node empties itself; this shows how far it is.

use crate::ask::ask;
use crate::cli::Drain;
use crate::connect::{Client, Connector};
use crate::failure::Failure;
use crate::output::{Answer, progress};
use muster_admin::proto::{DrainOrder, DrainProgress, NodeDrainOrderRequest, NodeDrainRequest};
use serde_json::json;

pub(super) async fn run(connector: &Connector, wanted: Drain) -> Result<Answer, Failure> {
    let Drain {
        node,
        rate,
        pause,
        resume,
        abort,
    } = wanted;
    let mut client = client_of(connector, &node).await?;
    let order = match (pause, resume, abort) {
        (true, ..) => DrainOrder::Pause,
        (_, true, _) => DrainOrder::Resume,
        (.., true) => DrainOrder::Abort,
        _ => return follow(&mut client, node, rate).await,
    };
    let request = NodeDrainOrderRequest {
        node: node.clone(),
        order: order.into(),
    };
    let now = ask(client.node_drain_order(request)).await?;
    let words = match order {
        DrainOrder::Pause => format!(
            "the drain of {node} is paused, {} clients are left",
            now.left
        ),
        DrainOrder::Resume => format!("the drain of {node} goes on, {} clients are left", now.left),
        DrainOrder::Abort | DrainOrder::Unspecified => {
            let more = if now.words.is_empty() {
                String::new()
            } else {
                format!("; {}", now.words)
            };
            format!("{node} takes clients again{more}")
        }
    };
    Ok(answer(&node, &now, words))
}

/// Follows the drain to its end.
async fn follow(client: &mut Client, node: String, rate: u32) -> Result<Answer, Failure> {
    let request = NodeDrainRequest {
        node: node.clone(),
        per_second: rate,
    };
    let mut told = ask(client.node_drain(request)).await?;
    let mut last = DrainProgress::default();
    loop {
        match told.message().await {
            Ok(Some(now)) => {
                progress(&line(&node, &now));
                last = now;
            }
            Ok(None) => break,
            Err(_) => {
                return Err(Failure::Unknown(format!(
                    "the node says nothing any more; the drain of {node} goes on without this: look with `musterctl status`"
                )));
            }
        }
    }
    if last.stage == "off" {
        return Err(Failure::Refused(format!(
            "the drain of {node} was ended: the node takes clients again"
        )));
    }
    let words = format!(
        "{node} is empty: {} clients went; it may be stopped. Afterwards `musterctl group fallback {node}` brings its users home",
        last.gone
    );
    Ok(answer(&node, &last, words))
}

fn line(node: &str, now: &DrainProgress) -> String {
    let DrainProgress {
        stage,
        left,
        gone,
        per_second,
        paused,
        ..
    } = now;
    let pace = if *paused {
        ", paused".to_owned()
    } else if stage == "moving clients" {
        format!(", {per_second} a second")
    } else {
        String::new()
    };
    format!("{node}: {stage}{pace}: {gone} clients have gone, {left} are left")
}

fn answer(node: &str, now: &DrainProgress, words: String) -> Answer {
    let value = json!({
        "node": node,
        "stage": now.stage,
        "left": now.left,
        "gone": now.gone,
        "per_second": now.per_second,
        "paused": now.paused,
        "words": words,
    });
    Answer::new(words, value)
}

/// A node empties itself: it has to be among those asked.
async fn client_of(connector: &Connector, node: &str) -> Result<Client, Failure> {
    let (reached, silent) = connector.all().await?;
    let names: Vec<_> = reached.iter().map(|one| one.hello.name.clone()).collect();
    let is_it = |hello: &muster_admin::proto::HelloResponse| {
        hello.name == node || format!("n{}", hello.node) == node
    };
    let found = reached.into_iter().find(|one| is_it(&one.hello));
    found.map(|one| one.client).ok_or_else(|| {
        let mut words = format!(
            "a node empties itself, and {node} is not among those asked ({}): name its address with --address",
            names.join(", ")
        );
        for one in silent {
            words += &format!("\n  {one}");
        }
        Failure::Refused(words)
    })
}
