//! A link that carries only so many bytes a second: a proxy in front of a node's port.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// How often a direction may go on.
const TURN: Duration = Duration::from_millis(20);
const TURNS_A_SECOND: u64 = 50;

/// The proxy. Dropped, it takes no more connections.
#[derive(Debug)]
pub struct SlowLink {
    at: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    bytes_a_second: AtomicU64,
    ended: AtomicBool,
}

impl SlowLink {
    /// Connections to `at` go to `to`. Each carries so many bytes a second in the direction of `to`; back it is as fast as
    /// it can be.
    ///
    /// # Errors
    /// Fails when the port is taken.
    pub fn start(at: SocketAddr, to: SocketAddr, bytes_a_second: u64) -> Result<Self> {
        let listener = TcpListener::bind(at)?;
        let shared = Arc::new(Shared {
            to,
            bytes_a_second: AtomicU64::new(bytes_a_second),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                // A node that is not there refuses, and so does the proxy.
                accepting.carry(stream).ok();
            }
        });
        Ok(Self { at, shared })
    }

    /// Changes how many bytes a second it carries.
    pub fn set(&self, bytes_a_second: u64) {
        self.shared
            .bytes_a_second
            .store(bytes_a_second, Ordering::Relaxed);
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        TcpStream::connect(self.at).ok();
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, from: TcpStream) -> io::Result<()> {
        let to = TcpStream::connect(self.to)?;
        to.set_nodelay(true)?;
        from.set_nodelay(true)?;
        let (mut back_from, mut back_to) = (to.try_clone()?, from.try_clone()?);
        let shared = Arc::clone(self);
        thread::spawn(move || shared.slowly(from, to));
        thread::spawn(move || {
            io::copy(&mut back_from, &mut back_to).ok();
            back_to.shutdown(Shutdown::Both).ok();
        });
        Ok(())
    }

    fn slowly(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let share = self.bytes_a_second.load(Ordering::Relaxed) / TURNS_A_SECOND;
            let share = usize::try_from(share)
                .unwrap_or(usize::MAX)
                .clamp(1, buffer.len());
            match from.read(&mut buffer[..share]) {
                Ok(0) | Err(_) => break,
                Ok(read) if to.write_all(&buffer[..read]).is_err() => break,
                Ok(_) => thread::sleep(TURN),
            }
        }
        to.shutdown(Shutdown::Both).ok();
    }
}
