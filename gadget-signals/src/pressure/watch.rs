//! A watch on a pressure file for those whom the kernel does not call in time.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{
    Pressure, Reading, Resource, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::stalls::Stalls;
use super::{Headroom, parse_pressure};
use crate::file::{Buffer, KernelFile};

/// Without any stall for so long, a watch with headroom may rest.
const QUIET: Duration = Duration::from_secs(5);
/// It rests for no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Says when tasks have stalled for so long within a window, by reading the total of a pressure file: no sooner than
/// the threshold could have been crossed since the last reading, and every 10 ms at most.
///
/// - Gives: [`Reading::Pressure`] and [`Reading::StallTrigger`] of its subject, at most once in a window;
///   [`Reading::Gone`] if its cgroup is removed.
/// - Source: `total` of Documentation/accounting/psi.rst, which is current whenever it is read; Linux 4.20.
/// - Precision: 10 ms after the crossing, without any capability. Where it rests (see [`resting`](Self::resting)) a
///   stall that begins with memory left, by throttling at `memory.high`, is told up to 2 s late.
/// - Cost: with 150 ms as threshold seven reads a second at rest, one or less where there is headroom; a hundred while
///   tasks stall.
pub struct StallWatch {
    file: KernelFile,
    buffer: Buffer,
    subject: Subject,
    resource: Resource,
    stalls: Stalls,
    began: Instant,
    /// When the total is to be read next, as time since it began.
    next: Duration,
    crossed: Option<Pressure>,
    threshold: Duration,
    window: Duration,
    /// The file is gone, and whether that was told.
    gone: Option<bool>,
    headroom: Option<Headroom>,
    /// The total when it was last seen to move, and when that was.
    moved: (Duration, Duration),
}

