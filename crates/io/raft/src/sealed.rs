//! A snapshot on its way: the records behind a header that shows whether they are all there.
//!
//! ```text
//! version (1) | bytes of the records (8, big endian) | their crc32 (4, big endian) | records
//! ```

use crate::rpc::{decode, encode};
use crate::stored::Records;

/// Version of the header and of what follows it.
const VERSION: u8 = 1;
const HEADER: usize = 13;

/// Why a snapshot that came is not taken. Nothing of it was stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("a snapshot of version {0}, and this program knows {VERSION}: upgrade this node")]
    NewerVersion(u8),
    #[error("a truncated snapshot: {got} of {whole} bytes came; it is asked for again")]
    Truncated { got: u64, whole: u64 },
    #[error("a damaged snapshot: its checksum does not fit; it is asked for again")]
    Damaged,
    #[error(
        "a part of a snapshot begins at byte {begins}, and {have} came before; it is asked for again"
    )]
    OutOfOrder { begins: u64, have: u64 },
}

/// The bytes that are sent.
pub(crate) fn seal(records: &Records) -> Vec<u8> {
    let records = encode(records);
    let mut sealed = Vec::with_capacity(HEADER + records.len());
    sealed.push(VERSION);
    sealed.extend((records.len() as u64).to_be_bytes());
    sealed.extend(crc32fast::hash(&records).to_be_bytes());
    sealed.extend(records);
    sealed
}

/// The records, if all of them came as they were sent.
pub(crate) fn unseal(sealed: &[u8]) -> Result<Records, SnapshotError> {
    let got = sealed.len() as u64;
    let whole = HEADER as u64;
    let (version, rest) = (sealed.split_first()).ok_or(SnapshotError::Truncated { got, whole })?;
    // The version first: what a newer one means by the bytes behind it, nobody knows here.
    if *version > VERSION {
        return Err(SnapshotError::NewerVersion(*version));
    }
    let short = || SnapshotError::Truncated { got, whole };
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let (sum, records) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let whole = u64::from_be_bytes(*length).saturating_add(whole);
    if got < whole {
        return Err(SnapshotError::Truncated { got, whole });
    }
    if got > whole || crc32fast::hash(records) != u32::from_be_bytes(*sum) {
        return Err(SnapshotError::Damaged);
    }
    decode(records).map_err(|_| SnapshotError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        vec![(vec![1], b"one".to_vec()), (vec![2, 0], vec![b'x'; 300])]
    }

    #[test]
    fn a_snapshot_is_taken_whole_or_not_at_all() {
        let sealed = seal(&records());
        assert_eq!(unseal(&sealed), Ok(records()));
        for end in 0..sealed.len() {
            let cut = unseal(&sealed[..end]).unwrap_err();
            assert!(
                matches!(cut, SnapshotError::Truncated { .. }),
                "{end}: {cut}"
            );
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(unseal(&longer), Err(SnapshotError::Damaged));
        for at in HEADER..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(unseal(&damaged), Err(SnapshotError::Damaged), "{at}");
        }
    }

    #[test]
    fn a_newer_snapshot_is_refused_with_the_remedy() {
        let mut newer = seal(&records());
        newer[0] = VERSION + 1;
        let said = unseal(&newer).unwrap_err().to_string();
        assert_eq!(
            said,
            "a snapshot of version 2, and this program knows 1: upgrade this node"
        );
        assert_eq!(unseal(&newer[..1]), Err(SnapshotError::NewerVersion(2)));
    }
}
