//! A beat is answered when it is heard.
//!
//! openraft answers every request of a leader when all that came before is on the disk, also one without entries.
//! Then two slow disks cost a healthy owner its lease, although nothing that the lease stands on is on a disk: a
//! voter refuses others from the moment it hears its leader, and one that restarts refuses everybody for as long.
//!
//! Success also says that the entry which the request names as the one before is durable here. So only that is
//! said early which is true.

use super::Group;
use crate::rpc::Response;
use crate::runtime::Instant;
use crate::types::{LogId, Types, Vote};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};

impl Group {
    /// Takes a request of a leader that brings no entries. What openraft answers at once counts: it may know a
    /// later leader, or lack the entry before.
    pub(super) async fn hear(&self, beat: AppendEntriesRequest<Types>) -> Response {
        let (leader, before) = (beat.vote, beat.prev_log_id);
        tokio::select! {
            biased;
            answer = self.inner.raft.append_entries(beat) => match answer {
                Ok(answer) => Response::Append(answer),
                Err(e) => Response::Failed(e.to_string()),
            },
            true = self.has_heard(leader, before) => {
                Response::Append(AppendEntriesResponse::Success)
            }
        }
    }

    /// Waits until openraft has looked at what came until now. Whether it has heard this leader since, and
    /// the entry is on the disk.
    async fn has_heard(&self, leader: Vote, before: Option<LogId>) -> bool {
        let begun = Instant::now();
        let heard = self.inner.raft.with_raft_state(move |state| {
            let at = state.vote_last_modified();
            *state.vote_ref() == leader && at.is_some_and(|at| at >= begun)
        });
        let log = &self.inner.log;
        heard.await.unwrap_or(false) && before.is_none_or(|before| log.is_durable(&before))
    }
}
