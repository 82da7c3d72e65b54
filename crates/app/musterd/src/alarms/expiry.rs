//! Certificates that end soon: told 30, 7 and 1 days before.

use super::Alarms;
use muster_net::CertificateInfo;
use muster_telemetry::alarms::{CERTIFICATE_EXPIRES, Severity};
use muster_telemetry::{gauge, metrics};
use muster_types::Timestamp;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;
/// From so many days on it is so bad.
const STEPS: [(u64, Severity); 3] = [
    (1, Severity::Critical),
    (7, Severity::Error),
    (30, Severity::Warning),
];

/// Raises or clears the alarm; brings the gauges up to date.
pub(super) fn look(alarms: &Alarms, now: Timestamp, certificates: &[CertificateInfo]) {
    for one in certificates {
        let seconds = u32::try_from(one.ends.0 / 1_000).unwrap_or(u32::MAX);
        gauge!(metrics::CERTIFICATE_END, "domain" => one.domain.clone()).set(seconds);
    }
    match judge(now, certificates) {
        Some((severity, words)) => alarms.raise_as(&CERTIFICATE_EXPIRES, severity, words),
        None => alarms.clear(&CERTIFICATE_EXPIRES, "no certificate ends soon"),
    }
}

/// Which end soon, and how bad the first of them is.
fn judge(now: Timestamp, certificates: &[CertificateInfo]) -> Option<(Severity, String)> {
    let step = |one: &CertificateInfo| {
        let left = one.ends.0.saturating_sub(now.0);
        let step = STEPS.iter().find(|(days, _)| left <= days * DAY);
        step.map(|(_, severity)| *severity)
    };
    let soon = certificates.iter().filter(|one| step(one).is_some());
    let words = soon.map(|one| {
        let tense = if one.ends <= now {
            "has ended on"
        } else {
            "ends on"
        };
        format!("the certificate of {} {tense} {}", one.domain, one.ends)
    });
    let worst = certificates.iter().filter_map(step).max()?;
    Some((worst, words.collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_is_told_30_7_and_1_days_before() {
        let now = Timestamp(1_800_000_000_000);
        let ends_in = |domain: &str, millis: u64| CertificateInfo {
            domain: domain.to_owned(),
            sha256: [0; 32],
            ends: Timestamp(now.0 + millis),
        };
        for (left, severity) in [
            (31 * DAY, None),
            (30 * DAY, Some(Severity::Warning)),
            (7 * DAY + 1, Some(Severity::Warning)),
            (7 * DAY, Some(Severity::Error)),
            (DAY + 1, Some(Severity::Error)),
            (DAY, Some(Severity::Critical)),
            (0, Some(Severity::Critical)),
        ] {
            let found = judge(now, &[ends_in("a.example", left)]);
            assert_eq!(found.map(|(severity, _)| severity), severity, "{left}");
        }
        let all = [
            ends_in("a.example", 0),
            ends_in("b.example", 8 * DAY),
            ends_in("c.example", 80 * DAY),
        ];
        let (severity, words) = judge(now, &all).unwrap();
        assert_eq!(severity, Severity::Critical);
        assert!(
            words.contains("a.example has ended on 2027-01-15"),
            "{words}"
        );
        assert!(words.contains("b.example ends on"), "{words}");
        assert!(!words.contains("c.example"), "{words}");
    }
}
