//! A beat is answered when it is heard.
//!
//! openraft answers every request of a leader when all that came before is on the disk, also one without entries.
//! Then two slow disks cost a healthy owner its lease, although nothing that the lease stands on is on a disk: a
//! voter refuses others from the moment it hears its leader, and one that restarts refuses everybody for as long.
//!
//! Success also says that the entry which the request names as the one before is durable here, and the leader's vote.
//! So only that is said early which is true.

use super::Group;
use crate::rpc::Response;
use crate::runtime::Instant;
use crate::types::{LogId, Types, Vote};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};

impl Group {
    /// Takes a request of a leader that brings no entries. What openraft answers at once counts: it may know a
    /// later leader, or lack the entry before.
    pub(super) async fn hear(&self, beat: AppendEntriesRequest<Types>) -> Response {
        let heard = self.has_heard(beat.vote, beat.prev_log_id, Instant::now());
        tokio::select! {
            biased;
            answer = self.inner.raft.append_entries(beat) => match answer {
                Ok(answer) => Response::Append(answer),
                Err(e) => Response::Failed(e.to_string()),
            },
            true = heard => Response::Append(AppendEntriesResponse::Success),
        }
    }

    /// Waits until openraft has looked at what came until now. Whether it has heard this leader since, and
    /// all that Success says is on the disk.
    async fn has_heard(&self, leader: Vote, before: Option<LogId>, since: Instant) -> bool {
        let log = self.inner.log.clone();
        let heard = self.inner.raft.with_raft_state(move |state| {
            let at = state.vote_last_modified();
            *state.vote_ref() == leader
                && at.is_some_and(|at| at >= since)
                && log.is_durable(&leader, before.as_ref())
        });
        heard.await.unwrap_or(false)
    }
}
