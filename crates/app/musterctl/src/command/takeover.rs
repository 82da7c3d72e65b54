//! `node takeover`: first what would be lost, then the question, then the deed.

use crate::ask::ask;
use crate::cli::Takeover;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::{Answer, progress};
use muster_admin::proto::{NodeTakeoverRequest, NodeTakeoverResponse};
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};

pub(super) async fn run(connector: &Connector, wanted: Takeover) -> Result<Answer, Failure> {
    let Takeover {
        node,
        accept_unsafe,
        yes,
    } = wanted;
    let request = |carry_out| NodeTakeoverRequest {
        node: node.clone(),
        accept_unsafe,
        carry_out,
    };
    // Whoever answers is asked to take over; it has no quorum, or needs none.
    let mut client = connector.first().await?;
    let plan = ask(client.node_takeover(request(false))).await?;
    let title = format!(
        "UNSAFE TAKEOVER of the users of {} by {}:",
        plan.node, plan.by
    );
    progress(&title);
    for warning in &plan.warnings {
        progress(&format!("  - {warning}"));
    }
    if !yes {
        confirm(&plan.node)?;
    }
    let done = ask(client.node_takeover(request(true))).await?;
    let NodeTakeoverResponse {
        node, by, node_id, ..
    } = &done;
    let text = format!(
        "{by} serves the users of {node}; {node} is refused until its data folder is moved away. Next: \
         bring in a new node, then `musterctl node replace n{node_id} NEW`"
    );
    Ok(Answer::new(text, value(&done)))
}

/// The operator types the name of the node.
fn confirm(node: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "nobody can be asked whether this is meant: give --yes; nothing was done".to_owned(),
        ));
    }
    let mut err = io::stderr();
    write!(err, "Type the name of the node that is lost to go on: ")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == node {
        Ok(())
    } else {
        Err(Failure::Refused(format!(
            "that is not {node}: nothing was done"
        )))
    }
}

fn value(done: &NodeTakeoverResponse) -> Value {
    json!({
        "node": done.node,
        "node_id": format!("n{}", done.node_id),
        "by": done.by,
        "users": done.users,
        "last_log": done.last_log,
        "control": done.control,
        "control_last_log": done.control_last_log,
        "heard_ms_ago": done.heard.then_some(done.heard_ms_ago),
        "warnings": done.warnings,
        "done": done.done,
    })
}
