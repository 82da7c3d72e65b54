//! What was proposed to the log and has not come back yet.

use crate::cx::Cx;
use muster_slot::{ORIGIN_WINDOW, SlotCommand, UserChange};
use muster_stanza::Stanza;
use muster_types::{BareJid, Instant, LogIndex, NodeId, SessionId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A proposal that did not come back is made again, under the same name.
const REPEAT: Duration = Duration::from_secs(2);

/// The log remembers the names of so many proposals of one process: further ones wait until the
/// oldest has come back, so that a repeated one is never taken for a forgotten one.
const WINDOW: u64 = ORIGIN_WINDOW / 2;

/// Proposals under way or waiting. Sessions wait for their own commits, so this is reached only
/// when the log stands still; then clients get `resource-constraint`.
const UNDERWAY_MAX: usize = 16_384;

/// What follows when a change is committed or refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    /// A session's lane waits: answer it and go on.
    Answer {
        session: SessionId,
        serial: u64,
        /// What the session sent, to make an error of.
        question: Stanza,
        /// What goes to it on success, if anything.
        reply: Option<Stanza>,
    },
    /// A message was put into the offline store of `user`.
    Store {
        session: SessionId,
        serial: u64,
        message: Stanza,
        user: BareJid,
    },
    /// Offline messages of the user that were handed to a client are dropped.
    Taken { user: BareJid, up_to: u64 },
    /// The data of a user whose account was removed goes.
    Removal {
        user: BareJid,
        /// The entry of the control log that removed it.
        at: LogIndex,
    },
    /// A request to see a user is granted without asking it.
    Approval { user: BareJid, request: Stanza },
    /// A node asked to set rules about whom the user lets in.
    Asked {
        node: NodeId,
        ask: u64,
        user: BareJid,
    },
}

struct Underway {
    command: SlotCommand,
    purpose: Purpose,
    /// When it is proposed again; `None` while it waits for its turn.
    repeat: Option<Instant>,
}

/// The log takes no more at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogBusy;

/// The changes under way, by the serial of their origin.
#[derive(Default)]
pub(crate) struct Proposals {
    underway: BTreeMap<u64, Underway>,
    /// The first serial that waits for its turn; every later one does too.
    next: u64,
    /// When to look for proposals to repeat.
    wake: Option<Instant>,
}

impl Proposals {
    /// Proposes a change of a user's data.
    pub(crate) fn propose(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        change: UserChange,
        purpose: Purpose,
    ) -> Result<(), LogBusy> {
        if self.underway.len() >= UNDERWAY_MAX {
            return Err(LogBusy);
        }
        self.propose_in_any_case(cx, user, change, purpose);
        Ok(())
    }

    /// The same for what no client can ask for, so that there is never too much of it.
    pub(crate) fn propose_in_any_case(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        change: UserChange,
        purpose: Purpose,
    ) {
        let origin = cx.next_origin();
        let (epoch, at) = (cx.epoch, cx.world.wall);
        let command = SlotCommand::Change {
            epoch,
            origin,
            user: user.clone(),
            at,
            change,
        };
        self.underway.insert(
            origin.serial,
            Underway {
                command,
                purpose,
                repeat: None,
            },
        );
        self.advance(cx);
    }

    /// Whether what a node asked for is under way.
    pub(crate) fn is_asked(&self, node: NodeId, ask: u64) -> bool {
        let asked = |underway: &Underway| match &underway.purpose {
            Purpose::Asked {
                node: by, ask: its, ..
            } => (*by, *its) == (node, ask),
            Purpose::Answer { .. }
            | Purpose::Store { .. }
            | Purpose::Taken { .. }
            | Purpose::Removal { .. }
            | Purpose::Approval { .. } => false,
        };
        self.underway.values().any(asked)
    }

    /// The proposal with this serial came back.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>, serial: u64) -> Option<Purpose> {
        let underway = self.underway.remove(&serial)?;
        self.advance(cx);
        Some(underway.purpose)
    }

    /// Gives up what is under way for a user; whoever waits for it has to be told.
    pub(crate) fn give_up(&mut self, user: &BareJid) -> Vec<Purpose> {
        let of_user = |_: &u64, underway: &mut Underway| match &underway.command {
            SlotCommand::Change { user: of, .. } => of == user,
            SlotCommand::Open { .. }
            | SlotCommand::Inbound { .. }
            | SlotCommand::Confirm { .. }
            | SlotCommand::Anew => false,
        };
        let given_up = self.underway.extract_if(.., of_user);
        given_up.map(|(_, underway)| underway.purpose).collect()
    }

    /// Proposes what has come into the window.
    fn advance(&mut self, cx: &mut Cx<'_>) {
        let Some((first, _)) = self.underway.first_key_value() else {
            return;
        };
        let end = first + WINDOW;
        for (serial, underway) in self.underway.range_mut(self.next.min(end)..end) {
            underway.repeat = Some(cx.now + REPEAT);
            cx.propose(underway.command.clone());
            self.next = serial + 1;
            self.wake.get_or_insert(cx.now + REPEAT);
        }
    }

    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        if self.wake.is_none_or(|wake| wake > cx.now) {
            return;
        }
        self.wake = None;
        for underway in self.underway.values_mut() {
            let Some(repeat) = underway.repeat.as_mut() else {
                break;
            };
            if *repeat <= cx.now {
                *repeat = cx.now + REPEAT;
                cx.propose(underway.command.clone());
            }
            self.wake = Some(self.wake.map_or(*repeat, |wake| wake.min(*repeat)));
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.wake
    }
}
