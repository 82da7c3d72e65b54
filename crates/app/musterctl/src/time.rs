//! Times for people.

use muster_types::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day; that of 1970 on a host that has none.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// How long ago an RFC 3339 time in UTC was; nothing when the text is none.
pub(crate) fn since(text: &str, now: Timestamp) -> Option<String> {
    let then = text.parse::<Timestamp>().ok()?;
    Some(age(now.0.saturating_sub(then.0) / 1_000))
}

/// A span of time in its two largest units.
pub(crate) fn age(seconds: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = UNITS
        .iter()
        .position(|(_, unit)| seconds >= *unit)
        .unwrap_or(UNITS.len() - 1);
    let (unit, long) = UNITS[first];
    let mut text = format!("{}{unit}", seconds / long);
    if let Some((unit, short)) = UNITS.get(first + 1)
        && seconds % long / short > 0
    {
        text += &format!("{}{unit}", seconds % long / short);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m1s"),
            (3_601, "1h"),
            (90_000, "1d1h"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}
