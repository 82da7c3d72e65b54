//! Keeps one lane to one peer connected.

use crate::backoff::Backoff;
use crate::dial::{Dialled, dial};
use crate::peer::{Connection, Outbound, Peer, Route};
use crate::relay::Detour;
use crate::shared::Shared;
use crate::wire::{Frame, FrameKind, Lane};
use std::sync::Arc;
use std::time::Instant;
use tonic::Streaming;

/// Dials, stays while the connection is good, and dials again, until it is aborted. While no connection is
/// to be had, messages go by way of another node if that is possible.
pub(crate) async fn keep(shared: Arc<Shared>, peer: Arc<Peer>, lane: Lane) {
    let timing = shared.timing;
    let mut backoff = Backoff::new(timing.backoff_first, timing.backoff_last);
    peer.lane(lane).dial_now.notify_one();
    loop {
        let mut detour = Detour::default();
        let dialled = tokio::select! {
            dialled = dial_until(&shared, &peer, lane, &mut backoff) => dialled,
            never = detour.keep(&shared, &peer), if lane == Lane::Data => match never {},
        };
        detour.leave(&shared, "the direct link stands");
        let since = Instant::now();
        let reason = stay(&shared, &peer, lane, dialled).await;
        tracing::info!(peer = %peer.node, ?lane, reason, "link ended");
        // One that ends at once again is no reason to hurry.
        if since.elapsed() > timing.backoff_last {
            backoff.reset();
        }
    }
}

/// Waits and dials until a connection stands.
async fn dial_until(shared: &Shared, peer: &Peer, lane: Lane, backoff: &mut Backoff) -> Dialled {
    loop {
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = peer.lane(lane).dial_now.notified() => {}
        }
        match dial(shared, peer, lane).await {
            Ok(dialled) => return dialled,
            Err(error) => peer.failed(lane, &error),
        }
    }
}

/// Serves one connection; returns why it ended.
async fn stay(shared: &Shared, peer: &Peer, lane: Lane, dialled: Dialled) -> String {
    let connection = Connection::new(dialled.hello, dialled.outbox, Route::Direct);
    let connection = Arc::new(connection);
    let outbound = peer.lane(lane);
    outbound.connection.store(Some(Arc::clone(&connection)));
    let _standing = Standing(outbound, &connection);
    peer.connected(lane, dialled.hello);
    peer.hear(shared.started);
    tracing::info!(peer = %peer.node, ?lane, boot = %dialled.hello.boot, "link stands");
    if lane == Lane::Data {
        shared.handler.hello(dialled.hello);
    }
    let reason = tokio::select! {
        reason = listen(shared, peer, lane, &connection, dialled.frames) => reason,
        () = connection.end.notified() => "given up by this node".to_owned(),
    };
    if lane == Lane::Data {
        outbound.connection.store(None);
        shared.handler.lost(peer.node);
    }
    reason
}

/// Reads what comes back: beats, responses, and what is said of relayed lanes.
async fn listen(
    shared: &Shared,
    peer: &Peer,
    lane: Lane,
    connection: &Connection,
    mut frames: Streaming<Frame>,
) -> String {
    loop {
        let frame = match tokio::time::timeout(shared.timing.silence, frames.message()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => return "ended by the peer".to_owned(),
            Ok(Err(status)) => return status.message().to_owned(),
            Err(_elapsed) => return "silence".to_owned(),
        };
        peer.hear(shared.started);
        if lane == Lane::Raft {
            peer.hear_beat(&frame);
        }
        match frame.kind() {
            FrameKind::Response => connection.pending.answer(frame.serial, frame.body),
            FrameKind::RelayAccept | FrameKind::RelayClose => connection.relays.take(frame),
            _ => {}
        }
    }
}

/// While it lives the connection is the lane's; it also goes away when the task is aborted.
struct Standing<'a>(&'a Outbound, &'a Connection);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.connection.store(None);
        self.1.pending.close();
        self.1.relays.close();
    }
}
