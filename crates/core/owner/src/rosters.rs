//! Rosters that are much work to send. The clients of one user get them one after the other, with a
//! pause in which others have their turn: a client may ask as often as it likes (RFC 6121 §2.1.4), and a
//! question is a thousand times shorter than its answer.

use crate::cx::Cx;
use crate::serving::Serving;
use muster_roster::Roster;
use muster_stanza::Stanza;
use muster_types::{BareJid, Instant, SessionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// What the clients of a user wait for, and since which turn.
    waiting: BTreeMap<BareJid, Waiting>,
    /// The turns of those who wait, one a user.
    turns: BTreeSet<(Instant, BareJid)>,
}

struct Waiting {
    turn: Instant,
    asked: VecDeque<Asked>,
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
        let user = asked.user.clone();
        if let Some(waiting) = self.waiting.get_mut(&user) {
            return waiting.asked.push_back(asked);
        }
        self.enter(user, VecDeque::from([asked]));
    }

    /// Whoever waits has the turn after the user's last roster.
    fn enter(&mut self, user: BareJid, asked: VecDeque<Asked>) {
        let turn = self.next.get(&user).copied().unwrap_or_default();
        self.turns.insert((turn, user.clone()));
        self.waiting.insert(user, Waiting { turn, asked });
    }

    /// The question of the user whose turn it is, and what its clients wait for beside.
    fn due(&mut self, now: Instant) -> Option<(Asked, VecDeque<Asked>)> {
        if self.deadline()? > now {
            return None;
        }
        let (_, user) = self.turns.pop_first()?;
        let mut asked = self.waiting.remove(&user)?.asked;
        Some((asked.pop_front()?, asked))
    }

    /// Takes out what a session waits for.
    fn forget(&mut self, user: &BareJid, session: SessionId) -> Option<Asked> {
        let waiting = self.waiting.get_mut(user)?;
        let is_its = |asked: &Asked| asked.session == session;
        let at = waiting.asked.iter().position(is_its)?;
        let asked = waiting.asked.remove(at);
        if waiting.asked.is_empty() {
            self.turns.remove(&(waiting.turn, user.clone()));
            self.waiting.remove(user);
        }
        asked
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.turns.first().map(|(turn, _)| *turn)
    }
}

impl Serving {
    pub(crate) fn wake_rosters(&mut self, cx: &mut Cx<'_>) {
        while let Some((asked, others)) = self.rosters.due(cx.now) {
            if let Some(roster) = cx.state.roster(&asked.user) {
                self.rosters.take_turn(cx.now, &asked.user, roster);
            }
            if !others.is_empty() {
                self.rosters.enter(asked.user.clone(), others);
            }
            self.answer_roster(cx, asked.session, &asked.user, &asked.iq);
            self.committed(cx, asked.session, asked.serial);
        }
    }

    /// Whether a client is there that could be sent a roster.
    pub(crate) fn hears(&self, session: SessionId) -> bool {
        let session = self.sessions.session(session);
        session.is_some_and(|session| !session.standing.is_expected())
    }

    /// The client has gone: nobody waits for its roster, and what it sent after its question is done.
    pub(crate) fn forget_asked(&mut self, cx: &mut Cx<'_>, user: &BareJid, session: SessionId) {
        if let Some(asked) = self.rosters.forget(user, session) {
            self.committed(cx, session, asked.serial);
        }
    }
}
