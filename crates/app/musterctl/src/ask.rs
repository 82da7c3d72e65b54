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
    ask_within(PATIENCE, question).await.map_err(|failure| {
        match failure {
        Failure::Unreachable(_) => Failure::Unknown(
            "the node did not answer within 30 s: look with `musterctl status` before you try again"
                .to_owned(),
        ),
        other => other,
    }
    })
}

/// Waits so long for an answer; none is [`Failure::Unreachable`].
pub(crate) async fn ask_within<T>(
    patience: Duration,
    question: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, question).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Failure::Unreachable("no answer".to_owned())),
    }
}
