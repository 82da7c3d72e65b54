//! `get` and `describe`.

use crate::ask::ask;
use crate::cli::Kind;
use crate::connect::{Client, Connector};
use crate::failure::Failure;
use crate::objects;
use crate::output::{Answer, progress};
use crate::table::Column;
use muster_admin::proto::{
    ReplicationListRequest, ServiceListRequest, SessionListRequest, StatusRequest, UserListRequest,
    UserRef,
};
use serde_json::Value;

pub(super) async fn get(connector: &Connector, kind: Kind) -> Result<Answer, Failure> {
    Ok(Answer::list(columns(kind), list(connector, kind).await?))
}

pub(super) async fn describe(
    connector: &Connector,
    kind: Kind,
    name: Option<String>,
) -> Result<Answer, Failure> {
    let Some(name) = name else {
        return Ok(Answer::objects(list(connector, kind).await?));
    };
    if kind == Kind::Users {
        let mut client = connector.client().await?;
        let user = ask(client.user_get(UserRef { jid: name })).await?;
        return Ok(Answer::object(objects::user(&user)));
    }
    let mut found: Vec<_> = list(connector, kind)
        .await?
        .into_iter()
        .filter(|object| is_called(kind, object, &name))
        .collect();
    match found.len() {
        0 => Err(Failure::Refused(format!(
            "there is no {} {name:?}",
            word(kind)
        ))),
        1 => Ok(Answer::object(found.remove(0))),
        _ => Ok(Answer::objects(found)),
    }
}

fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Nodes => objects::NODE,
        Kind::Groups => objects::GROUP,
        Kind::Slots => objects::SLOT,
        Kind::Users => objects::USER,
        Kind::Sessions => objects::SESSION,
        Kind::Domains => objects::DOMAIN,
        Kind::Settings => objects::SETTING,
        Kind::Services => objects::SERVICE,
        Kind::Replication => objects::REPLICA,
    }
}

/// The fields by which an object of a kind is found.
fn is_called(kind: Kind, object: &Value, name: &str) -> bool {
    let fields: &[&str] = match kind {
        Kind::Nodes | Kind::Groups => &["name", "id"],
        Kind::Slots => &["id", "home"],
        Kind::Users | Kind::Sessions => &["jid"],
        Kind::Domains | Kind::Settings => &["name"],
        Kind::Services => &["name", "node"],
        Kind::Replication => &["log", "home", "node"],
    };
    fields.iter().any(|field| object[*field] == name)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Nodes => "node",
        Kind::Groups => "group",
        Kind::Slots => "slot",
        Kind::Users => "user",
        Kind::Sessions => "session",
        Kind::Domains => "domain",
        Kind::Settings => "setting",
        Kind::Services => "service",
        Kind::Replication => "replica",
    }
}

async fn list(connector: &Connector, kind: Kind) -> Result<Vec<Value>, Failure> {
    match kind {
        Kind::Users => users(&mut connector.client().await?).await,
        Kind::Sessions => sessions(connector).await,
        Kind::Services => services(connector).await,
        Kind::Replication => {
            let mut client = connector.client().await?;
            let answer = ask(client.replication_list(ReplicationListRequest {})).await?;
            Ok(answer.replicas.iter().map(objects::replica).collect())
        }
        Kind::Nodes | Kind::Groups | Kind::Slots | Kind::Domains | Kind::Settings => {
            let status = ask(connector.client().await?.status(StatusRequest {})).await?;
            if status.cluster.is_empty() && kind != Kind::Settings {
                return Err(Failure::Refused(super::status::NO_CLUSTER.to_owned()));
            }
            Ok(match kind {
                Kind::Nodes => status.nodes.iter().map(objects::node).collect(),
                Kind::Groups => objects::groups(&status),
                Kind::Slots => status.slots.iter().map(objects::slot).collect(),
                Kind::Domains => status.domains.iter().map(objects::domain).collect(),
                Kind::Settings
                | Kind::Users
                | Kind::Sessions
                | Kind::Services
                | Kind::Replication => status.settings.iter().map(objects::setting).collect(),
            })
        }
    }
}

/// All users, page by page.
pub(super) async fn users(client: &mut Client) -> Result<Vec<Value>, Failure> {
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(client.user_list(UserListRequest { after, limit: 0 }))
            .await?
            .users;
        let Some(last) = page.last() else {
            return Ok(users);
        };
        after = last.jid.clone();
        users.extend(page.iter().map(objects::user));
    }
}

/// The sessions of every node that was named.
async fn sessions(connector: &Connector) -> Result<Vec<Value>, Failure> {
    let mut sessions = Vec::new();
    for mut client in every(connector, "sessions").await? {
        let answer = ask(client.session_list(SessionListRequest {})).await?;
        sessions.extend(answer.sessions.iter().map(objects::session));
    }
    Ok(sessions)
}

/// The services of every node that was named.
async fn services(connector: &Connector) -> Result<Vec<Value>, Failure> {
    let mut services = Vec::new();
    for mut client in every(connector, "services").await? {
        let answer = ask(client.service_list(ServiceListRequest {})).await?;
        services.extend(answer.services.iter().map(objects::service));
    }
    Ok(services)
}

/// Every node that answers. Says of which `what` is missing.
async fn every(connector: &Connector, what: &str) -> Result<Vec<Client>, Failure> {
    let (nodes, silent) = connector.all().await?;
    for words in silent {
        progress(&format!("{what} of this node are missing: {words}"));
    }
    Ok(nodes.into_iter().map(|node| node.client).collect())
}
