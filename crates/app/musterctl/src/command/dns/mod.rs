//! `dns`: the records by which clients find the cluster (RFC 6120 §3.2, XEP-0368).

mod check;
mod records;

use crate::ask::ask;
use crate::cli::Dns;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::{Answer, Format};
use muster_admin::proto::StatusRequest;
use serde_json::json;

pub(super) async fn run(
    connector: &Connector,
    command: Dns,
    format: Format,
) -> Result<Answer, Failure> {
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
        Dns::Check { resolver } => said(&check::check(&zone, resolver).await?, &zone, format),
    }
}

/// What a check has found. Programs read it where they read everything else; people see on standard
/// error what is wrong.
fn said(problems: &[String], zone: &records::Zone, format: Format) -> Result<Answer, Failure> {
    let count = zone.services.len();
    let text = format!("all {count} SRV records are there, and their targets resolve");
    let answer = Answer::new(text, json!({ "problems": problems }));
    if problems.is_empty() {
        return Ok(answer);
    }
    match format {
        Format::Table => {}
        Format::Json | Format::Yaml => answer.print(format)?,
    }
    Err(Failure::Refused(format!(
        "DNS is not as it should be:\n  {}\n`musterctl dns records` prints what it should say",
        problems.join("\n  ")
    )))
}
