//! Adding users: passwords become verifiers on every core while the log takes the batch before.

use crate::service::Service;
use crate::{audit, proto, refused, resolve};
use futures_util::{Stream, StreamExt, TryStreamExt, future};
use muster_cluster::{AccountRow, AccountsReport, ClusterState, ControlCommand, ControlOutcome};
use muster_sasl::{ITERATIONS_MIN, SALT_BYTES, Verifiers};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::task::JoinHandle;
use tonic::Status;

/// Most rows of one batch.
const ROWS_MAX: usize = 500;
/// Batches that are hashed ahead of the one that is proposed.
const AHEAD: usize = 2;

/// A batch whose passwords are being hashed.
struct Hashing {
    update: bool,
    state: Arc<ClusterState>,
    parts: Vec<JoinHandle<Vec<Hashed>>>,
}

/// A row that can be proposed, or why it cannot.
type Hashed = Result<AccountRow, String>;

/// Takes batches in order and answers each.
pub(crate) fn put(
    service: Service,
    by: String,
    batches: impl Stream<Item = Result<proto::UsersPutRequest, Status>> + Send + 'static,
) -> impl Stream<Item = Result<proto::UsersPutResponse, Status>> + Send + 'static {
    let begun = service.clone();
    batches
        .map(move |batch| begin(&begun, batch?))
        // Hashing goes on in its own threads: a batch is begun as soon as it is read.
        .map_ok(finish)
        .try_buffered(AHEAD)
        .and_then(move |(update, state, rows)| {
            let work = propose(service.clone(), update, state, rows);
            audit::each(Arc::clone(&service.backend), (by.clone(), "UsersPut"), work)
        })
}

/// Begins to hash a batch.
fn begin(service: &Service, batch: proto::UsersPutRequest) -> Result<Hashing, Status> {
    if batch.rows.len() > ROWS_MAX {
        let text = format!(
            "{} rows in one batch, the limit is {ROWS_MAX}",
            batch.rows.len()
        );
        return Err(Status::invalid_argument(text));
    }
    let state = service.backend.cluster();
    resolve::ready(&state)?;
    let cores = available_parallelism().map_or(1, usize::from);
    let part = batch.rows.len().div_ceil(cores).max(1);
    let mut rows = batch.rows;
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off(part.min(rows.len()));
        let state = Arc::clone(&state);
        parts.push(tokio::task::spawn_blocking(move || {
            rows.into_iter().map(|row| hash(&state, row)).collect()
        }));
        rows = rest;
    }
    Ok(Hashing {
        update: batch.update,
        state,
        parts,
    })
}

/// Waits for the hashes, in the order of the rows.
async fn finish(hashing: Hashing) -> Result<(bool, Arc<ClusterState>, Vec<Hashed>), Status> {
    let parts = future::try_join_all(hashing.parts).await;
    let parts = parts.map_err(|_| Status::internal("hashing of passwords was interrupted"))?;
    Ok((
        hashing.update,
        hashing.state,
        parts.into_iter().flatten().collect(),
    ))
}

async fn propose(
    service: Service,
    update: bool,
    state: Arc<ClusterState>,
    hashed: Vec<Hashed>,
) -> Result<proto::UsersPutResponse, Status> {
    let mut errors = Vec::new();
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    for (place, row) in (0u32..).zip(hashed) {
        match row {
            Ok(row) => {
                rows.push(row);
                places.push(place);
            }
            Err(reason) => errors.push(proto::RowError { row: place, reason }),
        }
    }
    let mut report = AccountsReport::default();
    if !rows.is_empty() {
        match service
            .propose(ControlCommand::AccountsPut { rows, update })
            .await?
        {
            ControlOutcome::Accounts(accounts) => report = accounts,
            ControlOutcome::Refused(refusal) => return Err(refused::status(&state, &refusal)),
            _ => return Err(Status::internal("the log answered something else")),
        }
    }
    for (index, refusal) in report.refused {
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| places.get(index));
        let row = place
            .copied()
            .ok_or_else(|| Status::internal("a row that was not sent"))?;
        let reason = refused::row_words(&state, &refusal);
        errors.push(proto::RowError { row, reason });
    }
    errors.sort_by_key(|error| error.row);
    Ok(proto::UsersPutResponse {
        added: report.added,
        updated: report.updated,
        errors,
    })
}

/// Reads a row and hashes its password: milliseconds, so never on a worker of the runtime.
fn hash(state: &ClusterState, row: proto::UserRow) -> Hashed {
    let words = |status: Status| status.message().to_owned();
    let jid = resolve::user(&row.jid).map_err(words)?;
    let home = match row.home.as_str() {
        "" => None,
        home => Some(resolve::node(state, home).map_err(words)?.id),
    };
    let verifiers = verifiers(&row.password)?;
    let name = Some(row.name).filter(|name| !name.is_empty());
    Ok(AccountRow {
        jid,
        verifiers,
        home,
        name,
    })
}

/// What is kept of a password.
pub(crate) fn verifiers(password: &str) -> Result<Verifiers, String> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|error| format!("no randomness from the system: {error}"))?;
    Verifiers::from_password(password, &salt, ITERATIONS_MIN).map_err(|error| error.to_string())
}
