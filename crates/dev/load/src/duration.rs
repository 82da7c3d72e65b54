//! Durations as options: `500ms`, `30s`, `2m`.

use std::time::Duration;

/// Reads a whole number with a unit: `ms`, `s`, `m` or `h`.
///
/// # Errors
/// Says what is expected.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a number with a unit, like 500ms, 30s, 2m or 1h".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a whole number".to_owned())?;
    let ms = number
        .checked_mul(unit_ms)
        .filter(|ms| *ms <= 24 * 3_600_000);
    ms.map(Duration::from_millis)
        .ok_or_else(|| "longer than a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("2m", Some(120_000)),
            ("24h", Some(86_400_000)),
            ("25h", None),
            ("30", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse(text).ok(), ms.map(Duration::from_millis), "{text}");
        }
    }
}
