//! Why a user is shown as it is.

use crate::presence::{something_else, unanswered};
use crate::proto::presence as proto;
use crate::resolve;
use crate::service::Service;
use crate::words::{elsewhere, words_table};
use muster_envelope::{Answer, Explained, Question, Seen};
use muster_presence::Said;
use tonic::Status;

pub(crate) async fn explain(
    service: &Service,
    request: proto::ExplainRequest,
) -> Result<proto::ExplainResponse, Status> {
    let proto::ExplainRequest {
        user,
        watcher,
        words_of,
    } = request;
    let table = words_table(&words_of).map_err(Status::invalid_argument)?;
    let state = service.backend.cluster();
    resolve::ready(&state)?;
    let user = resolve::user(&user)?;
    let watcher = match watcher.as_str() {
        "" => None,
        watcher => Some(resolve::user(watcher)?),
    };
    let nobody = || Status::not_found(format!("there is no user {user}"));
    let slot = state.account_slot(&user).ok_or_else(nobody)?;
    let question = Question::Explain {
        user: user.clone(),
        watcher,
    };
    match service.backend.ask(slot, question).await {
        Ok(Answer::Explained(explained)) => {
            let elsewhere = table.and_then(|table| elsewhere(table, &explained.explanation));
            Ok(proto::ExplainResponse {
                elsewhere,
                ..explained_proto(*explained)
            })
        }
        Ok(Answer::NoAccount) => Err(nobody()),
        Ok(_) => Err(something_else()),
        Err(failure) => Err(unanswered(failure)),
    }
}

fn explained_proto(explained: Explained) -> proto::ExplainResponse {
    let Explained { explanation, seen } = explained;
    let said = |said: Said| proto::Said {
        source: said.source,
        says: said.says,
        note: said.note.unwrap_or_default(),
        until_ms: said.until.map_or(0, |until| until.0),
        won: said.won,
        remark: said.remark.unwrap_or_default(),
    };
    proto::ExplainResponse {
        state: explanation.state,
        show: explanation.show,
        status: explanation.status.unwrap_or_default(),
        rule: explanation.rule,
        said: explanation.said.into_iter().map(said).collect(),
        seen: seen.map(seen_proto),
        elsewhere: None,
        until_ms: explanation.until.map_or(0, |until| until.0),
        like: explanation.like,
    }
}

fn seen_proto(seen: Seen) -> proto::Seen {
    let nothing = |why: &str| proto::Seen {
        nothing: why.to_owned(),
        clients: Vec::new(),
    };
    match seen {
        Seen::NotAllowed => nothing("it has no subscription to the user's presence"),
        Seen::Blocked => nothing("the user has blocked it"),
        Seen::Hidden => nothing("the user is hidden from everybody else"),
        Seen::Clients(clients) if clients.is_empty() => nothing("no client is available"),
        Seen::Clients(clients) => proto::Seen {
            nothing: String::new(),
            clients: clients
                .into_iter()
                .map(|client| proto::SeenClient {
                    resource: client.resource,
                    show: client.show,
                    status: client.status.unwrap_or_default(),
                })
                .collect(),
        },
    }
}
