//! One question, one answer, within a time.

use crate::failure::Failure;
use std::future::Future;
use std::time::Duration;
use tonic::{Response, Status};

/// How long a node may think. A proposal looks for a leader for some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for an answer.
pub(crate) async fn ask<T>(
    question: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    let answer = tokio::time::timeout(PATIENCE, question).await;
    let answer = answer.map_err(|_| {
        Failure::Unknown(
            "the node did not answer within 30 s: look with `musterctl status` before you try again"
                .to_owned(),
        )
    })?;
    Ok(answer?.into_inner())
}
