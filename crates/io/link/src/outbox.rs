//! What waits for one stream: bounded in frames and in bytes, drained by the connection. Frames that
//! are ready together leave in one write.

use crate::wire::{self, FRAME_OVERHEAD, Frame};
use futures_util::Stream;
use muster_ticks::ticks;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Interval;

/// Bounds of an outbox.
#[derive(Clone, Copy)]
pub(crate) struct OutboxLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: u32,
    /// The largest body that comes; one such frame always fits into an empty outbox.
    pub(crate) frame_bytes: u32,
}

/// Why a frame was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full,
    Closed,
}

/// The writing end.
#[derive(Clone)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Frame>,
    room: Arc<Semaphore>,
    /// Bytes of room in an empty one.
    bytes: usize,
}

/// The end that the connection drains: the frames, and a beat whenever there was nothing else for a
/// while. Ends when the last [`Outbox`] is dropped, or by [`Outbox::push_or_end`].
pub(crate) struct Outgoing {
    frames: mpsc::Receiver<Frame>,
    room: Arc<Semaphore>,
    beat: Interval,
    /// Something was said since the last tick: whoever hears it needs no beat.
    said: bool,
    /// When the last beat told the clock.
    told: Instant,
    /// When this process began, for the beats.
    started: Instant,
}

/// A busy lane tells the clock at least this often.
const TELL: Duration = Duration::from_millis(250);

/// Makes an outbox of a process that began at `started`. Must be called on the runtime that will drain it.
pub(crate) fn outbox(limits: OutboxLimits, beat: Duration, started: Instant) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::channel(limits.frames.max(1));
    let bytes = limits.bytes as usize;
    let room = bytes.max(limits.frame_bytes as usize + FRAME_OVERHEAD);
    let bytes = room.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(bytes));
    let outbox = Outbox {
        frames: sender,
        room: Arc::clone(&room),
        bytes,
    };
    let outgoing = Outgoing {
        frames: receiver,
        room,
        beat: ticks(beat),
        said: false,
        told: started,
        started,
    };
    (outbox, outgoing)
}

impl Outbox {
    /// Takes a frame if there is room.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), PushError> {
        let room = self.room.try_acquire_many(cost(&frame));
        let room = room.map_err(|error| match error {
            tokio::sync::TryAcquireError::NoPermits => PushError::Full,
            tokio::sync::TryAcquireError::Closed => PushError::Closed,
        })?;
        self.frames.try_send(frame).map_err(|error| match error {
            TrySendError::Full(_) => PushError::Full,
            TrySendError::Closed(_) => PushError::Closed,
        })?;
        room.forget();
        Ok(())
    }

    /// Takes a frame of a relayed lane: only half of the room is for those, so that they do not crowd out
    /// what the two ends of this connection have to say to each other.
    pub(crate) fn push_relayed(&self, frame: Frame) -> Result<(), PushError> {
        let is_half_full = self.room.available_permits() * 2 < self.bytes
            || self.frames.capacity() * 2 < self.frames.max_capacity();
        if is_half_full && !self.room.is_closed() {
            return Err(PushError::Full);
        }
        self.push(frame)
    }

    /// Takes a frame that must not be missing: the connection ends if there is no room for it.
    pub(crate) fn push_or_end(&self, frame: Frame) {
        if self.push(frame) == Err(PushError::Full) {
            self.room.close();
        }
    }

    /// Waits for room, then takes the frame. Fails only when the connection has ended.
    pub(crate) async fn push_when_room(&self, frame: Frame) -> Result<(), PushError> {
        let room = self.room.acquire_many(cost(&frame)).await;
        let room = room.map_err(|_| PushError::Closed)?;
        let sent = self.frames.send(frame).await;
        sent.map_err(|_| PushError::Closed)?;
        room.forget();
        Ok(())
    }

    /// Completes when the connection no longer drains this outbox.
    pub(crate) async fn closed(&self) {
        self.frames.closed().await;
    }
}

