//! Two who chat while something else goes on, and notice when they have to wait.

use anyhow::{Result, ensure};
use muster_testkit::Raw;
use std::time::{Duration, Instant};

/// A word takes no longer than this, however much the others have to do.
const AT_ONCE: Duration = Duration::from_secs(5);

/// One who says something, and one who hears it.
pub struct Talk {
    says: Raw,
    hears: Raw,
    to: String,
    said: usize,
}

impl Talk {
    /// Between two clients that are logged in, the second as `to` with the resource `hears`.
    ///
    /// # Errors
    /// Fails when the second does not become available.
    pub fn between(says: Raw, mut hears: Raw, to: &str) -> Result<Self> {
        hears.send("<presence/>")?;
        hears.read_until("/hears'")?;
        Ok(Self {
            says,
            hears,
            to: to.to_owned(),
            said: 0,
        })
    }

    /// Says one more word.
    ///
    /// # Errors
    /// Fails when it does not arrive at once.
    pub fn goes_on(&mut self) -> Result<()> {
        self.said += 1;
        let (to, word, begun) = (&self.to, format!("word {}.", self.said), Instant::now());
        self.says.send(format!(
            "<message to='{to}' type='chat'><body>{word}</body></message>"
        ))?;
        self.hears.read_until(&word)?;
        let took = begun.elapsed();
        ensure!(took < AT_ONCE, "{word} took {took:?}");
        Ok(())
    }
}
