//! Where a test may end the process.

/// Ends the process with `SIGKILL` when it is called for the nth time, n from the environment variable
/// `GADGET_CRASH_AT`, counted from 0; without that it does nothing.
///
/// The ledger calls it before and after everything that it does to a file; an action under test does the same around
/// each effect.
#[cfg(any(test, feature = "test-util"))]
pub fn crash_point() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static AT: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("GADGET_CRASH_AT").ok()?.parse().ok());
    static CALLS: AtomicU64 = AtomicU64::new(0);
    if let Some(at) = *AT
        && CALLS.fetch_add(1, Ordering::Relaxed) == at
    {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(any(test, feature = "test-util")))]
pub(super) const fn crash_point() {}
