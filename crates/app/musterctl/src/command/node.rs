//! `node`.

use super::{drain, group, takeover};
use crate::ask::ask;
use crate::cli::Node;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Answer;
use muster_admin::proto::{NodeRef, NodeReplaceRequest};

pub(super) async fn run(connector: &Connector, command: Node) -> Result<Answer, Failure> {
    match command {
        Node::Failover(wanted) => group::failover(connector, wanted).await,
        Node::Fallback(wanted) => group::fallback(connector, wanted).await,
        Node::Drain(wanted) => drain::run(connector, wanted).await,
        Node::Takeover(wanted) => takeover::run(connector, wanted).await,
        Node::Replace { old, new } => {
            let request = NodeReplaceRequest {
                old: old.clone(),
                new: new.clone(),
            };
            ask(connector.client().await?.node_replace(request)).await?;
            Ok(Answer::done(format!(
                "node {new} has the place of {old}; no account moved"
            )))
        }
        Node::Remove { node } => {
            ask(connector
                .client()
                .await?
                .node_remove(NodeRef { node: node.clone() }))
            .await?;
            Ok(Answer::done(format!(
                "node {node} is removed; stop it, its certificate is refused"
            )))
        }
    }
}
