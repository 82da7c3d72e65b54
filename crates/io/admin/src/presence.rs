//! The presence service over a [`Backend`](crate::Backend): publications, explanations, rules.

use crate::proto::presence as proto;
use crate::proto::presence::presence_server::Presence;
use crate::service::Service;
use crate::{AskFailure, refused, resolve};
use futures_util::{Stream, StreamExt};
use muster_cluster::{ControlCommand, ControlOutcome};
use muster_envelope::{Answer, Explained, Question, Seen};
use muster_presence::rules::{Rules, SHIPPED_TEXT};
use muster_presence::source::{
    FromNow, LIFETIME_MAX, NOTE_BYTES_MAX, Report, SPANS_MAX, Says, Source, Span,
};
use muster_presence::{Explanation, Mapping, MappingTable, NoteParts, Said};
use muster_types::{BareJid, SlotId, Timestamp};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::{Request, Response, Status, Streaming};

/// Most publications of one batch.
const BATCH_MAX: usize = 500;
/// About how many bytes of spans go into one question, and what a span has beside its note.
const QUESTION_BYTES: usize = 65_536;
const SPAN_BYTES: usize = 96;

type Reports = Vec<(BareJid, Report<FromNow>)>;

#[tonic::async_trait]
impl Presence for Service {
    type PublishStream = Pin<Box<dyn Stream<Item = Result<proto::PublishResponse, Status>> + Send>>;

