//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a test waits for what should come at once. Generous, since the machine may be busy; a test that measures
/// says its own limit.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Errors
/// Fails with `what` when the time is over, and at once when asking fails.
pub fn until<T>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begun.elapsed() >= within {
            bail!("waited {:.1} s in vain: {what}", within.as_secs_f64());
        }
        thread::sleep(PAUSE);
    }
}

/// Asks for a whole time whether something happened that must not happen.
///
/// # Errors
/// Fails with `what` and the answer, as soon as there is one.
pub fn never<T: std::fmt::Debug>(
    what: &str,
    during: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < during {
        if let Some(answer) = ask()? {
            bail!(
                "{what}: {answer:?} after {:.1} s",
                begun.elapsed().as_secs_f64()
            );
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
