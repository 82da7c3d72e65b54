//! The node in the middle: passes on what one caller sends to others.

use super::frame::{Way, close, relay};
use crate::outbox::Outbox;
use crate::peer::Connection;
use crate::shared::Shared;
use crate::wire::{Frame, FrameKind, RELAY_SINCE};
use bytes::Bytes;
use muster_types::NodeId;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// What one caller sends to others by way of this node. It never waits: a lane for which there is no room
/// is closed. Dropped with the call, it closes all of them.
pub(crate) struct Carrier {
    shared: Arc<Shared>,
    from: NodeId,
    back: Outbox,
    /// By receiver: a sender has one lane to each.
    lanes: BTreeMap<NodeId, Carried>,
}

struct Carried {
    serial: u64,
    onward: Weak<Connection>,
}

impl Carrier {
    /// For the call of `from`; `back` leads to it.
    pub(crate) fn new(shared: Arc<Shared>, from: NodeId, back: Outbox) -> Self {
        Self {
            shared,
            from,
            back,
            lanes: BTreeMap::new(),
        }
    }

    /// Takes a frame that is for `to`.
    pub(crate) fn take(&mut self, to: NodeId, frame: Frame) {
        let serial = frame.serial;
        match frame.kind() {
            FrameKind::RelayOpen => {
                if let Err(reason) = self.open(to, serial, frame.body) {
                    self.back.push_or_end(close(Way::From(to), serial, &reason));
                }
            }
            FrameKind::RelayData => self.pass_on(to, serial, frame.body),
            FrameKind::RelayClose if self.is_current(to, serial) => {
                self.end(to, "closed by the sender");
            }
            _ => {}
        }
    }

    fn open(&mut self, to: NodeId, serial: u64, hello: Bytes) -> Result<(), String> {
        if self
            .lanes
            .get(&to)
            .is_some_and(|newer| newer.serial >= serial)
        {
            return Err("a newer lane of the sender stands".to_owned());
        }
        self.end(to, "a newer lane of the sender");
        let onward = self.onward(to)?;
        if !onward.relays.carry(self.from, serial, self.back.clone()) {
            return Err(format!("{} has no link to {to}", self.shared.node));
        }
        let lane = Carried {
            serial,
            onward: Arc::downgrade(&onward),
        };
        self.lanes.insert(to, lane);
        let open = relay(FrameKind::RelayOpen, Way::From(self.from), serial, hello);
        if onward.outbox.push_relayed(open).is_err() {
            self.end(to, "");
            return Err(format!("too much waits for {to}"));
        }
        Ok(())
    }

    /// The direct lane to the receiver.
    fn onward(&self, to: NodeId) -> Result<Arc<Connection>, String> {
        let node = self.shared.node;
        if to == self.from || to == node {
            return Err(format!(
                "{} needs no lane to {to} through {node}",
                self.from
            ));
        }
        let peer = self.shared.peer(to);
        let peer = peer.ok_or_else(|| format!("{to} is no member that {node} knows"))?;
        let onward = peer.data.direct();
        let onward = onward.ok_or_else(|| format!("{node} has no link to {to}"))?;
        if onward.hello.wire_version < RELAY_SINCE {
            return Err(format!("{to} knows no relayed lanes"));
        }
        Ok(onward)
    }

    fn pass_on(&mut self, to: NodeId, serial: u64, body: Bytes) {
        if !self.is_current(to, serial) {
            return;
        }
        let onward = self.lanes.get(&to).and_then(|lane| lane.onward.upgrade());
        // Whose connection has ended was told of it then.
        let Some(onward) = onward else {
            self.lanes.remove(&to);
            return;
        };
        let frame = relay(FrameKind::RelayData, Way::From(self.from), serial, body);
        if onward.outbox.push_relayed(frame).is_ok() {
            self.shared.relayed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let reason = format!("too much waits for {to}");
        self.end(to, &reason);
        self.back.push_or_end(close(Way::From(to), serial, &reason));
    }

    fn is_current(&self, to: NodeId, serial: u64) -> bool {
        self.lanes
            .get(&to)
            .is_some_and(|lane| lane.serial == serial)
    }

    /// Ends a lane, if there is one, and tells its receiver.
    fn end(&mut self, to: NodeId, reason: &str) {
        let Some(lane) = self.lanes.remove(&to) else {
            return;
        };
        let Some(onward) = lane.onward.upgrade() else {
            return;
        };
        onward.relays.forget(self.from, lane.serial);
        // Not told, the receiver keeps a lane on which nothing comes until the sender's next one.
        let _told = onward
            .outbox
            .push(close(Way::From(self.from), lane.serial, reason));
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        while let Some((to, _)) = self.lanes.first_key_value() {
            let to = *to;
            self.end(to, "the carrier lost its link to the sender");
        }
    }
}
