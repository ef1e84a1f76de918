//! Triggers of the kernel: it watches a pressure file and says when a stall crosses a threshold.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{
    Reading, Resource, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::file::{failed, vanished};
use crate::text::missing;

const NEEDS: &str = "CONFIG_PSI, psi=1 and the right to write to it";
/// Without `CAP_SYS_RESOURCE` a window has to be a multiple of this (Linux 6.5).
const AVERAGING: Duration = Duration::from_secs(2);

/// The windows that the kernel takes.
const WINDOWS: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);

/// Is woken by the kernel when tasks have stalled for so long within a window.
///
/// - Gives: [`Reading::StallTrigger`] of its subject, at most once in a window; [`Reading::Gone`] if its cgroup is
///   removed.
/// - Source: Documentation/accounting/psi.rst, "Monitoring for pressure thresholds"; Linux 5.2, for cgroups too.
/// - Precision: the kernel looks ten times in a window. For processes without `CAP_SYS_RESOURCE` it looks every 2 s,
///   and the window is made a multiple of 2 s with the same share of stall: that is late, so prefer a
///   [`StallWatch`](super::StallWatch) then. [`is_prompt`](Self::is_prompt) tells.
/// - Cost: none while nothing stalls.
pub struct PsiTrigger {
    fd: OwnedFd,
    path: PathBuf,
    subject: Subject,
    resource: Resource,
    stall: Duration,
    window: Duration,
    prompt: bool,
    fired: bool,
    gone: Gone,
}

/// Whether what is watched is still there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    No,
    /// It is not, and nobody was told yet.
    Untold,
    Told,
}

impl PsiTrigger {
    /// Of this host's memory: 150 ms of `some` within 1 s.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host_memory() -> Result<Self, SignalError> {
        let (stall, window) = (Duration::from_millis(150), Duration::from_secs(1));
        Self::at("/proc/pressure/memory", Subject::Host, Resource::Memory, stall, window)
    }

    /// Of the pressure file at `path`: `stall` of `some` within `window`, which is 0.5 to 10 s.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without PSI, and for thresholds that no kernel takes; [`SignalError::Read`] if the
    /// file may not be written.
    pub fn at(
        path: impl AsRef<Path>,
        subject: Subject,
        resource: Resource,
        stall: Duration,
        window: Duration,
    ) -> Result<Self, SignalError> {
        let path = path.as_ref().to_owned();
        if stall.is_zero() || stall > window || !WINDOWS.contains(&window) {
            return Err(missing(&path, "a stall within a window of 0.5 to 10 s"));
        }
        let set = |stall, window| set_trigger(&path, stall, window);
        let (fd, stall, window, prompt) = match set(stall, window) {
            Ok(fd) => (fd, stall, window, true),
            Err(Errno::INVAL | Errno::PERM) => {
                let (stall, window) = averaged(stall, window);
                let fd =
                    set(stall, window).map_err(|error| failed(path.as_path(), error, NEEDS))?;
                (fd, stall, window, false)
            }
            Err(error) => return Err(failed(path.as_path(), error, NEEDS)),
        };
        let (fired, gone) = (false, Gone::No);
        Ok(Self { fd, path, subject, resource, stall, window, prompt, fired, gone })
    }

    /// True if the kernel looks ten times in a window; false if it looks every 2 s.
    #[must_use]
    pub const fn is_prompt(&self) -> bool {
        self.prompt
    }

    /// One line for a person: what was decided.
    #[must_use]
    pub fn describe(&self) -> String {
        let how = if self.prompt {
            "the kernel looks ten times in a window"
        } else {
            "the kernel looks every 2 s, for want of CAP_SYS_RESOURCE"
        };
        let Self { stall, window, path, .. } = self;
        format!("trigger on {}: {stall:?} of stall in {window:?}; {how}", path.display())
    }
}