    async fn publish(
        &self,
        request: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<Self::PublishStream>, Status> {
        let service = self.clone();
        let batches = request.into_inner();
        let answers = batches.then(move |batch| {
            let service = service.clone();
            async move { publish(&service, batch?).await }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        let proto::ExplainRequest {
            user,
            watcher,
            words_of,
        } = request.into_inner();
        let table = words_table(&words_of).map_err(Status::invalid_argument)?;
        let state = self.backend.cluster();
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
        match self.backend.ask(slot, question).await {
            Ok(Answer::Explained(explained)) => {
                let elsewhere = table.and_then(|table| elsewhere(table, &explained.explanation));
                let explained = explained_proto(*explained);
                Ok(Response::new(proto::ExplainResponse {
                    elsewhere,
                    ..explained
                }))
            }
            Ok(Answer::NoAccount) => Err(nobody()),
            Ok(Answer::Reports(_)) => Err(Status::internal("the owner answered something else")),
            Err(failure) => Err(unanswered(failure)),
        }
    }

    async fn rules_get(
        &self,
        _: Request<proto::RulesGetRequest>,
    ) -> Result<Response<proto::Rules>, Status> {
        let state = self.backend.cluster();
        resolve::ready(&state)?;
        let rules = state.presence_rules();
        Ok(Response::new(proto::Rules {
            text: rules.text().unwrap_or(SHIPPED_TEXT).to_owned(),
            shipped: rules.text().is_none(),
            problem: rules.problem().unwrap_or_default().to_owned(),
        }))
    }

    async fn rules_set(
        &self,
        request: Request<proto::RulesSetRequest>,
    ) -> Result<Response<proto::RulesSetResponse>, Status> {
        let text = request.into_inner().text;
        let text = Some(text).filter(|text| !text.trim().is_empty());
        if let Some(text) = &text {
            Rules::read(text).map_err(|why| Status::invalid_argument(why.to_string()))?;
        }
        match self
            .propose(ControlCommand::PresenceRulesSet { text })
            .await?
        {
            ControlOutcome::Refused(refusal) => {
                Err(refused::status(&self.backend.cluster(), &refusal))
            }
            _ => Ok(Response::new(proto::RulesSetResponse {})),
        }
    }
}

fn unanswered(failure: AskFailure) -> Status {
    match failure {
        AskFailure::NoOwner => Status::unavailable(failure.to_string()),
        AskFailure::Busy => Status::resource_exhausted(failure.to_string()),
    }
}

/// Hands a batch to the owners of its users, one question for each slot, and waits for all of them.
async fn publish(
    service: &Service,
    batch: proto::PublishRequest,
) -> Result<proto::PublishResponse, Status> {
    let state = service.backend.cluster();
    resolve::ready(&state)?;
    let count = batch.publications.len();
    if count > BATCH_MAX {
        let text = format!("{count} publications in one batch, the limit is {BATCH_MAX}");
        return Err(Status::invalid_argument(text));
    }
    let now = now_ms();
    let mut refusals = vec![String::new(); count];
    let mut by_slot: BTreeMap<SlotId, Vec<Part>> = BTreeMap::new();
    for (place, publication) in batch.publications.into_iter().enumerate() {
        let read = read(publication, now).and_then(|(user, report)| {
            let slot = state.account_slot(&user);
            Ok((
                slot.ok_or_else(|| format!("there is no user {user}"))?,
                user,
                report,
            ))
        });
        match read {
            Ok((slot, user, report)) => {
                let parts = by_slot.entry(slot).or_default();
                if parts.last().is_none_or(|part| part.bytes > QUESTION_BYTES) {
                    parts.push(Part::default());
                }
                if let Some(part) = parts.last_mut() {
                    part.add(place, user, report);
                }
            }
            Err(why) => refusals[place] = why,
        }
    }
    // Slot by slot at once, and in order within each: of two reports of one source the later counts.
    let asked = by_slot.into_iter().map(|(slot, parts)| async move {
        let mut answers = Vec::with_capacity(parts.len());
        let mut failure = None;
        for part in parts {
            let question = Question::Reports(part.reports);
            // Where one was not answered, the next would wait as long.
            let answer = match failure {
                Some(failure) => Err(failure),
                None => service.backend.ask(slot, question).await,
            };
            failure = failure.or_else(|| answer.as_ref().err().copied());
            answers.push((part.places, answer));
        }
        answers
    });
    let answers = futures_util::future::join_all(asked).await;
    for (places, answer) in answers.into_iter().flatten() {
        for (nth, place) in places.into_iter().enumerate() {
            refusals[place] = match &answer {
                Ok(Answer::Reports(refused)) => match refused.get(nth) {
                    Some(None) => continue,
                    Some(Some(why)) => why.to_string(),
                    None => "the owner did not answer this one: try again".to_owned(),
                },
                Ok(Answer::NoAccount | Answer::Explained(_)) => {
                    "the owner answered something else".to_owned()
                }
                Err(failure) => failure.to_string(),
            };
        }
    }
    Ok(proto::PublishResponse { refusals })
}

/// What one question asks of a slot.
#[derive(Default)]
struct Part {
    /// The places of the reports in the batch.
    places: Vec<usize>,
    reports: Reports,
    bytes: usize,
}

impl Part {
    fn add(&mut self, place: usize, user: BareJid, report: Report<FromNow>) {
        let notes = report.spans.iter().flat_map(|span| span.note.as_ref());
        let notes: usize = notes.map(String::len).sum();
        self.bytes += SPAN_BYTES * (1 + report.spans.len()) + notes;
        self.places.push(place);
        self.reports.push((user, report));
    }
}

/// Reads a publication and checks its times, which the owner is told as distances from now: no two
/// nodes need to have the same time.
fn read(publication: proto::Publication, now: u64) -> Result<(BareJid, Report<FromNow>), String> {
    let proto::Publication {
        user,
        source,
        spans,
        words_of,
    } = publication;
    let table = words_table(&words_of)?;
    let user = resolve::user(&user).map_err(|status| status.message().to_owned())?;
    let source: Source = source.parse()?;
    if spans.len() > SPANS_MAX {
        return Err(format!("{} spans, the limit is {SPANS_MAX}", spans.len()));
    }
    let spans = spans.into_iter().map(|mut span| {
        if let Some(table) = table {
            span.says = our_word(table, &words_of, &source, &span.says)?;
        }
        read_span(&source, span, now)
    });
    let spans = spans.collect::<Result<_, _>>()?;
    Ok((user, Report { source, spans }))
}

fn read_span(source: &Source, span: proto::Span, now: u64) -> Result<Span<FromNow>, String> {
    let says = Says::read(source, &span.says)?;
    if span.note.len() > NOTE_BYTES_MAX {
        let bytes = span.note.len();
        return Err(format!(
            "a note of {bytes} bytes, the limit is {NOTE_BYTES_MAX}"
        ));
    }
    if let Some(bad) = span.note.chars().find(|c| c.is_control()) {
        return Err(format!(
            "a note with the character {bad:?}: notes are one line of text"
        ));
    }
    let far = now.saturating_add(u64::try_from(LIFETIME_MAX.as_millis()).unwrap_or(u64::MAX));
    if span.begins_ms > far || span.ends_ms > far {
        return Err(
            "nothing is taken for longer than 31 days ahead: publish it again later".to_owned(),
        );
    }
    let ends = match span.ends_ms {
        0 if *source == Source::Manual => None,
        0 => {
            return Err(format!(
                "{source} must say when this ends (--for, ends_ms): who publishes may vanish"
            ));
        }
        ends if ends <= now => {
            let (ends, now) = (Timestamp(ends), Timestamp(now));
            return Err(format!("it ended at {ends}, and it is {now}"));
        }
        ends if ends <= span.begins_ms => return Err("it ends before it begins".to_owned()),
        ends => Some(ends),
    };
    Ok(Span {
        says,
        note: Some(span.note).filter(|note| !note.is_empty()),
        begins: FromNow(span.begins_ms.saturating_sub(now)),
        ends: ends.map(|ends| FromNow(ends - now)),
        until: ends.map(Timestamp),
    })
}

/// The table of another system's words; `None` for our own.
fn words_table(name: &str) -> Result<Option<&'static MappingTable>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    let (preset, variant) = name.split_once('/').unwrap_or((name, ""));
    let mapping = Mapping::preset(preset).ok_or_else(|| {
        let names: Vec<_> = Mapping::preset_names().collect();
        format!(
            "nothing is known of the words of {preset:?}: use {}",
            names.join(", ")
        )
    })?;
    if variant.is_empty() {
        return Ok(Some(mapping.general()));
    }
    let known = mapping.variant(variant).ok_or_else(|| {
        let names: Vec<_> = mapping.variants().collect();
        format!(
            "{preset} has no variant {variant:?}: it has {}",
            names.join(", ")
        )
    });
    known.map(Some)
}

/// The state of ours that another system's word stands for.
fn our_word(
    table: &MappingTable,
    words_of: &str,
    source: &Source,
    word: &str,
) -> Result<String, String> {
    if !matches!(source, Source::Manual | Source::App(_)) {
        return Err(format!(
            "{source} has words of its own: leave words_of empty"
        ));
    }
    let general = word.split_once('/').map(|(word, _)| word);
    let ours = table.from_peer([word].into_iter().chain(general));
    let ours = ours.ok_or_else(|| format!("{words_of} has no word {word:?} that is known here"))?;
    Ok(ours.word.clone())
}

fn elsewhere(table: &MappingTable, explanation: &Explanation) -> Option<proto::Elsewhere> {
    let like = explanation.like.iter().map(String::as_str);
    let mapped = table.to_peer([explanation.state.as_str()].into_iter().chain(like))?;
    let until = explanation.until.map(|until| until.to_string());
    let note = mapped.note(NoteParts {
        note: explanation.status.as_deref(),
        until: until.as_deref(),
    });
    Some(proto::Elsewhere {
        word: mapped.word.clone(),
        activity: mapped.activity.clone().unwrap_or_default(),
        note: note.unwrap_or_default(),
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
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
    }
}

fn seen_proto(seen: Seen) -> proto::Seen {
    let nothing = |why: &str| proto::Seen {
        nothing: why.to_owned(),
        clients: Vec::new(),
    };
    match seen {
        Seen::NotAllowed => nothing("it has no subscription to the user's presence"),
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

#[cfg(test)]
#[path = "presence_test.rs"]
mod presence_test;
