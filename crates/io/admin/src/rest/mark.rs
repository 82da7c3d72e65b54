//! Which state of a user a program has seen last: the ids of events, with which it goes on after a cut.

use muster_envelope::Composed;
use muster_presence::Version;
use muster_types::{Epoch, LogIndex};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Bytes of the digest in an id.
const DIGEST_BYTES: usize = 6;

/// One state: which of two is newer say epoch and number; whether two of different owners are the same says
/// the digest. As a text `EPOCH-NUMBER-DIGEST`; `0` where nothing was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    version: Version,
    digest: [u8; DIGEST_BYTES],
}

impl Mark {
    pub(super) fn of(composed: &Composed, shown: &str) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&Sha256::digest(shown)[..DIGEST_BYTES]);
        Self {
            version: composed.version,
            digest,
        }
    }

    /// Whether this state is to be shown to who has seen that one.
    pub(super) fn is_news_after(&self, seen: Option<&Self>) -> bool {
        seen.is_none_or(|seen| self.version > seen.version && self.digest != seen.digest)
    }

    /// Whether this is a later one than that, be it the same or not.
    pub(super) fn is_later_than(&self, seen: Option<&Self>) -> bool {
        seen.is_none_or(|seen| self.version > seen.version)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-", self.version.epoch.index(), self.version.seq)?;
        self.digest
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(());
        let (epoch, seq, hex) = (part()?, part()?, part()?);
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        let mut digest = [0; DIGEST_BYTES];
        if hex.len() != 2 * DIGEST_BYTES || !hex.is_ascii() {
            return Err(());
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| ())?;
        }
        let version = Version {
            epoch: Epoch::opened_at(LogIndex(number(epoch)?)),
            seq: number(seq)?,
        };
        match parts.next() {
            None => Ok(Self { version, digest }),
            Some(_) => Err(()),
        }
    }
}

/// The id of an event: a mark for each user of the stream, in the order of their addresses.
pub(super) fn id_of(marks: &[Option<Mark>]) -> String {
    let words = marks.iter().map(|mark| match mark {
        Some(mark) => mark.to_string(),
        None => "0".to_owned(),
    });
    words.collect::<Vec<_>>().join(",")
}

/// What a program has seen, by the id of its last event. An id of another stream says nothing: then all is
/// shown.
pub(super) fn seen(id: &str, users: usize) -> Vec<Option<Mark>> {
    let marks: Vec<Option<Mark>> = id.split(',').map(|word| word.parse().ok()).collect();
    if marks.len() == users {
        marks
    } else {
        vec![None; users]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_presence::Explanation;

    fn mark(epoch: u64, seq: u64, shown: &str) -> Mark {
        let version = Version {
            epoch: Epoch::opened_at(LogIndex(epoch)),
            seq,
        };
        let presence = Explanation::default();
        Mark::of(&Composed { version, presence }, shown)
    }

    #[test]
    fn news_are_newer_and_different() {
        let seen = mark(7, 3, "away");
        for (epoch, seq, shown, news, later) in [
            (7, 3, "away", false, false),
            (7, 4, "busy", true, true),
            (7, 2, "busy", false, false),
            (9, 1, "away", false, true),
            (9, 1, "busy", true, true),
            (5, 9, "busy", false, false),
        ] {
            let next = mark(epoch, seq, shown);
            assert_eq!(next.is_news_after(Some(&seen)), news, "{next} after {seen}");
            assert_eq!(
                next.is_later_than(Some(&seen)),
                later,
                "{next} after {seen}"
            );
        }
        assert!(seen.is_news_after(None));
    }

    #[test]
    fn ids_come_back_as_they_were_and_others_say_nothing() {
        let marks = [Some(mark(7, 3, "away")), None];
        assert_eq!(seen(&id_of(&marks), 2), marks);
        assert_eq!(seen(&id_of(&marks), 3), [None; 3]);
        for bad in [
            "",
            "x",
            "1-2",
            "1-2-zzzzzzzzzzzz",
            "1-2-aabbccddeeff-3",
            "1-2-é",
        ] {
            assert_eq!(seen(bad, 1), [None], "{bad}");
        }
    }
}
