//! The parts of a node that it cannot do without.

use std::future::Future;
use tokio::runtime::Handle;

/// The exit status of a node that has a defect (sysexits).
const EX_SOFTWARE: i32 = 70;

/// Runs a part of the node. When it panics the whole process ends: a node that lacks a part must not
/// look alive to the others, and the peer takes over within a second. (A client's connection is no
/// such part: it ends alone.)
pub(crate) fn supervise<F>(runtime: &Handle, name: &'static str, part: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let task = runtime.spawn(part);
    runtime.spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            tracing::error!(part = name, "a part of this node has failed: the node ends");
            std::process::exit(EX_SOFTWARE);
        }
    });
}
