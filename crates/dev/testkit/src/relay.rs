//! A relay between nodes that holds what passes through it: a long way between two hosts, for a kernel without netem.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Chunks on their way in one direction of one connection; more is not read, as with a full window.
const CHUNKS: usize = 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// Stands in front of a node: whoever connects to it is connected to the node, and each byte takes its time, in both
/// directions. Dropped, it is gone and its connections end.
#[derive(Debug)]
pub struct Relay {
    way: Arc<Way>,
    listen: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Way {
    one_way_us: AtomicU64,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// Bytes, and when they are due at the other end; none at the end of the stream.
type Chunk = (Instant, Vec<u8>);

impl Relay {
    /// Begins to relay.
    ///
    /// # Errors
    /// Fails when nothing can listen there.
    pub fn start(listen: SocketAddr, to: SocketAddr, one_way: Duration) -> Result<Self> {
        let listener =
            TcpListener::bind(listen).with_context(|| format!("listening on {listen}"))?;
        let way = Arc::new(Way {
            one_way_us: AtomicU64::new(micros(one_way)),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&way);
        let listen = listener.local_addr()?;
        let thread = thread::spawn(move || {
            for from in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let way = Arc::clone(&accepting);
                // A node that does not answer must not hold up the next connection.
                thread::spawn(move || way.join(from, to));
            }
        });
        Ok(Self {
            way,
            listen,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// How long a byte takes from now on. What is under way keeps its time and its order.
    pub fn set_one_way(&self, one_way: Duration) {
        self.way
            .one_way_us
            .store(micros(one_way), Ordering::Relaxed);
    }

    /// Ends every connection that stands.
    pub fn reset(&self) {
        for stream in self.way.open().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.way.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        TcpStream::connect_timeout(&self.listen, Duration::from_secs(1)).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        self.reset();
    }
}

impl Way {
    /// Connects to the node, and moves bytes until both directions have ended.
    fn join(&self, from: TcpStream, to: SocketAddr) {
        let Ok(there) = TcpStream::connect_timeout(&to, Duration::from_secs(5)) else {
            return;
        };
        for stream in [&from, &there] {
            stream.set_nodelay(true).ok();
        }
        // The handshake of TCP took no time here; on a long way it takes there and back.
        let open = Instant::now() + 2 * self.one_way();
        let Some(ends) = both(&from, &there) else {
            return;
        };
        self.open().extend([ends.0, ends.1]);
        thread::scope(|scope| {
            for (from, to) in [(&from, &there), (&there, &from)] {
                let (sender, receiver) = sync_channel(CHUNKS);
                scope.spawn(move || self.take(from, open, &sender));
                scope.spawn(move || hand_on(to, &receiver));
            }
        });
        self.open().retain(|stream| stream.peer_addr().is_ok());
    }

    fn take(&self, mut from: &TcpStream, open: Instant, sender: &SyncSender<Chunk>) {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            let due = open.max(Instant::now() + self.one_way());
            if sender.send((due, buffer[..count].to_vec())).is_err() || count == 0 {
                return;
            }
        }
    }

    fn one_way(&self) -> Duration {
        Duration::from_micros(self.one_way_us.load(Ordering::Relaxed))
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands bytes on when they are due. The waiting is the delay that the relay is there for.
fn hand_on(mut to: &TcpStream, receiver: &Receiver<Chunk>) {
    while let Ok((due, bytes)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}

fn both(one: &TcpStream, other: &TcpStream) -> Option<(TcpStream, TcpStream)> {
    Some((one.try_clone().ok()?, other.try_clone().ok()?))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "relay_test.rs"]
mod relay_test;
