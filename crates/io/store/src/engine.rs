//! The engine's errors and panics as ours.

use crate::StoreError;
use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// This thread is in [`guarded`]: what the engine says when it panics is for its authors.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the engine. On some damage it panics instead of returning an error; either becomes what
/// `damaged` says. A caller gives the store up after that, so nothing half done is used again.
pub(crate) fn guarded<T>(
    call: impl FnOnce() -> sled::Result<T>,
    damaged: impl Fn() -> StoreError,
) -> Result<T, StoreError> {
    silence_guarded_panics();
    let outer = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if shows_damage(&error) => Err(damaged()),
        Ok(Err(error)) => Err(error.into()),
        Err(_panic) => Err(damaged()),
    }
}

/// A file that is too short is damage too.
fn shows_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Corruption { .. } => true,
        sled::Error::Io(cause) => cause.kind() == io::ErrorKind::UnexpectedEof,
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => false,
    }
}

fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let otherwise = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                otherwise(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_of_damage_becomes_ours() {
        let damaged = || StoreError::Damaged { table: "t".into() };
        let short = || sled::Error::Io(io::ErrorKind::UnexpectedEof.into());
        let full = || sled::Error::Io(io::ErrorKind::StorageFull.into());
        let panicked: Result<(), StoreError> = guarded(|| panic!("of the engine"), damaged);
        for (name, outcome, is_damage) in [
            ("a panic", panicked, true),
            ("a short file", guarded(|| Err(short()), damaged), true),
            ("a full disk", guarded(|| Err(full()), damaged), false),
        ] {
            let error = outcome.unwrap_err();
            let named = matches!(error, StoreError::Damaged { .. });
            assert_eq!(named, is_damage, "{name}: {error}");
        }
        assert_eq!(guarded(|| Ok(7), damaged).unwrap(), 7);
    }
}
