//! Processes that begin and end, by the kernel's proc connector.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{
    Lifecycle, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with, sockopt,
};

const NAME: &str = "proc-connector";

/// `CN_IDX_PROC` and `CN_VAL_PROC` of include/uapi/linux/connector.h.
const PROC: u32 = 1;
/// `struct nlmsghdr` and `struct cn_msg`, which go before each event.
const HEADERS: usize = 16 + 20;

/// What the kernel may keep for us, where it lets us ask for so much.
const SOCKET_BUFFER: usize = 8 << 20;

/// The most processes whose beginning is remembered.
const MOST_LIVING: usize = 65_536;
/// A process that lived for less is short.
const SHORT: Duration = Duration::from_secs(1);
/// Readings are given so often at most.
const TELL: Duration = Duration::from_secs(1);

/// Counts processes that begin and end, where BPF programs cannot.
///
/// - Gives [`Reading::Lifecycle`] of the host. A process ends here with its first thread.
/// - Source: the proc connector, Documentation/driver-api/connector.rst; Linux 2.6.15 with CONFIG_PROC_EVENTS, CAP_NET_ADMIN.
/// - Each event wakes us, and what we do not read in time the kernel drops: [`overflows`](Self::overflows) says how often it did.
pub struct ProcConnector {
    socket: OwnedFd,
    message: Vec<u8>,
    /// When processes began that live, by their id.
    living: HashMap<u32, Duration>,
    counted: Lifecycle,
    overflows: u64,
    told: std::time::Instant,
}

/// An event of the proc connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectorEvent {
    /// When, since boot.
    pub at: Duration,
    /// The process.
    pub pid: u32,
    /// Of one that began: who began it.
    pub parent: Option<u32>,
    /// What happened to it.
    pub change: ConnectorChange,
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectorChange {
    /// It began.
    Forked,
    /// It executed a program.
    Executed,
    /// Its first thread ended, with this status as wait(2) has it.
    Exited {
        /// The status.
        status: u32,
    },
}

impl ProcConnector {
    /// Of this host.
    ///
    /// # Errors
    /// [`SignalError::Missing`] without CAP_NET_ADMIN, [`SignalError::Unsupported`] where the kernel has no proc connector.
    pub fn host() -> Result<Self, SignalError> {
        Ok(Self {
            socket: open().map_err(|error| match error {
                Errno::PERM | Errno::ACCESS => {
                    SignalError::Missing { what: "the proc connector", capability: "CAP_NET_ADMIN" }
                }
                _ => SignalError::Unsupported {
                    path: "/proc/net/connector".into(),
                    needs: "CONFIG_PROC_EVENTS",
                },
            })?,
            message: vec![0; 4096],
            living: HashMap::new(),
            counted: Lifecycle::default(),
            overflows: 0,
            told: std::time::Instant::now(),
        })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        "the proc connector, which wakes for each event".to_owned()
    }

