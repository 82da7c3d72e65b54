//! What waits for a client, gathered into one buffer and written at once, against one vectored write of its pieces: the
//! reason why an outbox does the first. `cargo bench -p muster-bench --bench writes`.
//!
//! A presence for a watcher is three pieces: what comes before its own address, the address, and what comes after, of
//! which the first and the last are shared by all watchers.

use std::hint::black_box;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use criterion::{Criterion, Throughput};

/// Bytes of the pieces: of a presence with capabilities, 300 altogether.
const PIECES: [usize; 3] = [60, 40, 200];

/// How many presences wait for one client: few at a steady rate, many in a storm.
const WAITING: [usize; 4] = [1, 5, 20, 100];

/// Both ends of a connection over loopback.
fn connection() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_nodelay(true)?;
    Ok((server, client))
}

/// Times both ways for so many presences. The client reads all of them each time, in both.
fn write(criterion: &mut Criterion, waiting: usize) -> std::io::Result<()> {
    let (mut server, mut client) = connection()?;
    let pieces: Vec<Vec<u8>> = (0..waiting)
        .flat_map(|_| PIECES.map(|bytes| vec![b'x'; bytes]))
        .collect();
    let bytes = waiting * PIECES.iter().sum::<usize>();
    let mut read = vec![0; bytes];

    let mut group = criterion.benchmark_group(format!("write-{waiting}"));
    group.throughput(Throughput::Elements(waiting as u64));
    group.bench_function("gathered", |bencher| {
        bencher.iter(|| {
            let mut buffer = Vec::with_capacity(bytes);
            for piece in &pieces {
                buffer.extend_from_slice(black_box(piece));
            }
            server.write_all(&buffer).expect("the buffer is written");
            client.read_exact(&mut read).expect("all of it arrives");
        });
    });
    group.bench_function("vectored", |bencher| {
        bencher.iter(|| {
            let mut slices: Vec<IoSlice<'_>> = pieces
                .iter()
                .map(|piece| IoSlice::new(black_box(piece)))
                .collect();
            let mut left = slices.as_mut_slice();
            while !left.is_empty() {
                let written = server.write_vectored(left).expect("the pieces are written");
                IoSlice::advance_slices(&mut left, written);
            }
            client.read_exact(&mut read).expect("all of it arrives");
        });
    });
    group.finish();
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for waiting in WAITING {
        write(&mut criterion, waiting)?;
    }
    criterion.final_summary();
    Ok(())
}
