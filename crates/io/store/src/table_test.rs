//! Tables: values of every size, damage, crashes.

use crate::{Batch, CHUNK_BYTES, Disk, Store, StoreError, Table};
use std::path::Path;

#[test]
fn values_of_every_size_survive_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 7];
    let value = |n: usize| (0..n).map(|i| (i % 251) as u8).collect::<Vec<_>>();
    {
        let store = Store::open(dir.path()).unwrap();
        let table = store.table("t").unwrap();
        for n in sizes {
            let mut batch = Batch::default();
            batch.put(n.to_be_bytes(), value(n));
            table.apply(batch).unwrap();
        }
        store.barrier_blocking().unwrap();
    }
    let table = Store::open(dir.path()).unwrap().table("t").unwrap();
    for n in sizes {
        assert_eq!(table.value(&n.to_be_bytes()).unwrap().unwrap(), value(n));
    }
    assert_eq!(table.range::<Vec<u8>>(..).count(), sizes.len());
    table.remove_range::<Vec<u8>>(..).unwrap();
    assert_eq!(table.range::<Vec<u8>>(..).count(), 0);
    assert_eq!(table.pieces.map.range::<Vec<u8>>(..).count(), 0);
}

#[test]
fn after_a_crash_a_large_value_is_the_old_one_or_the_new_one() {
    type Act = fn(&Table);
    let put = |table: &Table, value: Vec<u8>| {
        let mut batch = Batch::default();
        batch.put("k", value);
        table.apply(batch).unwrap();
    };
    let large = |n: u8, pieces: usize| vec![n; pieces * CHUNK_BYTES - 1];
    let removal: Act = |table| table.remove_range::<Vec<u8>>(..).unwrap();
    for (before, after) in [(3, 3), (3, 2), (2, 4), (0, 3), (3, 0)] {
        let mut kept = 0;
        loop {
            let disk = Disk::default();
            let store = Store::in_memory(&disk);
            let table = store.table("t").unwrap();
            // What an earlier crash may have left is in the way.
            put(&table, large(7, 5));
            put(&table, b"small".to_vec());
            if before > 0 {
                put(&table, large(1, before));
            }
            let old = table.value(b"k").unwrap();
            disk.settle(&disk.begin());
            if after > 0 {
                put(&table, large(2, after));
            } else {
                removal(&table);
            }
            let new = table.value(b"k").unwrap();
            let mut written = 0;
            disk.crash(|all| {
                written = all;
                kept.min(all)
            });
            let found = Store::in_memory(&disk).table("t").unwrap().value(b"k");
            let found = found.unwrap_or_else(|error| panic!("{before} {after} {kept}: {error}"));
            assert!(found == old || found == new, "{before} {after} {kept}");
            if kept > written {
                assert!(found == new, "{before} {after}");
                break;
            }
            kept += 1;
        }
    }
}

#[test]
fn a_damaged_value_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let table = store.table("t").unwrap();
    let mut batch = Batch::default();
    batch.put("k", "value");
    table.apply(batch).unwrap();
    table.damage(b"k").unwrap();
    assert!(
        table
            .value(b"k")
            .unwrap_err()
            .to_string()
            .contains("table t")
    );
}

/// Blocks that changed places make the engine panic, a lost end looks to it like an older store,
/// and some blocks hold only what is out of date: then nothing is missing.
#[test]
fn damaged_files_are_an_error_that_says_what_to_do() {
    const BLOCK: usize = 512 << 10;
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let path = dir.path().join("db");
    let good = std::fs::read(&path).unwrap();
    let zeroed = [&vec![0; BLOCK], &good[BLOCK..]].concat();
    let moved = [
        &good[..BLOCK],
        &good[2 * BLOCK..3 * BLOCK],
        &good[2 * BLOCK..],
    ]
    .concat();
    for (name, bytes) in [
        ("nothing", &vec![0; good.len()]),
        ("a block of zeros", &zeroed),
        ("a block twice", &moved),
        ("half of it", &good[..good.len() / 2].to_vec()),
        ("all but the end", &good[..good.len() - BLOCK].to_vec()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        match read(dir.path()) {
            Ok(count) => assert_eq!(count, PAIRS, "{name}"),
            Err(error) => {
                let said = error.to_string();
                let helps = said.contains("node replace") && !said.contains('\n');
                assert!(helps, "{name}: {said}");
            }
        }
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(read(dir.path()).unwrap(), PAIRS);
}

const PAIRS: usize = 3_000;

fn fill(dir: &Path) {
    let store = Store::open(dir).unwrap();
    let table = store.table("t").unwrap();
    for n in 0..u32::try_from(PAIRS).unwrap() {
        let mut batch = Batch::default();
        batch.put(n.to_be_bytes(), vec![0; 600]);
        table.apply(batch).unwrap();
    }
    store.barrier_blocking().unwrap();
}

fn read(dir: &Path) -> Result<usize, StoreError> {
    let table = Store::open(dir)?.table("t")?;
    let pairs: Vec<_> = table.range::<Vec<u8>>(..).collect::<Result<_, _>>()?;
    Ok(pairs.len())
}

#[test]
fn a_start_that_was_killed_while_the_engine_wrote_its_snapshot_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    assert_eq!(read(dir.path()).unwrap(), PAIRS);
    let files = std::fs::read_dir(dir.path()).unwrap().flatten();
    let mut snapshots = files.filter(|f| f.file_name().to_string_lossy().starts_with("snap."));
    let whole = std::fs::read(snapshots.next().unwrap().path()).unwrap();
    for written in [0, 1, whole.len() / 2, whole.len()] {
        let unfinished = dir.path().join("snap.00000000FFFFFFFF.generating");
        std::fs::write(&unfinished, &whole[..written]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), PAIRS, "{written} bytes of it");
    }
}

#[test]
fn a_prefix_range_holds_exactly_the_prefixed_keys() {
    let dir = tempfile::tempdir().unwrap();
    let table = Store::open(dir.path()).unwrap().table("t").unwrap();
    let mut batch = Batch::default();
    for key in [&[1, 255][..], &[1, 255, 0], &[1, 255, 255], &[2], &[1, 254]] {
        batch.put(key, "v");
    }
    table.apply(batch).unwrap();
    assert_eq!(table.range(Table::prefixed(&[1, 255])).count(), 3);
    assert_eq!(table.range(Table::prefixed(&[255])).count(), 0);
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path()).unwrap();
    assert!(Store::open(dir.path()).is_err());
}
