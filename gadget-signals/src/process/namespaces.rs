//! The namespaces of a process.

use std::path::Path;

use gadget_core::SignalError;
use rustix::fs::{CWD, readlinkat};

use crate::file::failed;
use crate::text::digits;

/// The namespaces of a process, by their inode numbers: two processes with the same number share one.
///
/// - Source: the links in `/proc/PID/ns`, namespaces(7).
/// - Absent: kinds that this kernel does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `cgroup`.
    pub cgroup: Option<u64>,
    /// `ipc`.
    pub ipc: Option<u64>,
    /// `mnt`.
    pub mount: Option<u64>,
    /// `net`.
    pub network: Option<u64>,
    /// `pid`.
    pub pid: Option<u64>,
    /// `time` (Linux 5.6).
    pub time: Option<u64>,
    /// `user`.
    pub user: Option<u64>,
    /// `uts`.
    pub uts: Option<u64>,
}

impl Namespaces {
    /// Of process `pid` below the `/proc` at `proc`; `None` once the process is gone. Reads eight links: not for every
    /// tick.
    ///
    /// # Errors
    /// [`SignalError::Read`] if the links may not be read.
    pub fn of(proc: impl AsRef<Path>, pid: u32) -> Result<Option<Self>, SignalError> {
        let folder = proc.as_ref().join(pid.to_string()).join("ns");
        let read = |name: &str| match readlinkat(CWD, folder.join(name), Vec::new()) {
            // `net:[4026531840]`
            Ok(link) => {
                let number = link.to_bytes().strip_prefix(name.as_bytes());
                let number = number.and_then(|rest| rest.strip_prefix(b":[")?.strip_suffix(b"]"));
                Ok(number.and_then(digits))
            }
            Err(error) => match failed(folder.join(name), error, "the process") {
                SignalError::Unsupported { .. } => Ok(None),
                error => Err(error),
            },
        };
        let found = Self {
            cgroup: read("cgroup")?,
            ipc: read("ipc")?,
            mount: read("mnt")?,
            network: read("net")?,
            pid: read("pid")?,
            time: read("time")?,
            user: read("user")?,
            uts: read("uts")?,
        };
        Ok((found != Self::default()).then_some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shares_its_own_namespaces() {
        let own = Namespaces::of("/proc", std::process::id()).unwrap().unwrap();
        let mut child = std::process::Command::new("sleep").arg("10").spawn().unwrap();
        let childs = Namespaces::of("/proc", child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(childs, Some(own));
        assert!(own.mount.is_some() && own.network.is_some());
        assert_eq!(Namespaces::of("/proc", child.id()).unwrap(), None);
    }
}