/// The trigger that an unprivileged process may set instead: the same share of a window that is a multiple of 2 s.
fn averaged(stall: Duration, window: Duration) -> (Duration, Duration) {
    let times = window.as_nanos().div_ceil(AVERAGING.as_nanos()).clamp(1, 5) as u32;
    let wide = AVERAGING * times;
    (stall.mul_f64(wide.as_secs_f64() / window.as_secs_f64().max(1e-3)).min(wide), wide)
}

fn set_trigger(path: &Path, stall: Duration, window: Duration) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    let text = format!("some {} {}\0", stall.as_micros(), window.as_micros());
    rustix::io::write(&fd, text.as_bytes())?;
    Ok(fd)
}

impl SignalProvider for PsiTrigger {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(self.subject) {
            return Ok(());
        }
        if std::mem::take(&mut self.fired) {
            out.push(self.subject, Reading::StallTrigger(self.resource));
        }
        if self.gone == Gone::Untold {
            self.gone = Gone::Told;
            out.push(self.subject, Reading::Gone);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        if self.fired || self.gone == Gone::Untold {
            return Some(Ok(true));
        }
        if self.gone == Gone::Told {
            // The file of a removed group is always ready.
            std::thread::sleep(timeout);
            return Some(Ok(false));
        }
        let mut fds = [PollFd::new(&self.fd, PollFlags::PRI)];
        let events = match wait_for(&mut fds, timeout) {
            Ok(()) => fds[0].revents(),
            Err(error) => return Some(Err(failed(self.path.as_path(), error, NEEDS))),
        };
        if events.contains(PollFlags::ERR) {
            let mut byte = [0];
            let removed = rustix::io::pread(&self.fd, &mut byte, 0).is_err_and(vanished);
            self.gone = if removed { Gone::Untold } else { self.gone };
        } else if events.contains(PollFlags::PRI) {
            self.fired = true;
        }
        Some(Ok(self.fired || self.gone == Gone::Untold))
    }

    fn name(&self) -> &'static str {
        "psi-trigger"
    }
}

/// Waits until one of `fds` is ready, or `timeout` has passed; a signal ends it early.
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], timeout: Duration) -> Result<(), Errno> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unprivileged_window_is_the_next_multiple_of_two_seconds_with_the_same_share() {
        let ms = Duration::from_millis;
        assert_eq!(averaged(ms(150), ms(1000)), (ms(300), ms(2000)));
        assert_eq!(averaged(ms(150), ms(2000)), (ms(150), ms(2000)));
        assert_eq!(averaged(ms(300), ms(3000)), (ms(400), ms(4000)));
        assert_eq!(averaged(ms(9000), ms(9000)), (ms(10_000), ms(10_000)));
    }

    #[test]
    fn a_host_without_psi_is_unsupported() {
        let second = Duration::from_secs(1);
        let at = |path| PsiTrigger::at(path, Subject::Host, Resource::Memory, second / 2, second);
        assert!(matches!(at("/nowhere").err(), Some(SignalError::Unsupported { .. })));
    }

    #[test]
    fn a_trigger_on_this_host_says_what_it_decided_and_waits_in_peace() {
        let mut trigger = match PsiTrigger::host_memory() {
            Ok(trigger) => trigger,
            Err(error) => {
                eprintln!("SKIPPED: no trigger on this host: {error}");
                return;
            }
        };
        let window = if trigger.is_prompt() { "1s" } else { "2s" };
        assert!(trigger.describe().contains(&format!("in {window};")), "{}", trigger.describe());
        assert!(matches!(trigger.wait(Duration::from_millis(20)), Some(Ok(_))));
    }

    #[test]
    fn a_threshold_that_no_kernel_takes_is_refused() {
        let ms = Duration::from_millis;
        for (stall, window) in [(0, 1000), (1001, 1000), (10, 499), (10, 10_001)] {
            let at = PsiTrigger::at("/x", Subject::Host, Resource::Memory, ms(stall), ms(window));
            let error = at.err().unwrap().to_string();
            assert!(error.contains("a stall within a window of 0.5 to 10 s"), "{error}");
        }
    }
}
