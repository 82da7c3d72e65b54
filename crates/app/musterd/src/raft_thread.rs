//! The thread of Raft, heartbeats and leases: nothing else runs on it, and it comes first when there is less
//! processor than work.
//!
//! Beats and leases are due within tens of milliseconds. A node with more to do than it can, or one beside
//! another busy program, must only become slow: if its beats were late too, its users would be moved to a
//! peer that is no less busy, and all of it would be done again.

use anyhow::Context;
use rustix::process::{getpriority_process, setpriority_process};
use std::fmt;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

/// The least of the real-time priorities: before all usual threads, behind whatever else is real-time.
const REAL_TIME: u8 = 1;
/// How nice a thread is where no real-time priority is allowed: about twelve times the usual share.
const NICE: i32 = -11;
/// On the library's scale of 0 to 99, what is a niceness of 0.
const NOT_NICE: u8 = 47;

/// How a thread ranks among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Runs whenever it has something to do.
    RealTime,
    /// Has a larger share than the others.
    Favoured,
    /// The system allows neither.
    Usual,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RealTime => "real-time",
            Self::Favoured => "favoured",
            Self::Usual => "usual",
        })
    }
}

/// Where no thread may go before others, what that means and what to do.
pub(crate) const USUAL: [&str; 2] = [
    "the raft thread may not go before others: on a busy host users may be moved for nothing",
    "LimitRTPRIO=1 in the unit (ulimit -r 1 in a shell, the capability SYS_NICE in a container)",
];

/// The thread, running.
pub(crate) struct RaftThread {
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) rank: Rank,
}

/// Starts it.
pub(crate) fn start() -> anyhow::Result<RaftThread> {
    let before = getpriority_process(None).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Of those that block in its stead.
        .on_thread_start(move || lower(before))
        .build()
        .context("cannot start the raft thread")?;
    let handle = runtime.handle().clone();
    let (raised, rank) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("raft".into())
        .spawn(move || {
            // Waited for below.
            let _ = raised.send(raise());
            runtime.block_on(std::future::pending::<()>());
        })
        .context("cannot start the raft thread")?;
    let rank = rank.recv().context("the raft thread does not start")?;
    match rank {
        Rank::Usual => tracing::warn!("{}: {}", USUAL[0], USUAL[1]),
        Rank::RealTime | Rank::Favoured => tracing::info!(%rank, "the raft thread goes first"),
    }
    Ok(RaftThread {
        runtime: handle,
        rank,
    })
}

/// Puts this thread back among the others, which are as nice as `before`: it inherits the rank of the one that
/// began it.
fn lower(before: i32) {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let is_usual = || {
        let nice = getpriority_process(None);
        thread_schedule_policy().is_ok_and(|now| now == policy) && nice == Ok(before)
    };
    if is_usual() {
        return;
    }
    let asked = ThreadPriorityValue::try_from(NOT_NICE).map(ThreadPriority::Crossplatform);
    let lowered = asked.is_ok_and(|asked| {
        set_thread_priority_and_policy(thread_native_id(), asked, policy).is_ok()
    });
    // What was nice before is so again; what was not may not be allowed to.
    let _ = setpriority_process(None, before);
    if !lowered {
        tracing::warn!("a thread that may take long goes before all others");
    }
}

/// Puts this thread as far in front as the system allows.
fn raise() -> Rank {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let asked = ThreadPriorityValue::try_from(REAL_TIME).map(ThreadPriority::Crossplatform);
    // The only processor is not taken from everybody else, whatever goes wrong here.
    let only = std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let raised = !only
        && asked.is_ok_and(|asked| {
            set_thread_priority_and_policy(thread_native_id(), asked, policy).is_ok()
        });
    if raised {
        return Rank::RealTime;
    }
    // On Linux, of the calling thread alone.
    match setpriority_process(None, NICE) {
        Ok(()) => Rank::Favoured,
        Err(_) => Rank::Usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_thread_is_what_the_system_does_with_it() {
        let usual = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        let round_robin = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        let before = getpriority_process(None).unwrap();
        let (rank, policy, nice) = std::thread::spawn(|| {
            let rank = raise();
            let policy = thread_schedule_policy().unwrap();
            (rank, policy, getpriority_process(None).unwrap())
        })
        .join()
        .unwrap();
        match rank {
            Rank::RealTime => assert_eq!(policy, round_robin),
            Rank::Favoured => assert_eq!((policy, nice), (usual, NICE)),
            Rank::Usual => assert_eq!((policy, nice), (usual, before)),
        }
        // Nor are those that it begins, once they are put back.
        let begun = std::thread::spawn(move || {
            raise();
            let begun = move || {
                (
                    lower(before),
                    thread_schedule_policy(),
                    getpriority_process(None),
                )
            };
            std::thread::spawn(begun).join().unwrap()
        });
        let ((), policy, nice) = begun.join().unwrap();
        assert_eq!((policy.unwrap(), nice.unwrap()), (usual, before));
        // Nobody else is raised with it.
        assert_eq!(thread_schedule_policy().unwrap(), usual);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
