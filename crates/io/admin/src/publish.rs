//! What sources say: batches of publications, handed to the owners of their users.

use crate::AskFailure;
use crate::presence::something_else;
use crate::proto::presence as proto;
use crate::rate::too_fast;
use crate::resolve;
use crate::service::Service;
use crate::words::{our_word, words_table};
use muster_envelope::{Answer, Question};
use muster_presence::source::{
    FromNow, LIFETIME_MAX, NOTE_BYTES_MAX, Report, SPANS_MAX, Says, Source, Span,
};
use muster_types::{BareJid, SlotId, Timestamp};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tonic::Status;

/// Most publications of one batch.
const BATCH_MAX: usize = 500;
/// About how many bytes of spans go into one question, and what a span has beside its note.
const QUESTION_BYTES: usize = 65_536;
const SPAN_BYTES: usize = 96;

type Reports = Vec<(BareJid, Report<FromNow>)>;

/// Hands a batch to the owners of its users, one question for each slot, and waits for all of them.
pub(crate) async fn publish(
    service: &Service,
    caller: &str,
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
    let taken = service.rates.take(caller, count, Instant::now());
    for (place, publication) in batch.publications.into_iter().enumerate() {
        if place >= taken {
            refusals[place] = too_fast();
            continue;
        }
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
    for (places, answer) in ask(service, by_slot).await {
        for (nth, place) in places.into_iter().enumerate() {
            refusals[place] = match &answer {
                Ok(Answer::Reports(refused)) => match refused.get(nth) {
                    Some(None) => continue,
                    Some(Some(why)) => why.to_string(),
                    None => "the owner did not answer this one: try again".to_owned(),
                },
                Ok(_) => something_else().message().to_owned(),
                Err(failure) => failure.to_string(),
            };
        }
    }
    Ok(proto::PublishResponse { refusals })
}

/// Asks slot by slot at once, and in order within each: of two reports of one source the later counts.
/// With each answer the places of what was asked.
async fn ask(
    service: &Service,
    by_slot: BTreeMap<SlotId, Vec<Part>>,
) -> impl Iterator<Item = (Vec<usize>, Result<Answer, AskFailure>)> {
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
    answers.into_iter().flatten()
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
pub(crate) fn read(
    publication: proto::Publication,
    now: u64,
) -> Result<(BareJid, Report<FromNow>), String> {
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
        begins: match span.begins_ms {
            0 => FromNow(0),
            begins => FromNow::between(now, begins),
        },
        ends: ends.map(|ends| FromNow::between(now, ends)),
        until: ends.map(Timestamp),
    })
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
#[path = "publish_test.rs"]
mod publish_test;
