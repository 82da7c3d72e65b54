//! Writes that wait for a flusher that is held up.

use crate::flusher::PENDING_BYTES;
use crate::pending::CHANGE_BYTES;
use crate::{Batch, CHUNK_BYTES, Store, Table};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Keeps the flusher busy until the answer is dropped.
fn hold(store: &Store) -> Sender<()> {
    let (release, held) = channel();
    let (begun, beginning) = channel();
    store.barrier(move |_| {
        begun.send(()).unwrap();
        // Ends by being dropped.
        let _ = held.recv();
    });
    beginning.recv().unwrap();
    release
}

fn change(table: &Table, key: u8, value: Option<u8>) {
    let mut batch = Batch::default();
    match value {
        Some(value) => batch.put([key], [value]),
        None => batch.remove([key]),
    }
    table.apply(batch).unwrap();
}

fn all(table: &Table) -> Vec<(u8, u8)> {
    let pairs = table.range::<Vec<u8>>(..).map(Result::unwrap);
    pairs.map(|(key, value)| (key[0], value[0])).collect()
}

#[test]
fn what_is_written_is_seen_at_once_by_all_while_the_disk_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let table = store.table("t").unwrap();
    for key in [2, 4, 6, 8] {
        change(&table, key, Some(0));
    }
    store.barrier_blocking().unwrap();
    let held = hold(&store);
    for (key, value) in [
        (1, Some(1)),
        (4, Some(1)),
        (5, Some(1)),
        (6, None),
        (8, None),
        (5, Some(2)),
    ] {
        change(&table, key, value);
    }
    let seen = || {
        let other = store.table("t").unwrap();
        assert_eq!(other.last().unwrap(), Some((vec![5], vec![2])));
        assert_eq!(other.value(&[8]).unwrap(), None);
        assert_eq!(other.value(&[4]).unwrap(), Some(vec![1]));
        assert_eq!(other.range([4]..[6]).count(), 2);
        all(&other)
    };
    let while_held = seen();
    assert_eq!(while_held, [(1, 1), (2, 0), (4, 1), (5, 2)]);
    drop(held);
    store.barrier_blocking().unwrap();
    assert_eq!(seen(), while_held);
    drop((store, table));
    let table = Store::open(dir.path()).unwrap().table("t").unwrap();
    assert_eq!(all(&table), while_held);
}

#[test]
fn more_than_may_wait_waits_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let table = store.table("t").unwrap();
    let held = hold(&store);
    let (step, steps) = channel();
    let writer = std::thread::spawn(move || {
        for n in 0..2_000u16 {
            let mut batch = Batch::default();
            batch.put(n.to_be_bytes(), vec![1; CHUNK_BYTES]);
            table.apply(batch).unwrap();
            step.send(()).unwrap();
        }
        table
    });
    let mut written = 0;
    while steps.recv_timeout(Duration::from_millis(500)).is_ok() {
        written += 1;
    }
    // Each has its key and its checksum too.
    let each = CHANGE_BYTES + CHUNK_BYTES + 7;
    assert_eq!(written, PENDING_BYTES / each + 1);
    drop(held);
    let table = writer.join().unwrap();
    assert_eq!(
        table.range::<Vec<u8>>(..).map(Result::unwrap).count(),
        2_000
    );
}
