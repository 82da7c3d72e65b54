//! The calls one peer made to us: at most one for each lane, of one process of the peer.

use crate::wire::Lane;
use muster_types::Boot;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tonic::Code;

/// The seats of one peer's calls.
#[derive(Default)]
pub(crate) struct Inbound {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    boot: Boot,
    process: u64,
    heard: Option<Instant>,
    raft: Option<Taken>,
    data: Option<Taken>,
}

/// The registry's half of a seat.
struct Taken {
    connection: u64,
    /// Dropped to ask the holder to leave; closed by a holder that has left.
    stop: oneshot::Sender<()>,
    /// Ends when the holder has left.
    left: oneshot::Receiver<()>,
}

/// The right of one call to be heard on its lane. Dropped when the call has ended.
pub(crate) struct Seat {
    stop: oneshot::Receiver<()>,
    _left: oneshot::Sender<()>,
}

/// Who calls.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) lane: Lane,
    pub(crate) boot: Boot,
    pub(crate) process: u64,
    pub(crate) connection: u64,
}

/// Why a call is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SeatError {
    #[error("two nodes with one id: another process of this node, {living}, is alive")]
    TwoNodes { living: Boot },
    #[error(
        "two nodes with one id: this node has started as {seen} before, so its data folder was copied \
         or put back"
    )]
    StartedBefore { seen: Boot },
    #[error("a newer connection of this process stands")]
    Stale,
    #[error("the node is a peer no longer")]
    Closed,
}

impl SeatError {
    /// How the caller learns what kind of refusal it is.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::TwoNodes { .. } | Self::StartedBefore { .. } => Code::AlreadyExists,
            Self::Stale | Self::Closed => Code::Aborted,
        }
    }
}

impl Inbound {
    /// Takes the lane's seat. An older call of the same peer is told to leave, and has left before
    /// the seat is handed out, so that its messages never mix with those of the new one.
    pub(crate) async fn take(&self, caller: Caller, alive: Duration) -> Result<Seat, SeatError> {
        let (seat, leaving) = self.exchange(caller, alive)?;
        for left in leaving {
            // An error is how a dropped sender shows: the holder has left.
            let _left = left.await;
        }
        Ok(seat)
    }

    /// Something came over a call of the peer.
    pub(crate) fn hear(&self) {
        self.lock().heard = Some(Instant::now());
    }

    /// Ends every call and takes no more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.raft = None;
        state.data = None;
    }

    fn exchange(
        &self,
        caller: Caller,
        alive: Duration,
    ) -> Result<(Seat, Vec<oneshot::Receiver<()>>), SeatError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SeatError::Closed);
        }
        state.judge(caller, alive)?;
        let mut leaving = Vec::new();
        if state.process != caller.process {
            leaving.extend(state.raft.take().map(|taken| taken.left));
            leaving.extend(state.data.take().map(|taken| taken.left));
            state.boot = caller.boot;
            state.process = caller.process;
        }
        let (stop_sender, stop) = oneshot::channel();
        let (left_sender, left) = oneshot::channel();
        let taken = Taken {
            connection: caller.connection,
            stop: stop_sender,
            left,
        };
        let before = state.seat(caller.lane).replace(taken);
        leaving.extend(before.map(|taken| taken.left));
        state.heard = Some(Instant::now());
        let seat = Seat {
            stop,
            _left: left_sender,
        };
        Ok((seat, leaving))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn judge(&mut self, caller: Caller, alive: Duration) -> Result<(), SeatError> {
        if self.process == caller.process {
            let newer = |taken: &Taken| taken.connection > caller.connection;
            return match self.seat(caller.lane) {
                Some(taken) if newer(taken) => Err(SeatError::Stale),
                Some(_) | None => Ok(()),
            };
        }
        let lanes = [&self.raft, &self.data];
        let connected = lanes.into_iter().flatten().any(Taken::is_held);
        let heard = self.heard.is_some_and(|at| at.elapsed() < alive);
        if connected && heard {
            return Err(SeatError::TwoNodes { living: self.boot });
        }
        // Each start counts up; who starts from an older folder does not know what it promised.
        if caller.boot <= self.boot {
            return Err(SeatError::StartedBefore { seen: self.boot });
        }
        Ok(())
    }

    fn seat(&mut self, lane: Lane) -> &mut Option<Taken> {
        match lane {
            Lane::Raft => &mut self.raft,
            Lane::Data => &mut self.data,
        }
    }
}

