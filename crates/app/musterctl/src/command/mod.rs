//! The commands, one file for each family.

mod api_client;
mod audit;
mod cluster;
mod config;
mod dns;
mod doctor;
mod drain;
mod get;
mod group;
mod import;
mod node;
mod password;
mod presence;
mod status;
mod takeover;
mod top;
mod user;
mod wait;
mod watch;

use crate::ask::ask;
use crate::cli::{Cli, Command, Domain, Settings};
use crate::connect::Connector;
use crate::failure::Failure;
use crate::manual;
use crate::output::{Answer, print};
use clap::CommandFactory;
use muster_admin::proto::{DomainRef, SettingsSetRequest};

/// Runs one command and prints what came of it.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let format = cli.output;
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "musterctl", &mut script);
        return Ok(print(&script)?);
    }
    if let Command::Man { folder } = cli.command {
        return manual::write(Cli::command(), "1", &folder)
            .map_err(|error| Failure::file(&folder, &error));
    }
    let connector = Connector::new(&cli.target)?;
    let answer = match cli.command {
        Command::Cluster(command) => cluster::cluster(&connector, command).await?,
        Command::Token(command) => cluster::token(&connector, command).await?,
        Command::Operator(command) => cluster::operator(&connector, command).await?,
        Command::Get { kind } => get::get(&connector, kind).await?,
        Command::Describe { kind, name } => get::describe(&connector, kind, name).await?,
        Command::Group(command) => group::run(&connector, command).await?,
        Command::Node(command) => node::run(&connector, command).await?,
        Command::Domain(command) => domain(&connector, command).await?,
        Command::User(command) => user::run(&connector, command, format).await?,
        Command::Config(command) => config::run(&connector, command, format).await?,
        Command::Settings(Settings::Set { settings }) => set(&connector, settings).await?,
        Command::Presence(command) => presence::run(&connector, command).await?,
        Command::ApiClient(command) => api_client::run(&connector, command).await?,
        Command::Explain {
            jid,
            watcher,
            words_of,
        } => presence::explain(&connector, jid, watcher, words_of).await?,
        Command::Top(options) => return top::run(&connector, &options, format).await,
        Command::Watch => return watch::run(&connector, format).await,
        Command::Status => status::run(&connector).await?,
        Command::Doctor => return doctor::run(&connector, format).await,
        Command::Audit { last } => audit::run(&connector, last).await?,
        Command::Dns(command) => dns::run(&connector, command, format).await?,
        Command::Completions { .. } | Command::Man { .. } => return Ok(()),
    };
    Ok(answer.print(format)?)
}

async fn domain(connector: &Connector, command: Domain) -> Result<Answer, Failure> {
    let mut client = connector.client().await?;
    match command {
        Domain::Add { domain } => {
            ask(client.domain_add(DomainRef {
                domain: domain.clone(),
            }))
            .await?;
            Ok(Answer::done(format!(
                "{domain} is hosted; every serving node needs a certificate for it ([[c2s.certificate]])"
            )))
        }
        Domain::Remove { domain } => {
            ask(client.domain_remove(DomainRef {
                domain: domain.clone(),
            }))
            .await?;
            Ok(Answer::done(format!("{domain} is hosted no more")))
        }
    }
}

async fn set(connector: &Connector, settings: Vec<String>) -> Result<Answer, Failure> {
    let mut client = connector.client().await?;
    let text = format!("set {}", settings.join(", "));
    ask(client.settings_set(SettingsSetRequest { settings })).await?;
    Ok(Answer::done(text))
}