impl Stream for Outgoing {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        if self.room.is_closed() {
            return Poll::Ready(None);
        }
        match self.frames.poll_recv(cx) {
            Poll::Ready(Some(frame)) => {
                self.room.add_permits(cost(&frame) as usize);
                self.said = true;
                Poll::Ready(Some(frame))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => loop {
                ready!(self.beat.poll_tick(cx));
                let said = mem::take(&mut self.said);
                if !said || self.told.elapsed() + self.beat.period() > TELL {
                    self.told = Instant::now();
                    return Poll::Ready(Some(wire::beat(self.started.elapsed())));
                }
            },
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// What a frame takes of the outbox's bytes. Bodies are checked against the lane's limit, a `u32`,
/// before they come here.
fn cost(frame: &Frame) -> u32 {
    u32::try_from(frame.body.len() + FRAME_OVERHEAD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::StreamExt;

    const LIMITS: OutboxLimits = OutboxLimits {
        frames: 3,
        bytes: 200,
        frame_bytes: 100,
    };

    fn body(bytes: usize) -> Frame {
        wire::data(Bytes::from(vec![0; bytes]))
    }

    #[tokio::test]
    async fn frames_are_bounded_and_drained_in_order() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_secs(1), Instant::now());
        for serial in 0..3 {
            outbox.push(wire::request(serial, Bytes::new())).unwrap();
        }
        assert_eq!(outbox.push(body(0)), Err(PushError::Full));
        for serial in 0..3 {
            assert_eq!(outgoing.next().await.unwrap().serial, serial);
        }
        outbox.push(body(0)).unwrap();
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_secs(1), Instant::now());
        outbox.push(body(100)).unwrap();
        assert_eq!(outbox.push(body(100)), Err(PushError::Full));
        assert_eq!(outgoing.next().await.unwrap().body.len(), 100);
        outbox.push(body(100)).unwrap();
    }

    #[tokio::test]
    async fn half_of_the_room_is_not_for_relayed_lanes() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_secs(1), Instant::now());
        outbox.push_relayed(body(0)).unwrap();
        outbox.push_relayed(body(0)).unwrap();
        assert_eq!(outbox.push_relayed(body(0)), Err(PushError::Full));
        outbox.push(body(0)).unwrap();
        for _ in 0..3 {
            outgoing.next().await.unwrap();
        }
        outbox.push_relayed(body(100)).unwrap();
        assert_eq!(outbox.push_relayed(body(0)), Err(PushError::Full));
        outbox.push(body(0)).unwrap();
        drop(outgoing);
        assert_eq!(outbox.push_relayed(body(0)), Err(PushError::Closed));
    }

    #[tokio::test]
    async fn what_must_not_be_missing_ends_a_full_outbox() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_secs(1), Instant::now());
        for serial in 0..4 {
            outbox.push_or_end(wire::request(serial, Bytes::new()));
        }
        assert_eq!(outgoing.next().await, None);
        assert_eq!(outbox.push(body(0)), Err(PushError::Closed));
    }

    #[tokio::test]
    async fn waiting_for_room_ends_with_room_or_with_the_connection() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_secs(1), Instant::now());
        outbox.push(body(100)).unwrap();
        let (pushed, _) = tokio::join!(outbox.push_when_room(body(100)), outgoing.next());
        assert_eq!(pushed, Ok(()));
        let (pushed, ()) = tokio::join!(outbox.push_when_room(body(100)), async {
            tokio::task::yield_now().await;
            drop(outgoing);
        });
        assert_eq!(pushed, Err(PushError::Closed));
        assert_eq!(outbox.push(body(0)), Err(PushError::Closed));
    }

    #[tokio::test]
    async fn who_speaks_beats_only_to_tell_the_clock() {
        let beat = Duration::from_millis(10);
        let (outbox, mut outgoing) = outbox(LIMITS, beat, Instant::now());
        let began = Instant::now();
        let (mut spoken, mut beats) = (0, 0u32);
        while began.elapsed() < 4 * TELL {
            // Always before the next beat is due.
            outbox.push(body(0)).unwrap();
            let frame = outgoing.next().await.unwrap();
            assert_eq!(frame.kind(), wire::FrameKind::Data);
            spoken += 1;
            if let Ok(frame) = tokio::time::timeout(beat / 2, outgoing.next()).await {
                assert_eq!(frame.unwrap().kind(), wire::FrameKind::Beat);
                beats += 1;
            }
        }
        assert!(spoken > 20, "{spoken}");
        assert!((3..=5).contains(&beats), "{beats}");
    }

    #[tokio::test]
    async fn silence_is_filled_with_beats_that_tell_the_clock() {
        let (outbox, mut outgoing) = outbox(LIMITS, Duration::from_millis(50), Instant::now());
        let mut before = 0;
        for _ in 0..3 {
            let frame = outgoing.next().await.unwrap();
            assert_eq!(frame.kind(), wire::FrameKind::Beat);
            assert!(frame.clock > before);
            before = frame.clock;
        }
        drop(outbox);
        assert_eq!(outgoing.next().await, None);
    }
}