    /// Gives `f` every event that has come, without waiting.
    ///
    /// # Errors
    /// [`SignalError::Read`] if the socket cannot be read.
    pub fn drain(&mut self, mut f: impl FnMut(&ConnectorEvent)) -> Result<(), SignalError> {
        loop {
            match recv(&self.socket, &mut self.message[..], RecvFlags::DONTWAIT) {
                Ok((read, _)) => {
                    if let Some(event) = parse_connector(&self.message[..read]) {
                        f(&event);
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => self.overflows += 1,
                Err(error) => {
                    let path = "/proc/net/connector".into();
                    return Err(SignalError::Read { path, source: error.into() });
                }
            }
        }
    }

    /// Waits for an event, for `timeout` at most; true if there is one.
    #[must_use]
    pub fn ready(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// How often the kernel dropped events because we were late; how many it does not say.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// As [`overflows`](Self::overflows), since the last call.
    pub(crate) fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }

    /// Leaves room for some ten events.
    #[cfg(test)]
    pub(crate) fn shrink(&self) {
        sockopt::set_socket_recv_buffer_size(&self.socket, 4096).unwrap();
    }

    fn count(&mut self) -> Result<(), SignalError> {
        let mut counted = self.counted;
        let mut living = std::mem::take(&mut self.living);
        let drained = self.drain(|event| match event.change {
            ConnectorChange::Forked => {
                counted.forks += 1;
                if living.len() < MOST_LIVING {
                    living.insert(event.pid, event.at);
                }
            }
            ConnectorChange::Executed => counted.execs += 1,
            ConnectorChange::Exited { status } => {
                let began = living.remove(&event.pid);
                let short = began.is_some_and(|began| event.at.saturating_sub(began) < SHORT);
                counted.exits += 1;
                counted.short += u64::from(short);
                counted.signalled += u64::from(status & 0x7f != 0);
            }
        });
        (self.counted, self.living) = (counted, living);
        drained
    }
}

impl SignalProvider for ProcConnector {
    fn sample(&mut self, _: Timestamp, _: Scope<'_>, out: &mut Signals) -> Result<(), SignalError> {
        let drained = self.count();
        self.told = std::time::Instant::now();
        out.push(Subject::Host, Reading::Lifecycle(std::mem::take(&mut self.counted)));
        drained
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        if self.ready(timeout)
            && let Err(error) = self.count()
        {
            return Some(Err(error));
        }
        Some(Ok(self.counted != Lifecycle::default() && self.told.elapsed() >= TELL))
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// A socket that events come to.
fn open() -> Result<OwnedFd, Errno> {
    const LISTEN: u32 = 1;
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::CONNECTOR),
    )?;
    bind(&socket, &netlink::SocketAddrNetlink::new(0, PROC))?;
    // Where it may not be so large, what is lost is counted.
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER));
    let length = (HEADERS + 4) as u32;
    let mut message = Vec::with_capacity(HEADERS + 4);
    // struct nlmsghdr: length, NLMSG_DONE, no flags, no sequence, from us.
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&3_u16.to_ne_bytes());
    message.extend_from_slice(&[0; 10]);
    // struct cn_msg: the connector, no sequence, four bytes follow.
    message.extend_from_slice(&PROC.to_ne_bytes());
    message.extend_from_slice(&PROC.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&4_u16.to_ne_bytes());
    message.extend_from_slice(&[0; 2]);
    message.extend_from_slice(&LISTEN.to_ne_bytes());
    send(&socket, &message, SendFlags::empty())?;
    Ok(socket)
}

/// Parses a message of the proc connector; `None` for one that is about a thread, or of a kind that is not used here.
///
/// - Source: `struct proc_event` of include/uapi/linux/cn_proc.h.
#[must_use]
pub fn parse_connector(message: &[u8]) -> Option<ConnectorEvent> {
    const FORK: u32 = 1;
    const EXEC: u32 = 2;
    const EXIT: u32 = 0x8000_0000;
    let event = message.get(HEADERS..)?;
    let word = |at: usize| event.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let at = Duration::from_nanos(u64::from_ne_bytes(event.get(8..16)?.try_into().ok()?));
    let mut parent = None;
    let (tid, pid, change) = match word(0)? {
        FORK => {
            parent = word(20);
            (word(24)?, word(28)?, ConnectorChange::Forked)
        }
        EXEC => (word(16)?, word(20)?, ConnectorChange::Executed),
        EXIT => (word(16)?, word(20)?, ConnectorChange::Exited { status: word(24)? }),
        _ => return None,
    };
    // Another thread than the first may execute a program; it is the first then.
    let of_process = tid == pid || change == ConnectorChange::Executed;
    of_process.then_some(ConnectorEvent { at, pid, parent, change })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::testing::readings;

    #[test]
    fn a_child_is_seen_from_fork_to_exit() {
        let mut connector = match ProcConnector::host() {
            Ok(connector) => connector,
            Err(error) => {
                println!("SKIPPED: {error}");
                return;
            }
        };
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let mut own = Vec::new();
        while own.last() != Some(&ConnectorChange::Exited { status: 3 << 8 }) {
            assert!(connector.ready(Duration::from_secs(10)), "{own:?}");
            connector
                .drain(|event| own.extend((event.pid == pid).then_some(event.change)))
                .unwrap();
        }
        assert_eq!(own[..2], [ConnectorChange::Forked, ConnectorChange::Executed]);
        assert_eq!(readings(&mut connector).len(), 1);
    }

    #[test]
    fn a_message_that_was_cut_short_is_no_event() {
        let mut message = vec![0; HEADERS + 40];
        message[HEADERS] = 1;
        for at in 24..32 {
            message[HEADERS + at] = 7;
        }
        assert_eq!(parse_connector(&message).unwrap().change, ConnectorChange::Forked);
        for end in 0..HEADERS + 32 {
            assert_eq!(parse_connector(&message[..end]), None, "{end}");
        }
        message[HEADERS + 24] = 8;
        assert_eq!(parse_connector(&message), None, "of a thread");
    }
}