impl Taken {
    fn is_held(&self) -> bool {
        !self.stop.is_closed()
    }
}

impl Seat {
    /// Completes when the holder has to leave.
    pub(crate) async fn stopped(&mut self) {
        // An error is how the dropped sender shows.
        let _stopped = (&mut self.stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ALIVE: Duration = Duration::from_secs(3600);

    fn caller(lane: Lane, boot: u64, connection: u64) -> Caller {
        Caller {
            lane,
            boot: Boot(boot),
            process: boot + 1_000,
            connection,
        }
    }

    #[tokio::test]
    async fn a_newer_call_waits_until_the_older_has_left() {
        let inbound = Inbound::default();
        let mut old = inbound.take(caller(Lane::Data, 1, 1), ALIVE).await.unwrap();
        let mut taking = Box::pin(inbound.take(caller(Lane::Data, 1, 2), ALIVE));
        assert!(
            (&mut taking).now_or_never().is_none(),
            "the old one is there"
        );
        old.stopped().await;
        assert!(
            (&mut taking).now_or_never().is_none(),
            "it has not left yet"
        );
        drop(old);
        assert!(taking.await.is_ok());
    }

    #[tokio::test]
    async fn an_older_call_of_the_same_process_is_refused() {
        let inbound = Inbound::default();
        let _held = inbound.take(caller(Lane::Data, 1, 5), ALIVE).await.unwrap();
        let late = inbound.take(caller(Lane::Data, 1, 4), ALIVE).await;
        assert_eq!(late.err(), Some(SeatError::Stale));
        let other_lane = inbound.take(caller(Lane::Raft, 1, 4), ALIVE).await;
        assert!(other_lane.is_ok());
    }

    #[tokio::test]
    async fn two_living_processes_with_one_id_are_noticed() {
        let inbound = Inbound::default();
        let held = inbound.take(caller(Lane::Raft, 1, 1), ALIVE).await.unwrap();
        let second = inbound.take(caller(Lane::Data, 2, 1), ALIVE).await;
        let living = Boot(1);
        assert_eq!(second.err(), Some(SeatError::TwoNodes { living }));
        drop(held);
        let restarted = inbound.take(caller(Lane::Data, 2, 1), ALIVE).await;
        assert!(restarted.is_ok(), "the first has ended");
    }

    #[tokio::test]
    async fn a_copied_folder_is_noticed_although_its_process_start_is_the_same() {
        let inbound = Inbound::default();
        let held = inbound.take(caller(Lane::Raft, 2, 1), ALIVE).await.unwrap();
        let copy = |boot| Caller {
            process: 7,
            ..caller(Lane::Raft, boot, 9)
        };
        let living = Boot(2);
        let twin = inbound.take(copy(2), ALIVE).await.err();
        assert_eq!(twin, Some(SeatError::TwoNodes { living }));
        drop(held);
        for boot in [1, 2] {
            let twin = inbound.take(copy(boot), ALIVE).await.err();
            assert_eq!(twin, Some(SeatError::StartedBefore { seen: living }));
        }
        assert!(inbound.take(copy(3), ALIVE).await.is_ok());
    }

    #[tokio::test]
    async fn a_silent_process_makes_room_for_its_successor() {
        let inbound = Inbound::default();
        let mut silent = inbound.take(caller(Lane::Raft, 1, 1), ALIVE).await.unwrap();
        let taking = inbound.take(caller(Lane::Raft, 2, 1), Duration::ZERO);
        let (new, ()) = tokio::join!(taking, async {
            silent.stopped().await;
            drop(silent);
        });
        assert!(new.is_ok());
    }

    #[tokio::test]
    async fn a_closed_peer_gets_no_seat() {
        let inbound = Inbound::default();
        let mut held = inbound.take(caller(Lane::Raft, 1, 1), ALIVE).await.unwrap();
        inbound.close();
        held.stopped().await;
        let next = inbound.take(caller(Lane::Raft, 1, 2), ALIVE).await;
        assert_eq!(next.err(), Some(SeatError::Closed));
    }
}
