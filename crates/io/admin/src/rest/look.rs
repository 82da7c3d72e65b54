//! What a user is, and what each source says.

use super::Api;
use super::client::Caller;
use super::problem::Problem;
use super::user::InPath;
use crate::quote::quoted;
use crate::words::{elsewhere, words_table};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_cluster::Scope;
use muster_envelope::{Answer, Question};
use muster_presence::source::Source;
use muster_presence::{Explanation, Said};
use muster_types::BareJid;
use serde_json::{Map, Value, json};

pub(super) async fn composed(
    State(api): State<Api>,
    caller: Caller,
    path: InPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let user = path.user(&caller)?;
    caller.may(Scope::Read)?;
    let words_of = one_parameter(query.as_deref().unwrap_or_default(), "words_of")?;
    let table = words_table(&words_of).map_err(Problem::bad_request)?;
    let explanation = explanation(&api, &user).await?;
    let mut value = presence(&user, &explanation);
    value.insert(
        "said".to_owned(),
        explanation.said.iter().map(said).collect(),
    );
    if let Some(table) = table {
        let words = elsewhere(table, &explanation).map(|words| {
            json!({
                "word": words.word,
                "activity": some(&words.activity),
                "note": some(&words.note),
            })
        });
        value.insert("elsewhere".to_owned(), json!(words));
    }
    Ok(answer(&Value::Object(value)))
}

/// What other sources than clients and the administrator say: what can be published.
pub(super) async fn sources(
    State(api): State<Api>,
    caller: Caller,
    path: InPath,
) -> Result<Response, Problem> {
    let user = path.user(&caller)?;
    caller.may(Scope::Read)?;
    let said_of = explanation(&api, &user).await?.said;
    let published = said_of
        .iter()
        .filter(|said| said.source.parse::<Source>().is_ok());
    let sources: Vec<Value> = published.map(said).collect();
    Ok(answer(&json!({ "jid": user.as_str(), "sources": sources })))
}

async fn explanation(api: &Api, user: &BareJid) -> Result<Explanation, Problem> {
    let slot = api.slot_of(user)?;
    let question = Question::Explain {
        user: user.clone(),
        watcher: None,
    };
    match api.service.backend.ask(slot, question).await {
        Ok(Answer::Explained(explained)) => Ok(explained.explanation),
        Ok(Answer::NoAccount) => Err(Problem::unknown_user(user.as_str())),
        Ok(_) => Err(Problem::something_else()),
        Err(failure) => Err(Problem::unanswered(failure)),
    }
}

/// What everything comes to.
pub(super) fn presence(user: &BareJid, explanation: &Explanation) -> Map<String, Value> {
    let value = json!({
        "jid": user.as_str(),
        "state": explanation.state,
        "like": explanation.like,
        "show": explanation.show,
        "status": explanation.status,
        "until": explanation.until.map(|until| until.to_string()),
        "rule": explanation.rule,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn said(said: &Said) -> Value {
    json!({
        "source": said.source,
        "says": said.says,
        "note": said.note,
        "until": said.until.map(|until| until.to_string()),
        "won": said.won,
        "remark": said.remark,
    })
}

/// A parameter that is given once or not at all; empty where it is not.
fn one_parameter(query: &str, name: &str) -> Result<String, Problem> {
    let mut given = String::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key != name || !given.is_empty() {
            return Err(Problem::bad_request(format!(
                "the parameter {} is not taken here: there is {name}, once",
                quoted(&key)
            )));
        }
        if value.is_empty() {
            let detail = format!("the parameter {name} is empty: leave it out");
            return Err(Problem::bad_request(detail));
        }
        given = value.into_owned();
    }
    Ok(given)
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn answer(value: &Value) -> Response {
    // It is over as soon as somebody says something.
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, value.to_string()).into_response()
}
