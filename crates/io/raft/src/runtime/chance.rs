//! Numbers by chance: openraft's election timeouts come from here.

use super::World;
use openraft::TokioRuntime;
use openraft::async_runtime::AsyncRuntime;
use rand::{Rng, TryRng};
use std::convert::Infallible;
use std::rc::Rc;

/// The thread's generator, or its world's.
pub(crate) enum Chance {
    Thread(<TokioRuntime as AsyncRuntime>::ThreadLocalRng),
    World(Rc<dyn World>),
}

impl Chance {
    pub(super) fn here() -> Self {
        super::world().map_or_else(|| Self::Thread(TokioRuntime::thread_rng()), Self::World)
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(match self {
            Self::Thread(rng) => rng.next_u32(),
            // Its upper half: the shift leaves 32 bits.
            Self::World(world) => u32::try_from(world.chance() >> 32).unwrap_or_default(),
        })
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(match self {
            Self::Thread(rng) => rng.next_u64(),
            Self::World(world) => world.chance(),
        })
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            part.copy_from_slice(&number[..part.len()]);
        }
        Ok(())
    }
}
