//! A file system that fills: a node that cannot write ends.

use super::Alarms;
use muster_telemetry::alarms::{STORE_SPACE, Severity};
use rustix::fs::statvfs;
use std::path::Path;

/// From so many percent on it is so bad.
const STEPS: [(u64, Severity); 2] = [(97, Severity::Critical), (90, Severity::Warning)];

/// Raises or clears the alarm.
pub(super) fn look(alarms: &Alarms, folder: &Path) {
    // What cannot be looked at is told by whoever writes there.
    let Ok(found) = statvfs(folder) else { return };
    // As df counts: what is kept for root is neither used nor free.
    let (used, free) = (found.f_blocks.saturating_sub(found.f_bfree), found.f_bavail);
    match judge(used, free) {
        Some(severity) => {
            let megabytes = free.saturating_mul(found.f_frsize) >> 20;
            let words = format!(
                "the file system of {} is {} % full: {megabytes} MiB are left",
                folder.display(),
                percent(used, free)
            );
            alarms.raise_as(&STORE_SPACE, severity, words);
        }
        None => alarms.clear(&STORE_SPACE, "the file system of the data folder has room"),
    }
}

fn percent(used: u64, free: u64) -> u64 {
    let all = used.saturating_add(free);
    used.saturating_mul(100)
        .checked_div(all)
        .unwrap_or_default()
}

fn judge(used: u64, free: u64) -> Option<Severity> {
    let full = percent(used, free);
    let step = STEPS.iter().find(|(from, _)| full >= *from);
    step.map(|(_, severity)| *severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_told_of_before_it_is_full() {
        for (used, free, severity) in [
            (899, 101, None),
            (900, 100, Some(Severity::Warning)),
            (969, 31, Some(Severity::Warning)),
            (970, 30, Some(Severity::Critical)),
            (1_000, 0, Some(Severity::Critical)),
            // Some report nothing at all.
            (0, 0, None),
        ] {
            assert_eq!(judge(used, free), severity, "{used} used, {free} free");
        }
    }
}
