//! `dns`: the records by which clients find the cluster (RFC 6120 §3.2, XEP-0368).

mod check;
mod records;

use crate::ask::ask;
use crate::cli::Dns;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Answer;
use muster_admin::proto::StatusRequest;

pub(super) async fn run(connector: &Connector, command: Dns) -> Result<Answer, Failure> {
    let status = ask(connector.client().await?.status(StatusRequest {})).await?;
    if status.cluster.is_empty() {
        return Err(Failure::Refused(super::status::NO_CLUSTER.to_owned()));
    }
    let zone = records::zone(&status);
    if zone.services.is_empty() {
        return Err(Failure::Refused(
            "there are no records: the cluster hosts no domain, or no node of a group has client addresses"
                .to_owned(),
        ));
    }
    match command {
        Dns::Records => Ok(zone.answer()),
        Dns::Check { resolver } => check::check(&zone, resolver).await,
    }
}