impl StallWatch {
    /// Of this host's memory: 150 ms of `some` within 1 s, resting while there is headroom.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host_memory() -> Result<Self, SignalError> {
        let (stall, window) = (Duration::from_millis(150), Duration::from_secs(1));
        let path = "/proc/pressure/memory";
        let watch = Self::at(path, Subject::Host, Resource::Memory, stall, window)?;
        Ok(watch.resting(Headroom::host()?))
    }

    /// Rests for up to 2 s at a time while nothing has stalled for 5 s and memory cannot run short any sooner, however
    /// fast it is filled.
    #[must_use]
    pub fn resting(mut self, headroom: Headroom) -> Self {
        self.headroom = Some(headroom);
        self
    }

    /// Of the pressure file at `path`: `stall` of `some` within `window`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without PSI; [`SignalError::Parse`] if the file is none of it.
    pub fn at(
        path: impl AsRef<Path>,
        subject: Subject,
        resource: Resource,
        stall: Duration,
        window: Duration,
    ) -> Result<Self, SignalError> {
        let file = KernelFile::open(path.as_ref().to_owned(), "CONFIG_PSI and psi=1")?;
        let mut watch = Self {
            file,
            buffer: Buffer::default(),
            subject,
            resource,
            stalls: Stalls::new(stall, window),
            began: Instant::now(),
            next: Duration::ZERO,
            crossed: None,
            threshold: stall,
            window,
            gone: None,
            headroom: None,
            moved: (Duration::ZERO, Duration::ZERO),
        };
        watch.look()?;
        Ok(watch)
    }

    /// One line for a person: what is watched.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { threshold, window, file, .. } = self;
        let path = file.path().display();
        format!(
            "{path} read while it matters: {threshold:?} of stall in {window:?}, told within 10 ms"
        )
    }

    fn look(&mut self) -> Result<(), SignalError> {
        let text = match self.file.read_once(&mut self.buffer) {
            Ok(text) => text,
            Err(SignalError::Unsupported { .. }) if self.next > Duration::ZERO => {
                self.gone = Some(false);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let pressure = parse_pressure(text, self.file.path())?;
        let now = self.began.elapsed();
        if self.stalls.observe(now, pressure.some.total) {
            self.crossed = Some(pressure);
        }
        if pressure.some.total != self.moved.0 {
            self.moved = (pressure.some.total, now);
        }
        self.next = now + self.stalls.pause().max(self.rest(now));
        Ok(())
    }

    /// How long there is nothing to look for. What cannot be told is no reason to rest.
    fn rest(&mut self, now: Duration) -> Duration {
        match &mut self.headroom {
            Some(headroom) if now.saturating_sub(self.moved.1) >= QUIET => {
                headroom.lasts().unwrap_or_default().min(LONGEST_REST)
            }
            _ => Duration::ZERO,
        }
    }

    const fn has_something(&self) -> bool {
        self.crossed.is_some() || matches!(self.gone, Some(false))
    }
}

impl SignalProvider for StallWatch {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(self.subject) {
            return Ok(());
        }
        if let Some(pressure) = self.crossed.take() {
            out.push(self.subject, Reading::Pressure(self.resource, pressure));
            out.push(self.subject, Reading::StallTrigger(self.resource));
        }
        if let Some(told @ false) = &mut self.gone {
            *told = true;
            out.push(self.subject, Reading::Gone);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let end = self.began.elapsed() + timeout;
        loop {
            if self.has_something() {
                return Some(Ok(true));
            }
            let now = self.began.elapsed();
            let next = if self.gone.is_some() { end } else { self.next.min(end) };
            if next > now {
                thread::sleep(next - now);
            }
            if self.gone.is_none() && self.began.elapsed() >= self.next {
                if let Err(error) = self.look() {
                    // Not to be asked again at once by whoever waits in a loop.
                    self.next = self.began.elapsed() + self.window;
                    return Some(Err(error));
                }
            } else if self.began.elapsed() >= end {
                return Some(Ok(false));
            }
        }
    }

    fn name(&self) -> &'static str {
        "stall-watch"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(total_us: u64) -> String {
        format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total_us}\n")
    }

    fn watch(path: &Path) -> StallWatch {
        let (stall, window) = (Duration::from_millis(20), Duration::from_secs(60));
        StallWatch::at(path, Subject::Host, Resource::Memory, stall, window).unwrap()
    }

    fn sampled(watch: &mut StallWatch) -> Vec<Reading> {
        let mut out = Signals::at(Timestamp::EPOCH);
        watch.sample(Timestamp::EPOCH, Scope::Everything, &mut out).unwrap();
        out.as_slice().iter().map(|signal| signal.reading.clone()).collect()
    }

    #[test]
    fn a_stall_that_crosses_its_threshold_ends_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(&path, text(1_000)).unwrap();
        let mut watch = watch(&path);
        assert!(matches!(watch.wait(Duration::from_millis(30)), Some(Ok(false))));
        assert_eq!(sampled(&mut watch), []);
        std::fs::write(&path, text(21_500)).unwrap();
        assert!(matches!(watch.wait(Duration::from_secs(60)), Some(Ok(true))));
        assert!(matches!(watch.wait(Duration::ZERO), Some(Ok(true))), "until it is sampled");
        let told = sampled(&mut watch);
        assert!(
            matches!(told[0], Reading::Pressure(Resource::Memory, p) if p.some.total == Duration::from_micros(21_500))
        );
        assert_eq!(told[1..], [Reading::StallTrigger(Resource::Memory)]);
        assert!(matches!(watch.wait(Duration::ZERO), Some(Ok(false))));
    }

    #[test]
    fn a_file_that_goes_bad_is_an_error_and_not_a_busy_loop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(&path, text(0)).unwrap();
        let mut watch = watch(&path);
        std::fs::write(&path, "some avg10=").unwrap();
        let error = watch.wait(Duration::from_secs(60)).unwrap().unwrap_err();
        assert!(matches!(error, SignalError::Parse { line: 1, .. }), "{error}");
        assert!(matches!(watch.wait(Duration::from_millis(5)), Some(Ok(false))));
    }

    #[test]
    fn a_watch_rests_only_with_headroom_and_after_some_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(&path, text(7)).unwrap();
        let mut watch = watch(&path).resting(Headroom::host().unwrap());
        let begun = watch.moved.1;
        assert_eq!(watch.rest(begun + QUIET - Duration::from_millis(1)), Duration::ZERO);
        let rest = watch.rest(begun + QUIET);
        assert!(rest > Duration::ZERO && rest <= LONGEST_REST, "{rest:?}");
        watch.headroom = None;
        assert_eq!(watch.rest(begun + QUIET), Duration::ZERO);
    }

    #[test]
    fn a_wait_without_time_returns_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(&path, text(0)).unwrap();
        assert!(matches!(watch(&path).wait(Duration::ZERO), Some(Ok(false))));
    }
}
