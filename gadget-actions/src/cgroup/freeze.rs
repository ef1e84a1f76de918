//! Freezing and thawing: `cgroup.freeze` (Linux 5.2), or the v1 freezer.

use gadget_core::ActionError;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

use super::group::Group;
use super::hierarchy::Controller;
use crate::error::system;
use crate::file;

/// What a group's processes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frozen {
    /// They run.
    No,
    /// They were told to stop, and some have not yet.
    Soon,
    /// They stand still.
    Yes,
}

/// One of the two interfaces, of one group.
#[derive(Debug)]
pub(crate) struct Freezer {
    dir: OwnedFd,
    v1: bool,
}

impl Freezer {
    /// The interface through which `group` is frozen. Where there are two, `cgroup.freeze` comes first: what it froze can
    /// still be killed.
    pub(crate) fn of(group: &Group<'_>) -> Option<Self> {
        Self::all(group).next()
    }

    /// Every interface through which `group` can have been frozen.
    pub(crate) fn all(group: &Group<'_>) -> impl Iterator<Item = Self> {
        let hierarchies = group.hierarchies();
        let v2 = match hierarchies.version {
            gadget_core::CgroupVersion::V2 => group.dir.try_clone().ok(),
            gadget_core::CgroupVersion::V1 => {
                hierarchies.unified.as_ref().and_then(|mount| group.companion(mount))
            }
        };
        let v2 = v2.filter(|dir| file::read_value(dir.as_fd(), "cgroup.freeze").is_ok());
        let v1 = hierarchies.other(Controller::Freezer).and_then(|mount| group.companion(mount));
        let v1 = v1.filter(|dir| file::read_value(dir.as_fd(), "freezer.state").is_ok());
        let v2 = v2.into_iter().map(|dir| Self { dir, v1: false });
        v2.chain(v1.into_iter().map(|dir| Self { dir, v1: true }))
    }

    /// The group's own setting, and whether it has taken effect.
    pub(crate) fn state(&self) -> Result<Frozen> {
        let dir = self.dir.as_fd();
        if self.v1 {
            // Its own setting, whatever a group above was told.
            let own = file::read_value(dir, "freezer.self_freezing")
                .or_else(|_| file::read_value(dir, "freezer.state"))?;
            Ok(match (&*own, &*file::read_value(dir, "freezer.state")?) {
                ("0" | "THAWED", _) => Frozen::No,
                (_, "FROZEN") => Frozen::Yes,
                _ => Frozen::Soon,
            })
        } else if &*file::read_value(dir, "cgroup.freeze")? == "0" {
            Ok(Frozen::No)
        } else {
            Ok(if events_say_frozen(dir) { Frozen::Yes } else { Frozen::Soon })
        }
    }

    fn set(&self, frozen: bool) -> Result<()> {
        let (name, value) = match (self.v1, frozen) {
            (true, true) => ("freezer.state", "FROZEN"),
            (true, false) => ("freezer.state", "THAWED"),
            (false, true) => ("cgroup.freeze", "1"),
            (false, false) => ("cgroup.freeze", "0"),
        };
        file::write(self.dir.as_fd(), name, value)
    }
}

fn events_say_frozen(dir: BorrowedFd<'_>) -> bool {
    file::read_value(dir, "cgroup.events")
        .is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
}

/// Tells the group to stand still, and says whether it does already.
pub(crate) fn freeze(freezer: &Freezer) -> std::result::Result<Frozen, ActionError> {
    freezer.set(true).map_err(refused)?;
    // It is told; that its state cannot be read takes nothing back.
    Ok(freezer.state().unwrap_or(Frozen::Soon))
}

/// Lets the group run again, in each interface; false if it ran already.
pub(crate) fn thaw(group: &Group<'_>) -> std::result::Result<bool, ActionError> {
    let mut was_frozen = false;
    for freezer in Freezer::all(group) {
        if freezer.state().map_err(refused)? != Frozen::No {
            freezer.set(false).map_err(refused)?;
            was_frozen = true;
        }
    }
    Ok(was_frozen)
}

/// The v1 freezer holds even processes that were killed. Lets the group that `pid` is in go, if it is its own setting that
/// holds it, so that a killed process can end; true if it did.
pub(crate) fn thaw_around(
    hierarchies: &super::Hierarchies,
    proc: BorrowedFd<'_>,
    pid: u32,
) -> bool {
    let Some(mount) = hierarchies.other(Controller::Freezer) else { return false };
    let thaw = || -> Result<bool> {
        let mut buffer = [0; 8192];
        let text = file::read_into(proc, &crate::process::pid_path(pid, "/cgroup"), &mut buffer)?;
        let line = text.split(|&byte| byte == b'\n').find_map(|line| {
            let mut fields = line.splitn(3, |&byte| byte == b':').skip(1);
            let freezer = fields.next()?.split(|&byte| byte == b',').any(|name| name == b"freezer");
            fields.next().filter(|_| freezer)
        });
        let path =
            line.and_then(|path| path.strip_prefix(mount.root.as_bytes())).ok_or(Errno::NOENT)?;
        let path = std::str::from_utf8(path).map_err(|_| Errno::ILSEQ)?;
        let freezer = Freezer { dir: file::open_dir(mount.dir.as_fd(), path)?, v1: true };
        if freezer.state()? == Frozen::No {
            return Ok(false);
        }
        freezer.set(false).map(|()| true)
    };
    thaw().unwrap_or(false)
}

fn refused(errno: Errno) -> ActionError {
    match errno {
        Errno::NOENT | Errno::NODEV => ActionError::Stale { what: "the cgroup is gone" },
        errno => system("freeze or thaw the cgroup", errno),
    }
}
