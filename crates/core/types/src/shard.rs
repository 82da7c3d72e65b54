//! The parts of a node's session side: each user's sessions and all that concerns them are in one.

use crate::{BareJid, SessionId, ShardId};
use std::num::NonZeroU16;

/// How many shards the session side of a node has: from 1 to [`Shards::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shards(NonZeroU16);

impl Shards {
    /// More would cost each message to all of them more than they save.
    pub const MAX: u16 = 16;
    /// All users in one.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// So many, if a node may have as many.
    pub fn new(count: u16) -> Option<Self> {
        let count = NonZeroU16::new(count)?;
        (count.get() <= Self::MAX).then_some(Self(count))
    }

    /// How many there are.
    pub fn count(self) -> usize {
        usize::from(self.0.get())
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = ShardId> {
        (0..self.0.get()).map(ShardId)
    }

    /// The shard of a user.
    pub fn of_user(self, user: &BareJid) -> ShardId {
        if self == Self::ONE {
            return ShardId(0);
        }
        // The upper half of the product: the lower bits of the hash are the weaker ones.
        let share = (hash(user.as_str()) >> 32) * u64::from(self.0.get());
        ShardId(u16::try_from(share >> 32).unwrap_or_default())
    }

    /// The shard of a session, by its id.
    pub fn of_session(self, session: SessionId) -> ShardId {
        let shard = session.serial % u64::from(self.0.get());
        ShardId(u16::try_from(shard).unwrap_or_default())
    }

    /// The id of a session whose user is known: it says the user's shard. Ids given in order stay in order.
    pub fn session_of(self, session: SessionId, user: &BareJid) -> SessionId {
        let shard = self.of_user(user);
        SessionId {
            serial: session.serial * u64::from(self.0.get()) + u64::from(shard.0),
            ..session
        }
    }
}

/// Fast, and the same for all parts of a process; nothing is kept by it.
fn hash(text: &str) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let sum = words.fold(0, mix);
    let last = (rest.iter()).fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    let sum = mix(sum, last);
    // What the last bytes say reaches the upper half too.
    mix(sum, sum >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Boot, NodeId};

    fn user(number: u32) -> BareJid {
        BareJid::new(&format!("user{number}@example.com")).unwrap()
    }

    fn session(serial: u64) -> SessionId {
        SessionId {
            node: NodeId(1),
            boot: Boot(1),
            serial,
        }
    }

    #[test]
    fn there_are_one_to_sixteen() {
        for (count, possible) in [(0, false), (1, true), (16, true), (17, false)] {
            assert_eq!(Shards::new(count).is_some(), possible, "{count}");
        }
    }

    #[test]
    fn a_session_is_in_the_shard_of_its_user_and_later_ids_are_higher() {
        for count in 1..=Shards::MAX {
            let shards = Shards::new(count).unwrap();
            let mut last = 0;
            for serial in 1..200 {
                let user = user(u32::try_from(serial).unwrap());
                let id = shards.session_of(session(serial), &user);
                assert_eq!(shards.of_session(id), shards.of_user(&user));
                assert!(id.serial > last);
                last = id.serial;
            }
        }
        let only = Shards::ONE.session_of(session(7), &user(7));
        assert_eq!(only, session(7), "with one shard ids are plain numbers");
    }

    #[test]
    fn users_are_spread_evenly() {
        const USERS: u32 = 16_000;
        for count in 2..=Shards::MAX {
            let shards = Shards::new(count).unwrap();
            let mut each = vec![0_u32; shards.count()];
            for number in 0..USERS {
                each[usize::from(shards.of_user(&user(number)).0)] += 1;
            }
            let fair = USERS / u32::from(count);
            let even = |users: &u32| (fair * 85 / 100..fair * 115 / 100).contains(users);
            assert!(each.iter().all(even), "{count}: {each:?}");
        }
    }
}
