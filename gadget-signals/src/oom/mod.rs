//! The kernel's OOM kills, as soon as it counts them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadget_core::{
    CgroupVersion, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;

use crate::cgroup::CgroupLayout;
use crate::file::{Buffer, KernelFile, folders};
use crate::parse;
use crate::pressure::wait_for;
use crate::text::missing;

/// Where nobody calls the count is read this often.
const UNCALLED: Duration = Duration::from_secs(1);
/// Where the kernel calls it is read this often all the same, for kills outside of the groups that were asked for.
const AT_REST: Duration = Duration::from_secs(5);
/// After a call the count is read this often for a while: version 1 calls before it kills.
const CALLED: Duration = Duration::from_millis(10);
const CALLED_FOR: Duration = Duration::from_millis(200);
/// New groups are looked for this often.
const LOOK_FOR_GROUPS: Duration = Duration::from_secs(60);

/// Says when the kernel's OOM killer has killed.
///
/// - Gives: [`Reading::OomKill`] of [`Subject::Host`]: kills anywhere, those in cgroups included. Which cgroup it was,
///   [`Cgroups`](crate::Cgroups) says with its next detailed reading.
/// - Source: `oom_kill` of `/proc/vmstat` (Linux 4.13), read every 5 s, and at once when the kernel calls: version 2
///   through `memory.events` of the groups below the root, by inotify; version 1 through `memory.oom_control` of every
///   group, by one eventfd, where the kernel still offers that. Without either it is read once a second.
/// - Cost: one kept-open file every 5 s.
pub struct OomWatch {
    vmstat: KernelFile,
    buffer: Buffer,
    counted: u64,
    untold: u64,
    caller: Caller,
    next_read: Instant,
    called_until: Instant,
    next_look: Instant,
}

/// Who calls when a group runs out of memory.
enum Caller {
    Nobody,
    Inotify { fd: OwnedFd, root: PathBuf, watched: usize },
    EventFd { fd: OwnedFd, root: PathBuf, known: BTreeSet<PathBuf> },
}

impl OomWatch {
    /// Of this host.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc", CgroupLayout::detect().ok().as_ref())
    }

    /// Of the host whose `/proc` is at `proc`, called through the groups of `layout`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] before Linux 4.13.
    pub fn at(proc: impl AsRef<Path>, layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let vmstat = KernelFile::open(proc.as_ref().join("vmstat"), "CONFIG_VM_EVENT_COUNTERS")?;
        let now = Instant::now();
        let mut watch = Self {
            vmstat,
            buffer: Buffer::default(),
            counted: 0,
            untold: 0,
            caller: layout.map_or(Caller::Nobody, Caller::of),
            next_read: now,
            called_until: now,
            next_look: now + LOOK_FOR_GROUPS,
        };
        watch.counted = watch.count()?;
        watch.caller.look();
        watch.next_read = now + watch.rest();
        Ok(watch)
    }

    /// One line for a person: who calls.
    #[must_use]
    pub fn describe(&self) -> String {
        let path = self.vmstat.path().display();
        match &self.caller {
            Caller::Nobody => format!("oom_kill of {path}, read once a second"),
            Caller::Inotify { root, watched, .. } => format!(
                "oom_kill of {path}, read when one of {watched} memory.events below {} changes",
                root.display()
            ),
            Caller::EventFd { root, known, .. } => format!(
                "oom_kill of {path}, read when one of {} groups below {} is out of memory",
                known.len(),
                root.display()
            ),
        }
    }

    fn count(&mut self) -> Result<u64, SignalError> {
        let text = self.vmstat.read_all(&mut self.buffer)?;
        let (_, kills) = parse::vmstat(text, self.vmstat.path())?;
        kills.ok_or_else(|| missing(self.vmstat.path(), "the line oom_kill (Linux 4.13)"))
    }

    fn rest(&self) -> Duration {
        match &self.caller {
            Caller::Inotify { watched: 1.., .. } => AT_REST,
            Caller::EventFd { known, .. } if !known.is_empty() => AT_REST,
            _ => UNCALLED,
        }
    }

    fn look(&mut self, now: Instant) -> Result<(), SignalError> {
        self.next_read = now + if now < self.called_until { CALLED } else { self.rest() };
        let count = self.count()?;
        self.untold += count.saturating_sub(self.counted);
        self.counted = count;
        Ok(())
    }
}

impl Caller {
    fn of(layout: &CgroupLayout) -> Self {
        let root = layout.root().to_owned();
        match layout.version() {
            CgroupVersion::V2 => {
                let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
                inotify::init(flags).map_or(Self::Nobody, |fd| Self::Inotify {
                    fd,
                    root,
                    watched: 0,
                })
            }
            CgroupVersion::V1 => {
                let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
                let known = BTreeSet::new();
                eventfd(0, flags).map_or(Self::Nobody, |fd| Self::EventFd { fd, root, known })
            }
        }
    }

