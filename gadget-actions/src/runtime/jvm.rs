//! What a JVM is asked for: a garbage collection, or a dump of its threads.

use std::os::fd::AsFd as _;
use std::time::Duration;

use gadget_core::{ActionError, Bytes, Summary, summary};

use super::attach::{Request, ask};
use crate::file;
use crate::process::Target;

/// How long a collection may take.
const COLLECTION: Duration = Duration::from_secs(60);

pub(crate) const COLLECT: Request =
    Request { bytes: b"1\0jcmd\0GC.run\0\0\0", attempt: "run GC.run in the JVM", answer: 4096 };

/// Without `-l`, which lists who owns which synchronizer by a walk over the whole heap. Deadlocks are found either way.
pub(crate) const THREAD_DUMP: Request = Request {
    bytes: b"1\0threaddump\0\0\0\0",
    attempt: "have the JVM dump its threads",
    answer: 8 << 20,
};

/// Asks for a collection, waits until it is over, and says what became of the resident memory.
pub(crate) fn collect(target: &Target, name: &str) -> Result<Summary, ActionError> {
    let before = resident(target);
    ask(target, COLLECT, COLLECTION)?;
    let (pid, after) = (target.id.pid, resident(target));
    Ok(summary(format_args!("GC.run in {pid} ({name}), resident {before} -> {after}")))
}

/// What the JVM says of its threads: who waits for which monitor, and which of them are deadlocked.
pub(crate) fn thread_dump(target: &Target, patience: Duration) -> Result<Vec<u8>, ActionError> {
    ask(target, THREAD_DUMP, patience)
}

/// Resident memory from `statm`.
fn resident(target: &Target) -> Bytes {
    let pages =
        || file::read_value(target.dir.as_fd(), "statm").ok()?.split(' ').nth(1)?.parse().ok();
    Bytes::from_pages(
        pages().unwrap_or(0),
        u64::try_from(rustix::param::page_size()).unwrap_or(4096),
    )
}
