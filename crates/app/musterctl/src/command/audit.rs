//! `audit`: who asked the nodes for what, and what came of it.

use crate::ask::ask;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::{Answer, progress};
use crate::table::Column;
use muster_admin::proto::{Act, AuditListRequest};
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    ("AT", "at"),
    ("NODE", "node"),
    ("BY", "by"),
    ("CALL", "call"),
    ("ABOUT", "about"),
    ("OUTCOME", "outcome"),
];

/// Asks every node that was named, and puts what they say in one order.
pub(super) async fn run(connector: &Connector, last: u32) -> Result<Answer, Failure> {
    let (nodes, silent) = connector.all().await?;
    let mut acts = Vec::new();
    for mut node in nodes {
        let answer = ask(node.client.audit_list(AuditListRequest { most: last })).await?;
        acts.extend(answer.acts);
    }
    for words in silent {
        progress(&format!("not asked: {words}"));
    }
    Ok(Answer::list(COLUMNS, newest(acts, last)))
}

fn newest(mut acts: Vec<Act>, last: u32) -> Vec<Value> {
    // All of one form, so they are in order as texts too.
    acts.sort_by(|a, b| a.at.cmp(&b.at));
    let older = acts
        .len()
        .saturating_sub(usize::try_from(last).unwrap_or(usize::MAX));
    let value = |act: &Act| {
        json!({
            "at": act.at,
            "node": act.node,
            "by": act.by,
            "call": act.call,
            "about": act.about,
            "outcome": act.outcome,
        })
    };
    acts.iter().skip(older).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acts_of_all_nodes_are_in_one_order_and_the_newest_are_shown() {
        let act = |at: &str, node: &str| Act {
            at: format!("2026-11-28T12:00:0{at}.000Z"),
            node: node.to_owned(),
            by: "operator \"ops\"".to_owned(),
            call: "UserRemove".to_owned(),
            about: "alice@example.com".to_owned(),
            outcome: "ok".to_owned(),
        };
        let acts = vec![act("1", "a"), act("4", "a"), act("2", "b"), act("3", "b")];
        let nodes: Vec<_> = newest(acts, 3)
            .iter()
            .map(|act| act["node"].clone())
            .collect();
        assert_eq!(nodes, ["b", "b", "a"]);
    }
}
