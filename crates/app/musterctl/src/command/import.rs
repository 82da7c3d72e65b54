//! `user import`: batches of a CSV file, sent one after the other without waiting for the answers.

use crate::connect::Client;
use crate::csv_rows::{Row, Rows};
use crate::failure::Failure;
use crate::output::{Answer, Format, progress};
use muster_admin::proto::{UserRow, UsersPutRequest, UsersPutResponse};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Rows of one batch.
const BATCH: usize = 500;
/// Batches that are read ahead of the connection.
const AHEAD: usize = 4;
/// Rows between two lines of progress.
const TELL_EVERY: u64 = 5_000;

/// What has come of the rows so far.
#[derive(Default)]
struct Tally {
    added: u64,
    updated: u64,
    bad: Vec<(u64, String)>,
    answered: u64,
    last_line: u64,
}

/// What the reader tells of a batch, in the order it sends them.
enum FromFile {
    /// The lines of the rows of one batch.
    Batch(Vec<u64>),
    /// A row that is not sent.
    Bad(u64, String),
}

pub(super) async fn run(
    mut client: Client,
    file: &Path,
    update: bool,
    format: Format,
) -> Result<Answer, Failure> {
    let rows = open(file)?;
    let (batches_to, batches) = mpsc::channel(AHEAD);
    // Bounded by what the connection takes: the reader waits for the batches' channel.
    let (read_to, read) = mpsc::unbounded_channel();
    let reader = tokio::task::spawn_blocking(move || send(rows, update, &batches_to, &read_to));
    let mut tally = Tally::default();
    let ended = match client.users_put(ReceiverStream::new(batches)).await {
        Ok(answers) => follow(answers.into_inner(), read, &mut tally).await,
        Err(status) => Err(status),
    };
    // The reader ends when nobody takes its batches any more.
    drop(reader);
    match ended {
        Ok(()) => finish(tally, format),
        Err(status) => Err(cut_off(&tally, status)),
    }
}

fn open(path: &Path) -> Result<Rows<Box<dyn Read + Send>>, Failure> {
    let file: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::file(path, &error))?)
    };
    Rows::new(file).map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))
}

/// Reads the file into batches, as fast as they are taken.
fn send(
    rows: impl Iterator<Item = Row>,
    update: bool,
    batches: &mpsc::Sender<UsersPutRequest>,
    read: &mpsc::UnboundedSender<FromFile>,
) {
    let mut batch: Vec<UserRow> = Vec::with_capacity(BATCH);
    let mut lines = Vec::with_capacity(BATCH);
    let flush = |rows: &mut Vec<UserRow>, lines: &mut Vec<u64>| {
        let rows = std::mem::take(rows);
        read.send(FromFile::Batch(std::mem::take(lines))).is_ok()
            && batches
                .blocking_send(UsersPutRequest { rows, update })
                .is_ok()
    };
    for (line, row) in rows {
        match row {
            Ok(row) => {
                batch.push(row);
                lines.push(line);
            }
            Err(reason) => {
                if read.send(FromFile::Bad(line, reason)).is_err() {
                    return;
                }
            }
        }
        if batch.len() == BATCH && !flush(&mut batch, &mut lines) {
            return;
        }
    }
    if !batch.is_empty() {
        flush(&mut batch, &mut lines);
    }
}

/// Puts the answers together with the lines they are about.
async fn follow(
    mut answers: tonic::Streaming<UsersPutResponse>,
    mut read: mpsc::UnboundedReceiver<FromFile>,
    tally: &mut Tally,
) -> Result<(), Status> {
    let mut told = 0;
    while let Some(next) = read.recv().await {
        match next {
            FromFile::Bad(line, reason) => tally.report(line, reason),
            FromFile::Batch(lines) => {
                let answer = answers.message().await?;
                let answer = answer.ok_or_else(|| Status::aborted("the node ended the import"))?;
                tally.count(&lines, answer);
            }
        }
        if tally.answered / TELL_EVERY > told {
            told = tally.answered / TELL_EVERY;
            progress(&format!("{} rows done", tally.answered));
        }
    }
    Ok(())
}

impl Tally {
    fn count(&mut self, lines: &[u64], answer: UsersPutResponse) {
        self.added += u64::from(answer.added);
        self.updated += u64::from(answer.updated);
        for error in answer.errors {
            let line = usize::try_from(error.row)
                .ok()
                .and_then(|row| lines.get(row));
            self.report(line.copied().unwrap_or_default(), error.reason);
        }
        self.answered += u64::try_from(lines.len()).unwrap_or_default();
        self.last_line = lines.last().copied().unwrap_or(self.last_line);
    }

    /// Bad rows are told at once: an import takes a while.
    fn report(&mut self, line: u64, reason: String) {
        progress(&format!("line {line}: {reason}"));
        self.bad.push((line, reason));
    }

    fn words(&self) -> String {
        format!(
            "{} added, {} updated, {} bad",
            self.added,
            self.updated,
            self.bad.len()
        )
    }
}

fn finish(mut tally: Tally, format: Format) -> Result<Answer, Failure> {
    tally.bad.sort();
    let errors = tally
        .bad
        .iter()
        .map(|(line, reason)| json!({ "line": line, "reason": reason }));
    let errors: Vec<Value> = errors.collect();
    let value = json!({ "added": tally.added, "updated": tally.updated, "errors": errors });
    let answer = Answer::new(tally.words(), value);
    if tally.bad.is_empty() {
        return Ok(answer);
    }
    answer.print(format)?;
    let count = tally.bad.len();
    Err(Failure::Refused(format!(
        "{count} row(s) did not go in; their lines are above"
    )))
}

fn cut_off(tally: &Tally, status: Status) -> Failure {
    let so_far = format!(
        "cut off after line {} ({}); run it again with --update",
        tally.last_line,
        tally.words()
    );
    match Failure::from(status) {
        Failure::Unknown(text) => Failure::Unknown(format!("{text}\n{so_far}")),
        Failure::Refused(text) | Failure::Usage(text) | Failure::Unreachable(text) => {
            Failure::Refused(format!("{text}\n{so_far}"))
        }
    }
}
