//! Listening sockets that turn connections away, and whose they are.

use std::collections::HashMap;
use std::io::Read as _;

use gadget_core::ProcessId;
use libbpf_rs::{Iter, Link};

use crate::bpf::record::{Record as _, record};
use crate::bpf::subject::process_of;

/// A walk that finds more is cut short: this many listening sockets, counted once for each process that has them open.
const MOST: usize = 65_536;

record! {
    /// `struct tcp_listener`.
    Listener = "tcp_listener" in crate::bpf::skel::tcp::DATA {
        socket: u64, start_ns: u64, tgid: u32, drops: u32, namespace: u32, unused: u32,
    }
}

/// Walks all open files for listening sockets; `Err` with what the kernel said.
pub(super) fn walk(link: &Link) -> std::io::Result<Vec<Listener>> {
    let mut iter = Iter::new(link).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; 64 << 10];
    let (mut end, mut found) = (0, Vec::new());
    loop {
        let read = iter.read(&mut bytes[end..])?;
        end += read;
        let mut at = 0;
        while let Some(listener) = Listener::from_bytes(&bytes[at..end]) {
            found.push(listener);
            at += size_of::<Listener>();
        }
        bytes.copy_within(at..end, 0);
        end -= at;
        if read == 0 || found.len() >= MOST {
            return Ok(found);
        }
    }
}

/// How many connections each socket had turned away when it was last looked at.
#[derive(Default)]
pub(super) struct Drops {
    by_socket: HashMap<u64, u32>,
}

impl Drops {
    /// Who has turned away connections since the last look, and how many; a socket that was not there then has turned away
    /// all of its own since. Of several processes that have a socket open, the one that is found first: the lowest number.
    pub(super) fn since_last(&mut self, found: &[Listener]) -> Vec<(ProcessId, u64)> {
        let before = std::mem::take(&mut self.by_socket);
        let mut added: Vec<(ProcessId, u64)> = Vec::new();
        for listener in found {
            if self.by_socket.insert(listener.socket, listener.drops).is_some() {
                continue;
            }
            let then = before.get(&listener.socket).copied().unwrap_or(0);
            // A new socket at the address of an old one has dropped fewer, unless it was quick.
            let drops = listener.drops.checked_sub(then).unwrap_or(listener.drops);
            if drops == 0 {
                continue;
            }
            let owner = process_of(listener.tgid, listener.start_ns);
            match added.iter_mut().find(|(process, _)| *process == owner) {
                Some((_, sum)) => *sum += u64::from(drops),
                None => added.push((owner, u64::from(drops))),
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(socket: u64, tgid: u32, drops: u32) -> Listener {
        Listener { socket, start_ns: 10_000_000, tgid, drops, namespace: 1, unused: 0 }
    }

    #[test]
    fn who_turned_away_more_than_before_is_named_once_with_the_first_who_has_it() {
        let mut drops = Drops::default();
        drops.since_last(&[listener(1, 100, 5), listener(2, 100, 0), listener(9, 7, 3)]);
        let found = [
            listener(1, 100, 8),
            listener(1, 101, 8), // a child with the same socket
            listener(2, 100, 1), // another port of the same process
            listener(3, 50, 2),  // new
            listener(9, 7, 1),   // another socket where one was
        ];
        let pids = |list: Vec<(ProcessId, u64)>| {
            list.into_iter().map(|(process, sum)| (process.pid, sum)).collect::<Vec<_>>()
        };
        assert_eq!(pids(drops.since_last(&found)), [(100, 4), (50, 2), (7, 1)]);
        assert_eq!(pids(drops.since_last(&found)), []);
    }
}
