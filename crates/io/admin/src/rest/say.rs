//! What a source says about a user: `PUT` replaces what it said before, `DELETE` takes it back.

use super::Api;
use super::client::Caller;
use super::problem::Problem;
use super::user::InPath;
use crate::proto::presence::{Publication, Span};
use crate::publish::{now_ms, read};
use crate::quote::quoted;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use muster_cluster::Scope;
use muster_envelope::{Answer, Question, ReportRefusal};
use muster_presence::source::{FromNow, Report};
use muster_types::{BareJid, Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// Bytes of a body: 64 spans with the longest notes fit in.
const BODY_BYTES_MAX: usize = 65_536;
/// Bytes that are read of what is larger, and thrown away.
const WASTED_BYTES_MAX: usize = 4 << 20;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What is said: one thing, or several with their times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saying {
    state: Option<String>,
    note: Option<String>,
    start: Option<String>,
    end: Option<String>,
    expires_in: Option<u64>,
    spans: Option<Vec<SpanSaying>>,
    words_of: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanSaying {
    state: String,
    note: Option<String>,
    start: Option<String>,
    end: Option<String>,
    expires_in: Option<u64>,
}

pub(super) async fn say(
    State(api): State<Api>,
    caller: Caller,
    path: InPath,
    request: Request,
) -> Result<StatusCode, Problem> {
    let user = path.user(&caller)?;
    let source = path.source()?;
    caller.may(Scope::to_publish(&source))?;
    api.slot_of(&user)?;
    is_json(request.headers())?;
    let saying = read_body(request.into_body()).await?;
    let now = now_ms();
    let publication = Publication {
        user: user.to_string(),
        source: source.to_string(),
        words_of: saying.words_of.clone().unwrap_or_default(),
        spans: spans(saying, now).map_err(Problem::cannot_be)?,
    };
    let (user, report) = read(publication, now).map_err(Problem::cannot_be)?;
    publish(&api, user, report).await
}

pub(super) async fn say_nothing(
    State(api): State<Api>,
    caller: Caller,
    path: InPath,
) -> Result<StatusCode, Problem> {
    let user = path.user(&caller)?;
    let source = path.source()?;
    caller.may(Scope::to_publish(&source))?;
    let spans = Vec::new();
    publish(&api, user, Report { source, spans }).await
}

async fn publish(api: &Api, user: BareJid, report: Report<FromNow>) -> Result<StatusCode, Problem> {
    let slot = api.slot_of(&user)?;
    let question = Question::Reports(vec![(user.clone(), report)]);
    match api.service.backend.ask(slot, question).await {
        Ok(Answer::Reports(refused)) => match refused.into_iter().next() {
            Some(None) => Ok(StatusCode::NO_CONTENT),
            Some(Some(ReportRefusal::NoAccount)) => Err(Problem::unknown_user(user.as_str())),
            Some(Some(why)) => Err(why.into()),
            None => Err(Problem::something_else()),
        },
        Ok(_) => Err(Problem::something_else()),
        Err(failure) => Err(Problem::unanswered(failure)),
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "no-json",
        format!(
            "the body is {}: send JSON with `Content-Type: application/json`",
            quoted(kind)
        ),
    ))
}

/// The bytes of a body. What is too large is read on for a while and thrown away: who still writes would not
/// see the answer.
async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut parts, mut bytes, mut wasted) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Problem::bad_request("the body was cut off: send it again"))?;
        if wasted == 0 && bytes.len() + part.len() <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&part);
        } else {
            wasted += part.len();
        }
        if wasted > WASTED_BYTES_MAX {
            break;
        }
    }
    if wasted == 0 {
        return Ok(bytes);
    }
    let detail = format!("the body has more than {BODY_BYTES_MAX} bytes: say less at a time");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Err(Problem::new(status, "too-large", detail))
}

async fn read_body(body: Body) -> Result<Saying, Problem> {
    let Ok(bytes) = tokio::time::timeout(BODY_TIME, collect(body)).await else {
        let detail = "the body did not come within 10 s: send it again";
        return Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            detail,
        ));
    };
    serde_json::from_slice(&bytes?).map_err(|why| {
        use serde_json::error::Category;
        let detail = format!("the body cannot be used: {why}");
        match why.classify() {
            Category::Data => Problem::cannot_be(detail),
            Category::Io | Category::Syntax | Category::Eof => Problem::bad_request(detail),
        }
    })
}

/// What one saying amounts to, with times as they go over the wire.
fn spans(saying: Saying, now: u64) -> Result<Vec<Span>, String> {
    let Saying {
        state,
        note,
        start,
        end,
        expires_in,
        spans,
        words_of,
    } = saying;
    if words_of.is_some_and(|words_of| words_of.is_empty()) {
        return Err("words_of is empty: leave it out to use our own words".to_owned());
    }
    let several = match (state, spans) {
        (Some(state), None) => vec![SpanSaying {
            state,
            note,
            start,
            end,
            expires_in,
        }],
        (None, Some(spans)) => {
            let alone = note.is_none() && start.is_none() && end.is_none() && expires_in.is_none();
            if !alone {
                return Err("with spans, note and times belong into each of them".to_owned());
            }
            if spans.is_empty() {
                return Err("no span is nothing: use DELETE to say nothing any more".to_owned());
            }
            spans
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err("say either state, or spans with a state in each".to_owned());
        }
    };
    several.into_iter().map(|one| span(one, now)).collect()
}

fn span(saying: SpanSaying, now: u64) -> Result<Span, String> {
    let ends_ms = match (saying.end, saying.expires_in) {
        (Some(_), Some(_)) => return Err("say either end or expires_in".to_owned()),
        (Some(end), None) => time("end", &end)?,
        (None, Some(0)) => return Err("expires_in is 0: use DELETE to say nothing".to_owned()),
        (None, Some(seconds)) => now.saturating_add(seconds.saturating_mul(1_000)),
        (None, None) => 0,
    };
    let begins_ms = match saying.start {
        Some(start) => time("start", &start)?,
        None => 0,
    };
    Ok(Span {
        says: saying.state,
        note: saying.note.unwrap_or_default(),
        begins_ms,
        ends_ms,
    })
}

/// A time, never 0: that would mean none.
fn time(field: &str, text: &str) -> Result<u64, String> {
    let time: Result<Timestamp, _> = text.parse();
    let time = time.map_err(|why| format!("{field} {} is {why}", quoted(text)))?;
    Ok(time.0.max(1))
}

#[cfg(test)]
#[path = "say_test.rs"]
mod say_test;
