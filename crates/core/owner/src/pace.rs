//! How often what sources say may change what watchers of a user are shown: presence is a register, so what a program
//! says faster than people can see is left out, and the last of it is shown.

use muster_types::{BareJid, Instant};
use std::collections::BTreeMap;
use std::time::Duration;

/// In the long run a user is shown anew this often: a hundred times faster than people change what they do.
const EVERY: Duration = Duration::from_millis(100);
/// So much of it at once: what several sources say of one thing.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Those whose credit is full again are looked for when there are twice as many as were left the last time, and as
/// many as these.
const KEPT: usize = 1_024;

/// The credit of each user that does not have all of it.
#[derive(Default)]
pub(crate) struct Pace {
    /// When a user has all of its credit again.
    full: BTreeMap<BareJid, Instant>,
    /// How many were left when those with full credit were last forgotten.
    left: usize,
}

impl Pace {
    /// Whether a user may be shown anew now; else from when on.
    pub(crate) fn admit(&mut self, now: Instant, user: &BareJid) -> Result<(), Instant> {
        let full = self.full.get(user).copied().unwrap_or(now).max(now);
        let turn = full + EVERY - AT_ONCE;
        if turn > now {
            return Err(turn);
        }
        if self.full.len() >= KEPT.max(2 * self.left) {
            self.full.retain(|_, full| *full > now);
            self.left = self.full.len();
        }
        self.full.insert(user.clone(), full + EVERY);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_shown_anew_all_the_time_is_shown_ten_times_a_second_and_others_at_once() {
        let mut pace = Pace::default();
        let at = |millis| Instant::ZERO + Duration::from_millis(10_000 + millis);
        let [alice, bob] =
            ["alice@example.com", "bob@example.com"].map(|user| BareJid::new(user).unwrap());
        let mut shown = |millis: u64, user: &BareJid| pace.admit(at(millis), user);
        let at_once = (0..100).filter(|_| shown(0, &alice).is_ok()).count();
        assert_eq!(at_once, 20);
        assert_eq!(shown(0, &alice), Err(at(100)));
        assert_eq!(shown(0, &bob), Ok(()));
        let later = (0..1_000).filter(|millis| shown(*millis, &alice).is_ok());
        assert_eq!(later.count(), 9);
    }
}
