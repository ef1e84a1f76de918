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
/// `GENL_ID_CTRL`, who knows the others by name.
const CONTROLLER: u16 = 0x10;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;

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
    waiting: Waiting,
    overflows: u64,
}

/// What was used by tasks of a process that has not been asked about, and whether it has waited for a round.
#[derive(Default)]
struct Waiting(HashMap<u32, (Used, bool)>);

impl Waiting {
    /// False if there was no room, and those that waited are forgotten.
    fn add(&mut self, used: Used) -> bool {
        let room = self.0.len() < MOST_WAITING;
        if !room {
            self.0.clear();
        }
        self.0.entry(used.process).and_modify(|(sum, _)| sum.add(&used)).or_insert((used, false));
        room
    }

    fn take(&mut self, pid: u32) -> Option<Used> {
        self.0.remove(&pid).map(|(used, _)| used)
    }

    fn forget(&mut self, lives: impl Fn(u32) -> bool) {
        self.0.retain(|pid, (_, waited)| !std::mem::replace(waited, true) || lives(*pid));
    }
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
        // CTRL_CMD_GETFAMILY, with CTRL_ATTR_FAMILY_NAME.
        let request_family = request(CONTROLLER, NLM_F_REQUEST, 3, 2, b"TASKSTATS\0");
        let read = ask(&socket, &request_family, &mut message)?;
        let family = attributes(message.get(HEADERS..read).unwrap_or_default())
            .find(|(kind, _)| *kind == 1)
            .and_then(|(_, value)| Some(u16::from_ne_bytes(value.get(..2)?.try_into().ok()?)))
            .ok_or(Errno::OPNOTSUPP)?;
        // TASKSTATS_CMD_GET with TASKSTATS_CMD_ATTR_REGISTER_CPUMASK.
        let last = std::fs::read_to_string("/sys/devices/system/cpu/possible");
        let mut cpus = last.as_deref().unwrap_or("0").trim().as_bytes().to_vec();
        cpus.push(0);
        let register = request(family, NLM_F_REQUEST | NLM_F_ACK, 1, 3, &cpus);
        ask(&socket, &register, &mut message)?;
        Ok(Self { socket, message, waiting: Waiting::default(), overflows: 0 })
    }

    /// Takes in what has come, without waiting.
    pub(super) fn collect(&mut self) {
        loop {
            match recv(&self.socket, &mut self.message[..], RecvFlags::DONTWAIT) {
                Ok((read, _)) => {
                    let Self { message, waiting, overflows, .. } = self;
                    parse_taskstats(&message[..read], |used| {
                        *overflows += u64::from(!waiting.add(used));
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
        self.waiting.take(pid)
    }

    /// Forgets what has waited for a round and is of no process that lives: threads that outlived the first of theirs. The next
    /// process with that id did not use it.
    pub(super) fn forget(&mut self, lives: impl Fn(u32) -> bool) {
        self.waiting.forget(lives);
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

/// Sends a request; how long the answer in `message` is. Before it come ends of tasks, if an earlier socket with the same port had
/// asked for them.
fn ask(socket: &OwnedFd, request: &[u8], message: &mut [u8]) -> Result<usize, Errno> {
    const NLMSG_ERROR: [u8; 2] = 2_u16.to_ne_bytes();
    send(socket, request, SendFlags::empty())?;
    loop {
        // The kernel has answered when `send` returns.
        let (read, _) = recv(socket, &mut *message, RecvFlags::DONTWAIT)?;
        let kind = message[..read].get(4..6).unwrap_or_default();
        if kind == NLMSG_ERROR {
            let code = message[..read].get(16..20).and_then(|it| it.try_into().ok());
            return match code.map(i32::from_ne_bytes) {
                Some(0) => Ok(read),
                code => Err(code.map_or(Errno::BADMSG, |it| Errno::from_raw_os_error(-it))),
            };
        }
        if kind == CONTROLLER.to_ne_bytes() {
            return Ok(read);
        }
    }
}

/// A request with one attribute.
fn request(family: u16, flags: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let padded = length.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(HEADERS + padded);
    bytes.extend(u32::try_from(HEADERS + padded).unwrap_or(0).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
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
    use std::process::Command;

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
    fn what_a_late_thread_used_is_not_the_next_process_s() {
        let used = parsed(&message(416))[0];
        let mut waiting = Waiting::default();
        assert!(waiting.add(used) && waiting.add(used));
        waiting.forget(|_| false);
        let sum = waiting.take(600).expect("its beginning may not have been read yet");
        assert_eq!((sum.user, sum.system), (used.user * 2, used.system * 2));
        waiting.add(used);
        waiting.forget(|_| true);
        waiting.forget(|pid| pid == 600);
        assert!(waiting.0.contains_key(&600), "a thread of one that lives");
        waiting.forget(|_| false);
        assert_eq!(waiting.take(600), None);
    }

    #[test]
    fn a_message_that_was_cut_short_is_of_no_task() {
        let whole = message(416);
        for end in 0..whole.len() {
            assert_eq!(parsed(&whole[..end]), [], "{end}");
        }
    }

    /// The kernel still sends to the port of a socket that is closed, until it notices; the next socket of a process has that port.
    #[test]
    fn ends_that_come_before_the_answer_are_not_taken_for_it() {
        if let Err(error) = Taskstats::host() {
            println!("SKIPPED: taskstats: {error}");
            return;
        }
        std::thread::scope(|scope| {
            let storm = scope.spawn(|| {
                for _ in 0..200 {
                    Command::new("true").status().unwrap();
                }
            });
            while !storm.is_finished() {
                Taskstats::host().unwrap();
            }
        });
    }
}
