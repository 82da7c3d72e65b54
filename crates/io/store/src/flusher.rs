//! Group commit: one thread that makes everything written so far durable, for all who wait.

use crate::flushed::Flushed;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Called with the outcome of the flush that covers the request.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// The thread and its inbox. The inbox needs no bound of its own: each waiting Raft group has at
/// most a few requests out before it waits for an answer.
pub(crate) struct Flusher {
    /// `None` only while dropping.
    requests: Option<Sender<Done>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flusher {
    /// Waits for the last flush, so that the engine's files are free when the store is gone.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            // A request may own the last handle of the store and drop it on the flusher's thread.
            && thread.thread().id() != std::thread::current().id()
        {
            // A flusher that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl Flusher {
    pub(crate) fn start(db: sled::Db, file: File, mut flushed: Flushed) -> Self {
        let (requests, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("store-flusher".into())
            .spawn(move || run(&inbox, || flush(&db, &file, &mut flushed)))
            .expect("a process that cannot start one thread cannot run");
        Self {
            requests: Some(requests),
            thread: Some(thread),
        }
    }

    pub(crate) fn request(&self, done: Done) {
        let unsent = match &self.requests {
            Some(requests) => requests.send(done).err().map(|unsent| unsent.0),
            None => Some(done),
        };
        if let Some(done) = unsent {
            done(Err(io::Error::other("the store is closed")));
        }
    }
}

/// The engine's own flush only starts write-back (`sync_file_range`), which a power loss undoes;
/// `sync_data` on its file makes it durable.
fn flush(db: &sled::Db, file: &File, flushed: &mut Flushed) -> io::Result<()> {
    flushed.begin(db)?;
    db.flush().map_err(io::Error::other)?;
    file.sync_data()?;
    flushed.end()
}

fn run(inbox: &Receiver<Done>, mut flush: impl FnMut() -> io::Result<()>) {
    let mut failed: Option<Arc<io::Error>> = None;
    let mut waiting = Vec::new();
    while let Ok(first) = inbox.recv() {
        waiting.push(first);
        waiting.extend(inbox.try_iter());
        if failed.is_none() {
            failed = flush().err().map(Arc::new);
        }
        for done in waiting.drain(..) {
            done(match &failed {
                None => Ok(()),
                Some(cause) => Err(io::Error::new(cause.kind(), Arc::clone(cause))),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_flush_is_final() {
        let (tx, rx) = channel::<Done>();
        let (seen_tx, seen) = channel();
        let mut outcomes = vec![Err(io::Error::other("disk full")), Ok(())].into_iter();
        let thread = std::thread::spawn(move || run(&rx, move || outcomes.next().unwrap()));
        for _ in 0..2 {
            let seen_tx = seen_tx.clone();
            tx.send(Box::new(move |r: io::Result<()>| {
                seen_tx.send(r.is_err()).unwrap()
            }))
            .unwrap();
            assert!(seen.recv().unwrap());
        }
        drop(tx);
        thread.join().unwrap();
    }
}
