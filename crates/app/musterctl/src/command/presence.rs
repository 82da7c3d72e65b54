//! `presence` and `explain`.

use crate::ask::ask;
use crate::cli::{Presence, PresenceRules};
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Answer;
use crate::table::{Column, table};
use muster_admin::proto::presence::{
    ExplainRequest, ExplainResponse, Publication, PublishRequest, RulesGetRequest, RulesSetRequest,
    Seen, Span,
};
use muster_types::Timestamp;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of the largest table that a node takes, and one more to see that there are more.
const TABLE_BYTES: u64 = 65_537;
const SAID: &[Column] = &[
    ("SOURCE", "source"),
    ("SAYS", "says"),
    ("WON", "won"),
    ("UNTIL", "until"),
    ("NOTE", "note"),
    ("REMARK", "remark"),
];
const SEEN: &[Column] = &[
    ("CLIENT", "resource"),
    ("SHOW", "show"),
    ("STATUS", "status"),
];

pub(super) async fn run(connector: &Connector, command: Presence) -> Result<Answer, Failure> {
    match command {
        Presence::Set {
            jid,
            source,
            state,
            note,
            words_of,
            lasts,
        } => {
            let text = format!("{source} of {jid} says {state}");
            let span = Span {
                says: state,
                note,
                begins_ms: 0,
                ends_ms: lasts.map_or(0, ends_ms),
            };
            let publication = Publication {
                user: jid,
                source,
                spans: vec![span],
                words_of,
            };
            publish(connector, publication).await?;
            Ok(Answer::done(text))
        }
        Presence::Clear { jid, source } => {
            let text = format!("{source} of {jid} says nothing any more");
            let publication = Publication {
                user: jid,
                source,
                ..Publication::default()
            };
            publish(connector, publication).await?;
            Ok(Answer::done(text))
        }
        Presence::Rules(command) => rules(connector, command).await,
    }
}

fn ends_ms(lasts: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ends = now.unwrap_or_default().saturating_add(lasts);
    u64::try_from(ends.as_millis()).unwrap_or(u64::MAX)
}

async fn publish(connector: &Connector, publication: Publication) -> Result<(), Failure> {
    let batch = PublishRequest {
        publications: vec![publication],
    };
    let mut client = connector.presence().await?;
    let mut answers = ask(client.publish(tokio_stream::once(batch))).await?;
    match answers.message().await? {
        Some(answer) => match answer.refusals.into_iter().find(|why| !why.is_empty()) {
            Some(why) => Err(Failure::Refused(why)),
            None => Ok(()),
        },
        None => Err(Failure::Unknown(
            "the node ended without an answer".to_owned(),
        )),
    }
}

async fn rules(connector: &Connector, command: PresenceRules) -> Result<Answer, Failure> {
    let mut client = connector.presence().await?;
    match command {
        PresenceRules::Show => {
            let rules = ask(client.rules_get(RulesGetRequest {})).await?;
            let value = json!({
                "shipped": rules.shipped,
                "problem": words(&rules.problem),
                "text": rules.text,
            });
            if !rules.problem.is_empty() {
                crate::output::progress(&format!(
                    "the node cannot use this table and composes by the shipped one: {}",
                    rules.problem
                ));
            }
            Ok(Answer::new(rules.text, value))
        }
        PresenceRules::Set { file } => {
            let text = read(&file)?;
            if text.trim().is_empty() {
                return Err(Failure::Refused(
                    "the table is empty: `presence rules reset` puts the shipped one in force"
                        .to_owned(),
                ));
            }
            ask(client.rules_set(RulesSetRequest { text })).await?;
            Ok(Answer::done("the table is in force on all nodes"))
        }
        PresenceRules::Reset => {
            let text = String::new();
            ask(client.rules_set(RulesSetRequest { text })).await?;
            Ok(Answer::done("the shipped table is in force again"))
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let limited =
        |from: &mut dyn Read, text: &mut String| from.take(TABLE_BYTES).read_to_string(text);
    let read = if file.as_os_str() == "-" {
        limited(&mut std::io::stdin().lock(), &mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| limited(&mut file, &mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Refused(format!(
            "cannot read {}: {error}",
            file.display()
        ))),
    }
}

pub(super) async fn explain(
    connector: &Connector,
    user: String,
    watcher: Option<String>,
    words_of: String,
) -> Result<Answer, Failure> {
    let request = ExplainRequest {
        user: user.clone(),
        watcher: watcher.clone().unwrap_or_default(),
        words_of: words_of.clone(),
    };
    let explained = ask(connector.presence().await?.explain(request)).await?;
    Ok(shown(&user, watcher.as_deref(), &words_of, &explained))
}

fn shown(user: &str, watcher: Option<&str>, words_of: &str, explained: &ExplainResponse) -> Answer {
    let said = explained.said.iter().map(|said| {
        json!({
            "source": said.source,
            "says": said.says,
            "won": said.won,
            "until": time(said.until_ms),
            "note": words(&said.note),
            "remark": words(&said.remark),
        })
    });
    let said: Vec<Value> = said.collect();
    let mut value = json!({
        "user": user,
        "state": explained.state,
        "show": explained.show,
        "status": words(&explained.status),
        "until": time(explained.until_ms),
        "like": explained.like,
        "rule": explained.rule,
    });
    let mut text = crate::table::fields(&value);
    if !said.is_empty() {
        text += &format!("\n{}", table(SAID, &said));
    }
    value["said"] = Value::Array(said);
    if let (Some(watcher), Some(seen)) = (watcher, &explained.seen) {
        let (lines, seen) = seen_by(watcher, seen);
        text += &format!("\n{lines}");
        value["seen"] = seen;
    }
    if !words_of.is_empty() {
        let elsewhere = explained.elsewhere.as_ref().map(|elsewhere| {
            json!({
                "word": elsewhere.word,
                "activity": words(&elsewhere.activity),
                "note": words(&elsewhere.note),
            })
        });
        text += &match &elsewhere {
            Some(elsewhere) => format!(
                "\nIn the words of {words_of}:\n{}",
                crate::table::fields(elsewhere)
            ),
            None => format!("\n{words_of} has no word for it\n"),
        };
        value["elsewhere"] = json!(elsewhere);
    }
    Answer::new(text, value)
}

/// 0 is a time that is not known.
fn time(ms: u64) -> Option<String> {
    (ms > 0).then(|| Timestamp(ms).to_string())
}

fn seen_by(watcher: &str, seen: &Seen) -> (String, Value) {
    let nothing = words(&seen.nothing);
    let clients = seen.clients.iter().map(|client| {
        json!({
            "resource": client.resource,
            "show": client.show,
            "status": words(&client.status),
        })
    });
    let clients: Vec<Value> = clients.collect();
    let text = match &seen.nothing {
        why if why.is_empty() => format!("{watcher} sees:\n{}", table(SEEN, &clients)),
        why => format!("{watcher} sees nothing: {why}\n"),
    };
    (
        text,
        json!({ "watcher": watcher, "nothing": nothing, "clients": clients }),
    )
}

/// What is empty in the protocol is nothing here.
fn words(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
