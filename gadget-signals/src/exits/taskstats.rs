//! What a task used, as the kernel's taskstats tell at its end.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{Bytes, Comm};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with, sockopt,
};

/// The most ends that wait for what the connector says of them.
const MOST_WAITING: usize = 65_536;
/// What the kernel may keep for us, where it lets us ask for so much.
pub(super) const SOCKET_BUFFER: usize = 8 << 20;

/// `struct nlmsghdr` and `struct genlmsghdr`, which go before the attributes.
const HEADERS: usize = 16 + 4;

/// What a process used until its end.
///
/// - Source: `struct taskstats` of include/uapi/linux/taskstats.h, by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The task.
    pub pid: u32,
    /// Its process; the task itself before Linux 5.17.
    pub process: u32,
    /// Its name.
    pub comm: Comm,
    /// How long it lived.
    pub lifetime: Duration,
    /// CPU time in user space...
    pub user: Duration,
    /// ...and in the kernel.
    pub system: Duration,
    /// The most memory it had resident.
    pub peak_rss: Bytes,
}

/// Hears of every task that ends.
pub(super) struct Taskstats {
    socket: OwnedFd,
    message: Vec<u8>,
    /// What was used by tasks of a process that has not been asked about.
    waiting: HashMap<u32, Used>,
    overflows: u64,
}

impl Taskstats {
    /// Of this host's processors.
    pub(super) fn host() -> Result<Self, Errno> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::GENERIC),
        )?;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER));
        let mut message = vec![0; 8192];
        // CTRL_CMD_GETFAMILY of the controller, with CTRL_ATTR_FAMILY_NAME.
        send(&socket, &request(0x10, 3, 2, b"TASKSTATS\0"), SendFlags::empty())?;
        let (read, _) = recv(&socket, &mut message[..], RecvFlags::empty())?;
        let family = attributes(message.get(HEADERS..read).unwrap_or_default())
            .find(|(kind, _)| *kind == 1)
            .and_then(|(_, value)| Some(u16::from_ne_bytes(value.get(..2)?.try_into().ok()?)))
            .ok_or(Errno::OPNOTSUPP)?;
        // TASKSTATS_CMD_GET with TASKSTATS_CMD_ATTR_REGISTER_CPUMASK.
        let last = std::fs::read_to_string("/sys/devices/system/cpu/possible");
        let mut cpus = last.as_deref().unwrap_or("0").trim().as_bytes().to_vec();
        cpus.push(0);
        send(&socket, &request(family, 1, 3, &cpus), SendFlags::empty())?;
        Ok(Self { socket, message, waiting: HashMap::new(), overflows: 0 })
    }

    /// Takes in what has come, without waiting.
    pub(super) fn collect(&mut self) {
        loop {
            match recv(&self.socket, &mut self.message[..], RecvFlags::DONTWAIT) {
                Ok((read, _)) => {
                    let Self { message, waiting, overflows, .. } = self;
                    parse_taskstats(&message[..read], |used| {
                        if waiting.len() >= MOST_WAITING {
                            waiting.clear();
                            *overflows += 1;
                        }
                        waiting
                            .entry(used.process)
                            .and_modify(|sum| sum.add(&used))
                            .or_insert(used);
                    });
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => self.overflows += 1,
                Err(_) => return,
            }
        }
    }

    /// What the process with this id used; once.
    pub(super) fn of(&mut self, pid: u32) -> Option<Used> {
        self.waiting.remove(&pid)
    }

    /// How often something was dropped since the last call.
    pub(super) fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }
}

impl Used {
    fn add(&mut self, task: &Self) {
        self.user += task.user;
        self.system += task.system;
        self.peak_rss = self.peak_rss.max(task.peak_rss);
        if task.pid == self.process {
            (self.pid, self.comm) = (task.pid, task.comm);
        }
        self.lifetime = self.lifetime.max(task.lifetime);
    }
}

