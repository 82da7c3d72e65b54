//! Rosters that are much work to send. The clients of one user get them one after the other, with a
//! pause in which others have their turn: a client may ask as often as it likes (RFC 6121 §2.1.4), and a
//! question is a thousand times shorter than its answer.

use crate::cx::Cx;
use crate::serving::Serving;
use muster_roster::Roster;
use muster_stanza::Stanza;
use muster_types::{BareJid, Instant, SessionId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Bytes of a roster that is sent whenever it is asked for.
const SMALL: usize = 32_768;
/// Roughly what a contact has beside its address, name and groups.
const ITEM_BYTES: usize = 64;
/// How long one user's next roster waits for each byte of the last: some fifty times as long as it takes.
const PAUSE: Duration = Duration::from_nanos(200);

/// A question that waits; the lane of its session does too, so each has one at most.
pub(crate) struct Asked {
    pub(crate) user: BareJid,
    pub(crate) session: SessionId,
    pub(crate) serial: u64,
    pub(crate) iq: Stanza,
}

/// Who was sent a large roster lately, and who waits for one.
#[derive(Default)]
pub(crate) struct Rosters {
    /// When a user's next one may go.
    next: BTreeMap<BareJid, Instant>,
    waiting: VecDeque<Asked>,
}

impl Rosters {
    /// Whether a user's roster may go now; if so, its pause begins.
    pub(crate) fn take_turn(&mut self, now: Instant, user: &BareJid, roster: &Roster) -> bool {
        let bytes = roster.bytes() + ITEM_BYTES * roster.len();
        if bytes <= SMALL {
            return true;
        }
        self.next.retain(|_, at| *at > now);
        if self.next.contains_key(user) {
            return false;
        }
        let pause = PAUSE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.next.insert(user.clone(), now + pause);
        true
    }

    pub(crate) fn wait(&mut self, asked: Asked) {
        self.waiting.push_back(asked);
    }

    /// The first question whose user has its turn.
    fn due(&mut self, now: Instant) -> Option<Asked> {
        let may_go = |asked: &Asked| self.next.get(&asked.user).is_none_or(|at| *at <= now);
        let at = self.waiting.iter().position(may_go)?;
        self.waiting.remove(at)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let turns = self.waiting.iter();
        let turns = turns.map(|asked| self.next.get(&asked.user).copied().unwrap_or_default());
        turns.min()
    }
}

impl Serving {
    pub(crate) fn wake_rosters(&mut self, cx: &mut Cx<'_>) {
        while let Some(asked) = self.rosters.due(cx.now) {
            if let Some(roster) = cx.state.roster(&asked.user) {
                self.rosters.take_turn(cx.now, &asked.user, roster);
            }
            self.answer_roster(cx, asked.session, &asked.user, &asked.iq);
            self.committed(cx, asked.session, asked.serial);
        }
    }
}
