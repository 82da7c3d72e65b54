//! The one thread that writes to the engine, and makes everything written so far durable for all who wait.

use crate::StoreError;
use crate::flushed::Flushed;
use crate::pending::Write;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

/// Called with the outcome of the flush that covers the request.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Bytes that may wait to be written. Then writers wait: the disk does not keep up.
pub(crate) const PENDING_BYTES: usize = 64 << 20;
/// Jobs taken before those that wait for a flush get it.
const JOBS: usize = 4_096;

/// What the thread is asked for, in this order.
pub(crate) enum Job {
    /// A write.
    Write(Write),
    /// Something that reads the engine first.
    Work(Box<dyn FnOnce() -> Result<(), StoreError> + Send>),
    /// To call this once all writes before are durable.
    Flush(Done),
}

/// The thread and its inbox. Writes are bounded by their bytes; a flush is wanted by each waiting
/// Raft group at most a few times before it waits for an answer.
pub(crate) struct Flusher {
    /// `None` only while dropping.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    id: ThreadId,
    load: Arc<Load>,
}

/// How much there is to do, and whether it can still be done.
#[derive(Default)]
struct Load {
    state: Mutex<State>,
    less: Condvar,
}

#[derive(Default)]
struct State {
    bytes: usize,
    /// Final: a page whose write-back failed may be lost although the next sync says otherwise.
    failed: Option<StoreError>,
}

impl Load {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain values: nobody leaves them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> Option<StoreError> {
        self.lock().failed.clone()
    }

    /// The first failure counts.
    fn fail(&self, error: StoreError) {
        self.lock().failed.get_or_insert(error);
        self.less.notify_all();
    }

    fn written(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.less.notify_all();
    }
}

impl Drop for Flusher {
    /// Waits for the last flush, so that the engine's files are free when the store is gone.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            // A request may own the last handle of the store and drop it on the flusher's thread.
            && self.id != thread::current().id()
        {
            // A flusher that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl Flusher {
    pub(crate) fn start(db: sled::Db, file: File, mut flushed: Flushed) -> Self {
        Self::of(move || flush(&db, &file, &mut flushed))
    }

    fn of(flush: impl FnMut() -> io::Result<()> + Send + 'static) -> Self {
        let (jobs, inbox) = channel();
        let load = Arc::<Load>::default();
        let shared = Arc::clone(&load);
        let thread = thread::Builder::new()
            .name("store-flusher".into())
            .spawn(move || run(&inbox, &shared, flush))
            .expect("a process that cannot start one thread cannot run");
        Self {
            jobs: Some(jobs),
            id: thread.thread().id(),
            thread: Some(thread),
            load,
        }
    }

    /// Takes note of bytes that are to be written; waits while there are too many.
    ///
    /// # Errors
    /// What made the store unusable.
    pub(crate) fn admit(&self, bytes: usize) -> Result<(), StoreError> {
        let mut state = self.load.lock();
        // The thread itself would wait for itself.
        let waits = thread::current().id() != self.id;
        while waits && state.bytes >= PENDING_BYTES && state.failed.is_none() {
            let less = self.load.less.wait(state);
            state = less.unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        state.bytes += bytes;
        Ok(())
    }

    pub(crate) fn request(&self, job: Job) {
        let unsent = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        match unsent {
            None => {}
            Some(Job::Flush(done)) => done(Err(as_io(&closed()))),
            Some(Job::Write(_) | Job::Work(_)) => self.load.fail(closed()),
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

/// Nobody who writes may wait for a thread that is gone, whatever ended it.
struct Ending<'a>(&'a Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.fail(closed());
    }
}

fn closed() -> StoreError {
    sled::Error::ReportableBug("the store is closed".to_owned()).into()
}

fn run(inbox: &Receiver<Job>, load: &Load, mut flush: impl FnMut() -> io::Result<()>) {
    let _ending = Ending(load);
    let mut waiting = Vec::new();
    while let Ok(first) = inbox.recv() {
        for job in std::iter::once(first).chain(inbox.try_iter().take(JOBS)) {
            match job {
                Job::Write(write) => carry_out(&write, load),
                Job::Work(work) => {
                    if load.failed().is_none()
                        && let Err(error) = work()
                    {
                        load.fail(error);
                    }
                }
                Job::Flush(done) => waiting.push(done),
            }
        }
        if waiting.is_empty() {
            continue;
        }
        if load.failed().is_none()
            && let Err(error) = flush()
        {
            load.fail(sled::Error::Io(error).into());
        }
        let failed = load.failed();
        for done in waiting.drain(..) {
            done(failed.as_ref().map_or(Ok(()), |failed| Err(as_io(failed))));
        }
    }
}

/// After a failure what was written stays where it is: it can be read until the node ends.
fn carry_out(write: &Write, load: &Load) {
    if load.failed().is_some() {
        return;
    }
    match write.carry_out() {
        Ok(()) => load.written(write.bytes),
        Err(error) => load.fail(error),
    }
}

fn as_io(failed: &StoreError) -> io::Error {
    let kind = match failed {
        StoreError::Engine(error) => match &**error {
            sled::Error::Io(cause) => cause.kind(),
            _ => io::ErrorKind::Other,
        },
        StoreError::Corrupt { .. } | StoreError::Damaged { .. } | StoreError::Unreadable { .. } => {
            io::ErrorKind::Other
        }
    };
    io::Error::new(kind, failed.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_flush_is_final() {
        let mut outcomes = vec![Err(io::Error::other("disk full")), Ok(())].into_iter();
        let flusher = Flusher::of(move || outcomes.next().unwrap());
        let (seen_tx, seen) = channel();
        flusher.admit(1).unwrap();
        for _ in 0..2 {
            let seen_tx = seen_tx.clone();
            flusher.request(Job::Flush(Box::new(move |r: io::Result<()>| {
                seen_tx.send(r.is_err()).unwrap();
            })));
            assert!(seen.recv().unwrap());
            let refused = flusher.admit(1).unwrap_err();
            assert!(refused.to_string().contains("disk full"), "{refused}");
        }
    }
    #[test]
    fn a_thread_that_is_gone_is_waited_for_by_nobody() {
        let flusher = Flusher::of(|| panic!("a bug of the engine"));
        flusher.admit(PENDING_BYTES).unwrap();
        let (answer, answered) = channel::<()>();
        flusher.request(Job::Flush(Box::new(move |_| drop(answer))));
        // Would wait for room that nobody makes.
        let refused = flusher.admit(1).unwrap_err();
        assert!(refused.to_string().contains("closed"), "{refused}");
        assert!(answered.recv().is_err());
        let (answer, answered) = channel();
        flusher.request(Job::Flush(Box::new(move |done: io::Result<()>| {
            answer.send(done.is_err()).unwrap();
        })));
        assert!(answered.recv().unwrap());
    }
}
