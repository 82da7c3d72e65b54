//! Times for people.

use std::time::{SystemTime, UNIX_EPOCH};

/// How long ago an RFC 3339 time in UTC was; nothing when the text is none.
pub(crate) fn since(text: &str) -> Option<String> {
    let then = seconds(text)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(age(now.saturating_sub(then)))
}

/// An age in its two largest units.
fn age(seconds: u64) -> String {
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

/// Seconds since 1970 of a time such as `2025-01-01T00:00:00.000Z`.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator| -> Option<[u64; 3]> {
        let numbers: Option<Vec<u64>> = text
            .split(separator)
            .map(|part| part.parse().ok())
            .collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    if !(1..=12).contains(&month) || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin on 1 March here, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)?) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2024-02-28T23:59:59.999Z", Some(1_709_164_799)),
            ("2100-03-01T00:00:00.000Z", Some(4_107_542_400)),
            ("yesterday", None),
            ("2024-13-01T00:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

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
