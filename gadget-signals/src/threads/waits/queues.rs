//! The processes at whose listening sockets clients wait.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use gadget_core::{ProcessId, Timestamp};

use super::super::reader::ThreadReader;
use super::super::sockets::network_of;
use super::super::wakers::Descriptors;
use super::suspect::is_crowded;
use crate::process::parse_stat;

/// Processes and their network namespaces are listed anew so often.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The most network namespaces, besides our own, that are asked in one sweep; they take turns.
const NAMESPACES_AT_ONCE: usize = 8;
/// The most processes that are listed.
const MAX_PROCESSES: usize = 65_536;
/// The most processes that share a listening socket and are told of.
const MAX_OWNERS: usize = 16;

/// Network namespaces, and who listens in them.
pub(super) struct Queues {
    /// Clients that wait for so long without one's being accepted are worth a look.
    patience: Duration,
    own: Option<u64>,
    /// The processes of each namespace.
    members: BTreeMap<u64, Vec<u32>>,
    listed: Option<Timestamp>,
    turn: usize,
    /// By the inode of a listening socket, who has it.
    owners: HashMap<u32, Vec<ProcessId>>,
}

impl Queues {
    pub(super) fn with(patience: Duration) -> Self {
        Self {
            patience,
            own: None,
            members: BTreeMap::new(),
            listed: None,
            turn: 0,
            owners: HashMap::new(),
        }
    }

    /// The processes that have a listening socket at which clients wait and none is accepted.
    pub(super) fn stuck(&mut self, reader: &mut ThreadReader, now: Timestamp) -> Vec<ProcessId> {
        if self.listed.is_none_or(|listed| now.since(listed) >= LIST_EVERY) {
            self.list(reader);
            self.listed = Some(now);
        }
        let others = self.members.keys().filter(|namespace| Some(**namespace) != self.own);
        let mut due: Vec<u64> = others.copied().collect();
        let first = self.turn.checked_rem(due.len()).unwrap_or(0);
        due.rotate_left(first);
        due.truncate(NAMESPACES_AT_ONCE);
        self.turn = first + due.len();
        let mut stuck = Vec::new();
        for namespace in due.into_iter().chain(self.own) {
            let Some(pids) = self.members.get(&namespace) else { continue };
            for inode in crowded(reader, namespace, pids, self.patience) {
                let find = || owners_of(reader, pids, inode);
                stuck.extend_from_slice(self.owners.entry(inode).or_insert_with(find));
            }
        }
        stuck
    }

    fn list(&mut self, reader: &mut ThreadReader) {
        let ThreadReader { files, root, .. } = reader;
        self.own = network_of(files, root, "thread-self/ns/net");
        self.members.clear();
        self.owners.clear();
        let mut pids = Vec::new();
        // Where it cannot be listed nobody is known, and nobody accused.
        let _ = files.numbers(root, format_args!("."), |pid, _| {
            pids.push(pid);
            pids.len() < MAX_PROCESSES
        });
        for pid in pids {
            if let Some(namespace) = network_of(files, root, &format!("{pid}/ns/net")) {
                self.members.entry(namespace).or_default().push(pid);
            }
        }
    }
}

/// The inodes of the listening sockets of a namespace at which clients wait and none is accepted.
fn crowded(
    reader: &mut ThreadReader,
    namespace: u64,
    pids: &[u32],
    patience: Duration,
) -> Vec<u32> {
    let ThreadReader { files, root, listeners, .. } = reader;
    // Any of its processes that lives leads there.
    let folder = pids.iter().find_map(|pid| files.folder(root, format_args!("{pid}")).ok());
    let Some(folder) = folder else { return Vec::new() };
    let waiting = listeners.of(files, root, &folder, namespace).iter();
    let stuck = waiting.filter(|found| is_crowded(&found.listener, patience));
    stuck.map(|found| found.inode).collect()
}

/// Those of `pids` that have the socket with this inode.
fn owners_of(reader: &mut ThreadReader, pids: &[u32], inode: u32) -> Vec<ProcessId> {
    let ThreadReader { files, root, .. } = reader;
    let owner = |&pid: &u32| {
        let folder = files.folder(root, format_args!("{pid}")).ok()?;
        let has = Descriptors::of(files, &folder).sockets.contains(&inode);
        let text = files.read(&folder, format_args!("stat")).ok().filter(|_| has)?;
        let start = parse_stat(text, Path::new("stat")).ok()?.start;
        Some(ProcessId { pid, start })
    };
    pids.iter().filter_map(owner).take(MAX_OWNERS).collect()
}
