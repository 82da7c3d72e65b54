//! `api-client`.

use crate::ask::ask;
use crate::cli::ApiClient;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::{Answer, progress};
use crate::table::Column;
use muster_admin::proto::{self, ApiClientCreateRequest, ApiClientListRequest, ApiClientRef};
use serde_json::{Value, json};

const CLIENT: &[Column] = &[
    ("NAME", "name"),
    ("SCOPES", "scopes"),
    ("DOMAINS", "domains"),
    ("RATE", "rate"),
    ("EXPIRES", "expires"),
    ("CREATED BY", "created_by"),
];

pub(super) async fn run(connector: &Connector, command: ApiClient) -> Result<Answer, Failure> {
    let mut client = connector.client().await?;
    match command {
        ApiClient::Create {
            name,
            scopes,
            domains,
            rate,
            lifetime,
        } => {
            let lifetime_seconds = match lifetime.map(|lifetime| lifetime.as_secs()) {
                // 0 would mean for ever.
                Some(0) => {
                    return Err(Failure::Usage("--lifetime must be at least 1s".to_owned()));
                }
                lifetime => lifetime.unwrap_or_default(),
            };
            let request = ApiClientCreateRequest {
                name: name.clone(),
                scopes,
                domains,
                per_second: rate,
                lifetime_seconds,
            };
            let made = ask(client.api_client_create(request)).await?;
            Ok(shown_once(&name, made.token))
        }
        ApiClient::Rotate { name } => {
            let request = ApiClientRef { name: name.clone() };
            let made = ask(client.api_client_rotate(request)).await?;
            Ok(shown_once(&name, made.token))
        }
        ApiClient::Remove { name } => {
            let request = ApiClientRef { name: name.clone() };
            ask(client.api_client_remove(request)).await?;
            Ok(Answer::done(format!("{name} is refused from now on")))
        }
        ApiClient::List => {
            let listed = ask(client.api_client_list(ApiClientListRequest {})).await?;
            let clients = listed.clients.into_iter().map(object).collect();
            Ok(Answer::list(CLIENT, clients))
        }
    }
}

/// Alone on its line, so that it can be piped into a file.
fn shown_once(name: &str, token: String) -> Answer {
    progress(
        "this token is shown only now: keep it where the program finds it and nobody else does",
    );
    let value = json!({ "name": name, "token": token });
    Answer::new(token, value)
}

fn object(client: proto::ApiClient) -> Value {
    json!({
        "name": client.name,
        "scopes": client.scopes,
        "domains": client.domains,
        "rate": client.per_second,
        "expires": Some(client.expires).filter(|expires| !expires.is_empty()),
        "expired": client.expired,
        "created_by": client.created_by,
        "created": client.created,
    })
}