    /// Asks to be called for groups that came since the last look. Groups that cannot be asked for are left to the
    /// reading once a second.
    fn look(&mut self) {
        match self {
            Self::Nobody => {}
            Self::Inotify { fd, root, watched } => {
                // The events of a group count those below it, and adding a watch twice is the same watch.
                let watch = |folder: &Path| {
                    let file = folder.join("memory.events");
                    inotify::add_watch(&*fd, file, inotify::WatchFlags::MODIFY).is_ok()
                };
                *watched = folders(root).filter(|(folder, _)| watch(folder)).count();
            }
            Self::EventFd { fd, root, known } => {
                known.retain(|folder| folder.exists());
                let mut left = vec![root.clone()];
                while let Some(folder) = left.pop() {
                    left.extend(folders(&folder).map(|(child, _)| child));
                    if folder != *root && !known.contains(&folder) && register(fd, &folder).is_ok()
                    {
                        known.insert(folder);
                    }
                }
            }
        }
    }

    /// Waits for a call. True if there was one.
    fn wait(&self, timeout: Duration) -> bool {
        let (Self::Inotify { fd, .. } | Self::EventFd { fd, .. }) = self else {
            std::thread::sleep(timeout);
            return false;
        };
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        let ready = wait_for(&mut fds, timeout).is_ok() && !fds[0].revents().is_empty();
        if ready {
            let mut events = [0; 4096];
            while rustix::io::read(fd, &mut events[..]).is_ok_and(|read| read == events.len()) {}
        }
        ready
    }
}

/// Asks the kernel to count up `event` when the version 1 group is out of memory
/// (Documentation/admin-guide/cgroup-v1/memory.rst, section 10).
fn register(event: &OwnedFd, folder: &Path) -> io::Result<()> {
    let control = fs::File::open(folder.join("memory.oom_control"))?;
    let text = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    fs::write(folder.join("cgroup.event_control"), text)
}

impl SignalProvider for OomWatch {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if scope.holds(Subject::Host) && self.untold > 0 {
            out.push(Subject::Host, Reading::OomKill(std::mem::take(&mut self.untold)));
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let end = Instant::now() + timeout;
        loop {
            if self.untold > 0 {
                return Some(Ok(true));
            }
            let now = Instant::now();
            if now >= self.next_look {
                self.caller.look();
                self.next_look = Instant::now() + LOOK_FOR_GROUPS;
            }
            if now >= self.next_read {
                if let Err(error) = self.look(now) {
                    return Some(Err(error));
                }
                continue;
            }
            if now >= end {
                return Some(Ok(false));
            }
            let until = self.next_read.min(end);
            if now < self.called_until {
                // Called already: events of a group that is throttled come by the hundred.
                std::thread::sleep(until - now);
            } else if self.caller.wait(until - now) {
                let now = Instant::now();
                self.called_until = now + CALLED_FOR;
                self.next_read = now;
            }
        }
    }

    fn name(&self) -> &'static str {
        "oom-watch"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{sample, tree, write};

    #[test]
    fn kills_end_the_wait_and_are_told_once() {
        let root = tree(&[("vmstat", "pswpin 1\noom_kill 5\n")]);
        let mut watch = OomWatch::at(root.path(), None).unwrap();
        assert!(matches!(watch.wait(Duration::from_millis(5)), Some(Ok(false))));
        write(root.path(), &[("vmstat", "pswpin 1\noom_kill 8\n")]);
        assert!(matches!(watch.wait(Duration::from_secs(60)), Some(Ok(true))));
        let told = sample(&mut watch, 1, Scope::Everything);
        assert_eq!(told, [(Subject::Host, Reading::OomKill(3))]);
        assert_eq!(sample(&mut watch, 2, Scope::Everything), []);
        assert!(watch.describe().contains("once a second"));
    }

    #[test]
    fn a_kernel_that_does_not_count_kills_is_unsupported() {
        let root = tree(&[("vmstat", "pswpin 1\n")]);
        let error = OomWatch::at(root.path(), None).err().unwrap();
        assert!(error.to_string().contains("needs the line oom_kill"), "{error}");
    }

    #[test]
    fn a_change_of_a_groups_events_calls_at_once() {
        let root = tree(&[
            ("proc/vmstat", "oom_kill 0\n"),
            ("cg/cgroup.controllers", "memory\n"),
            ("cg/a/memory.events", "oom_kill 0\n"),
        ]);
        let layout = CgroupLayout::at(root.path().join("cg")).unwrap();
        let mut watch = OomWatch::at(root.path().join("proc"), Some(&layout)).unwrap();
        assert!(watch.describe().contains("one of 1 memory.events below"), "{}", watch.describe());
        let rest = watch.next_read;
        write(
            root.path(),
            &[("proc/vmstat", "oom_kill 1\n"), ("cg/a/memory.events", "oom_kill 1\n")],
        );
        assert!(matches!(watch.wait(Duration::from_secs(60)), Some(Ok(true))));
        assert!(watch.called_until > rest - AT_REST, "it was called");
        assert_eq!(watch.untold, 1);
    }
}