/// A request with one attribute.
fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    const NLM_F_REQUEST: u16 = 1;
    let length = 4 + value.len();
    let padded = length.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(HEADERS + padded);
    bytes.extend(u32::try_from(HEADERS + padded).unwrap_or(0).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([command, 1, 0, 0]);
    bytes.extend(u16::try_from(length).unwrap_or(0).to_ne_bytes());
    bytes.extend(attribute.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(HEADERS + padded, 0);
    bytes
}

/// The attributes in `bytes`, each its kind and its value, as far as they are whole.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    const KIND: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let short = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (length, kind) = (usize::from(short(0)?), short(2)? & KIND);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Gives `each` every task that a message of taskstats tells of; what is not whole is left out.
pub fn parse_taskstats(message: &[u8], mut each: impl FnMut(Used)) {
    const AGGREGATE_OF_TASK: u16 = 4;
    const STATS: u16 = 3;
    for (kind, value) in attributes(message.get(HEADERS..).unwrap_or_default()) {
        if kind != AGGREGATE_OF_TASK {
            continue;
        }
        let stats = attributes(value).find(|(kind, _)| *kind == STATS);
        if let Some(used) = stats.and_then(|(_, stats)| used(stats)) {
            each(used);
        }
    }
}

/// The fields of `struct taskstats` that are used; each version has only added some at the end.
fn used(stats: &[u8]) -> Option<Used> {
    let word = |at: usize| Some(u32::from_ne_bytes(stats.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(stats.get(at..at + 8)?.try_into().ok()?));
    let micros = |at: usize| long(at).map(Duration::from_micros);
    let pid = word(128)?;
    Some(Used {
        pid,
        process: word(368).filter(|&process| process != 0).unwrap_or(pid),
        comm: Comm::new(stats.get(80..112)?),
        lifetime: micros(144)?,
        user: micros(152)?,
        system: micros(160)?,
        peak_rss: Bytes::from_kib(long(200)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of one task, with `length` bytes of the structure.
    fn message(length: usize) -> Vec<u8> {
        let mut stats = vec![0; 416];
        stats[80..84].copy_from_slice(b"true");
        stats[128..132].copy_from_slice(&700_u32.to_ne_bytes());
        stats[144..152].copy_from_slice(&2_000_u64.to_ne_bytes());
        stats[152..160].copy_from_slice(&300_u64.to_ne_bytes());
        stats[160..168].copy_from_slice(&400_u64.to_ne_bytes());
        stats[200..208].copy_from_slice(&64_u64.to_ne_bytes());
        stats[368..372].copy_from_slice(&600_u32.to_ne_bytes());
        stats.truncate(length);
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let mut inner = attribute(1, &700_u32.to_ne_bytes());
        inner.extend(attribute(3, &stats));
        let mut message = vec![0; HEADERS];
        message.extend(attribute(4, &inner));
        message
    }

    fn parsed(message: &[u8]) -> Vec<Used> {
        let mut all = Vec::new();
        parse_taskstats(message, |used| all.push(used));
        all
    }

    #[test]
    fn a_task_of_a_process_is_read_by_the_length_of_the_structure() {
        let used = Used {
            pid: 700,
            process: 600,
            comm: Comm::new(b"true"),
            lifetime: Duration::from_millis(2),
            user: Duration::from_micros(300),
            system: Duration::from_micros(400),
            peak_rss: Bytes::from_kib(64),
        };
        assert_eq!(parsed(&message(416)), [used]);
        assert_eq!(parsed(&message(328)), [Used { process: 700, ..used }], "before Linux 5.17");
        assert_eq!(parsed(&message(200)), []);
    }

    #[test]
    fn a_message_that_was_cut_short_is_of_no_task() {
        let whole = message(416);
        for end in 0..whole.len() {
            assert_eq!(parsed(&whole[..end]), [], "{end}");
        }
    }
}
