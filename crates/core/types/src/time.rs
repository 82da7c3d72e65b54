//! Time as core sees it: always an argument, never read.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

/// A point on the driver's monotonic clock, in nanoseconds since some moment before the first one
/// handed out. Comparable only within one process (or one simulation).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The beginning of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` after the beginning of the clock.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning of the clock.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:06}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000 / 1000
        )
    }
}

/// Wall-clock time for people and wire: milliseconds since 1970-01-01 UTC. Stamped by whoever
/// proposes a command and carried in it; nothing is decided by comparing two of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, which is also XEP-0082's `DateTime`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        if year > 9_999 {
            return write!(
                f,
                "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
            );
        }
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (value, last) in [
            (year, 3),
            (month, 6),
            (day, 9),
            (hour, 12),
            (minute, 15),
            (second, 18),
            (milli, 22),
        ] {
            put(&mut text[..=last], value);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Writes a number in place of the zeros at the end of a text: whatever is composed or stamped tells a time.
fn put(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev() {
        if value == 0 {
            return;
        }
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

/// A text is no time of XEP-0082.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no time: write it like 2025-01-31T09:30:00Z")
    }
}

impl std::error::Error for NotATime {}

impl FromStr for Timestamp {
    type Err = NotATime;

    /// XEP-0082's `DateTime`, from 1970 on: `2025-01-31T09:30:00Z`, with a fraction, with an offset such as
    /// `+02:00` in place of `Z`.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        milliseconds(text).map(Self).ok_or(NotATime)
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once('T')?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let good = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (hour, minute, second) <= (23, 59, 60)
        && minute < 60
        && second <= 60;
    if !good || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milli: u64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let local = seconds * 1_000 + milli;
    match zone.split_at(1) {
        ("Z", "") => Some(local),
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            let offset = (hours * 3_600 + minutes * 60) * 1_000;
            match sign {
                "+" => local.checked_sub(offset),
                "-" => Some(local + offset),
                _ => None,
            }
        }
    }
}

/// Numbers of exactly so many digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(between);
    let mut read = [0; N];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let all_digits = part.bytes().all(|b| b.is_ascii_digit());
        *number = part.parse().ok().filter(|_| all_digits)?;
    }
    parts.next().is_none().then_some(read)
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar, from 1970 on.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    // Years begin on 1 March here, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Count in eras of 400 years that begin on 1 March, so that the leap day is an era's last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc3339_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(ms)));
        }
    }

    #[test]
    fn times_are_read_as_xep_0082_writes_them() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T02:00:00.5+02:00", Some(951_782_400_500)),
            ("2000-02-28T22:30:00.123456-01:30", Some(951_782_400_123)),
            ("2000-02-29T00:00:00", None),
            ("2000-02-29", None),
            ("2000-13-01T00:00:00Z", None),
            ("2000-02-30T25:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2000-02-29T00:00:00.Z", None),
            ("2000-02-29T00:00:00Zulu", None),
            ("2000-2-29T00:00:00Z", None),
            ("+200-02-29T00:00:00Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(text.parse::<Timestamp>().ok(), ms.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn instants_saturate() {
        let start = Instant::from_nanos(5);
        assert_eq!(start - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::ZERO.since(start), Duration::ZERO);
        assert_eq!(
            (start + Duration::from_nanos(7)).since(start),
            Duration::from_nanos(7)
        );
    }
}
