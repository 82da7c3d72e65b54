//! What sources say: batches of publications, handed to the owners of their users.

use crate::proto::presence as proto;
use crate::quote::start_of;
use crate::rate::{Rates, too_fast};
use crate::rest::{Problem, Program};
use crate::service::Service;
use crate::words::{our_word, words_table};
use crate::{AskFailure, audit, resolve};
use muster_cluster::ClusterState;
use muster_envelope::{Answer, Question};
use muster_presence::source::{
    FromNow, LIFETIME_MAX, NOTE_BYTES_MAX, Report, SPANS_MAX, Says, Source, Span,
};
use muster_types::{BareJid, SlotId, Timestamp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tonic::Status;

/// Most publications of one batch.
const BATCH_MAX: usize = 500;
/// Of how many of a batch the trail of acts tells.
const NAMED: usize = 20;
/// About how many bytes of spans go into one question, and what a span has beside its note.
const QUESTION_BYTES: usize = 65_536;
const SPAN_BYTES: usize = 96;
/// How long a program waits for the answer to a batch of which something was too fast.
const TOO_FAST: Duration = Duration::from_secs(1);

type Reports = Vec<(BareJid, Report<FromNow>)>;

/// Who publishes.
#[derive(Clone, Copy)]
pub(crate) enum Publisher<'a> {
    /// An operator, by its name in the log: of every user and for every source.
    Operator(&'a str),
    /// A program: what its token is for.
    Program(&'a Program),
}

impl Publisher<'_> {
    /// Takes permits for so many publications; how many there were.
    fn take(self, rates: &Rates, wanted: usize) -> usize {
        let now = Instant::now();
        match self {
            Self::Operator(name) => rates.take(name, wanted, now),
            Self::Program(program) => program.take(rates, wanted, now),
        }
    }

    fn too_fast(self) -> Problem {
        match self {
            Self::Operator(_) => Problem::too_fast(too_fast()),
            Self::Program(program) => program.too_fast(),
        }
    }

    /// Waits after what was too fast. Batches are taken in order, so there is no end of them in no time.
    async fn slow_down(self) {
        if let Self::Program(_) = self {
            tokio::time::sleep(TOO_FAST).await;
        }
    }

    fn may(self, user: &BareJid, source: &Source) -> Result<(), Problem> {
        match self {
            Self::Operator(_) => Ok(()),
            Self::Program(program) => program.may_publish(user, source),
        }
    }
}

/// Hands a batch to the owners of its users, one question for each slot, and waits for all of them.
pub(crate) async fn publish(
    service: &Service,
    by: Publisher<'_>,
    batch: proto::PublishRequest,
) -> Result<proto::PublishResponse, Status> {
    let state = service.backend.cluster();
    resolve::ready(&state)?;
    let count = batch.publications.len();
    if count > BATCH_MAX {
        let text = format!("{count} publications in one batch, the limit is {BATCH_MAX}");
        return Err(Status::invalid_argument(text));
    }
    // An empty batch counts too: there could be no end of them.
    let taken = by.take(&service.rates, count.max(1));
    if taken == 0 && count == 0 {
        return Err(by.too_fast().into());
    }
    let about = batch.publications.iter().take(NAMED);
    let about = about.map(|one| format!("{} by {}", one.user, one.source));
    audit::about(about.collect::<Vec<_>>().join(", "));
    let now = now_ms();
    let mut refusals = vec![None; count];
    let mut by_slot: BTreeMap<SlotId, Vec<Part>> = BTreeMap::new();
    for (place, publication) in batch.publications.into_iter().enumerate() {
        let admitted = match place < taken {
            true => admit(&state, by, publication, now),
            false => Err(by.too_fast()),
        };
        match admitted {
            Ok((slot, user, report)) => {
                let parts = by_slot.entry(slot).or_default();
                if parts.last().is_none_or(|part| part.bytes > QUESTION_BYTES) {
                    parts.push(Part::default());
                }
                if let Some(part) = parts.last_mut() {
                    part.add(place, user, report);
                }
            }
            Err(why) => refusals[place] = Some(why),
        }
    }
    for (places, answer) in ask(service, by_slot).await {
        for (nth, place) in places.into_iter().enumerate() {
            refusals[place] = match &answer {
                Ok(Answer::Reports(refused)) => match refused.get(nth) {
                    Some(why) => why.clone().map(Problem::from),
                    None => Some(Problem::something_else()),
                },
                Ok(_) => Some(Problem::something_else()),
                Err(failure) => Some(Problem::unanswered(*failure)),
            };
        }
    }
    if taken < count {
        by.slow_down().await;
    }
    let words = |why: Option<Problem>| why.map_or_else(Default::default, Problem::into_words);
    let (kinds, refusals) = refusals.into_iter().map(words).unzip();
    Ok(proto::PublishResponse { refusals, kinds })
}

/// Reads a publication, if its publisher may say it, and finds out whose owner is to be told.
fn admit(
    state: &ClusterState,
    by: Publisher<'_>,
    publication: proto::Publication,
    now: u64,
) -> Result<(SlotId, BareJid, Report<FromNow>), Problem> {
    let (user, report) = read(publication, now).map_err(Problem::cannot_be)?;
    by.may(&user, &report.source)?;
    let slot = state.account_slot(&user);
    let slot = slot.ok_or_else(|| Problem::unknown_user(user.as_str()))?;
    Ok((slot, user, report))
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
    let source: Source = start_of(&source).parse()?;
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
    let says = Says::read(source, start_of(&span.says))?;
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
