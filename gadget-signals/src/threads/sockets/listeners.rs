//! Which listening sockets have clients waiting, and for how long none was accepted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gadget_core::Listener;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::diag::{self, Question, TcpSocket};
use crate::threads::files::Files;

/// Asked again sooner, the answer of before is given.
const FRESH: Duration = Duration::from_millis(200);
/// A listening socket with so many connections is asked for those that wait only every [`LATER`].
const MANY: usize = 1_000;
const LATER: Duration = Duration::from_secs(10);
/// What was not looked at for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// The most listening sockets with clients waiting that are remembered.
const MAX_KNOWN: usize = 4_096;
/// The most namespaces whose answer is kept.
const MAX_NAMESPACES: usize = 256;

/// A listening socket at which clients wait, or did at the look before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its inode, by which the processes that have it are found.
    pub(crate) inode: u32,
    pub(crate) listener: Listener,
}

/// The listening sockets of all network namespaces that were asked for.
#[derive(Default)]
pub(crate) struct Listeners {
    /// By the socket's cookie, which is its own in all namespaces.
    known: HashMap<u64, Known>,
    answers: HashMap<u64, Answer>,
    own: Option<(u64, OwnedFd)>,
}

struct Known {
    /// The clients that waited at the last look.
    clients: Vec<u64>,
    looked: Instant,
    still: Duration,
    /// How many connections were looked through for them.
    connected: usize,
}

impl Known {
    /// True if another look would cost too much so soon.
    fn holds(&self, now: Instant) -> bool {
        self.connected >= MANY && now.saturating_duration_since(self.looked) < LATER
    }
}

struct Answer {
    at: Instant,
    waiting: Vec<Waiting>,
}

impl Listeners {
    /// Those of the network namespace `namespace`, which is that of the process in `folder`. Empty where they cannot be
    /// asked for.
    pub(crate) fn of(
        &mut self,
        files: &mut Files,
        root: &OwnedFd,
        folder: &OwnedFd,
        namespace: u64,
    ) -> &[Waiting] {
        let now = Instant::now();
        let fresh = |answer: &Answer| now.saturating_duration_since(answer.at) < FRESH;
        if !self.answers.get(&namespace).is_some_and(fresh) {
            let waiting = self.ask(files, root, folder, namespace, now).unwrap_or_default();
            if self.answers.len() >= MAX_NAMESPACES {
                self.answers.clear();
            }
            self.answers.insert(namespace, Answer { at: now, waiting });
        }
        self.answers.get(&namespace).map_or(&[], |answer| &answer.waiting)
    }

    fn ask(
        &mut self,
        files: &mut Files,
        root: &OwnedFd,
        folder: &OwnedFd,
        namespace: u64,
        now: Instant,
    ) -> Result<Vec<Waiting>, Errno> {
        if self.own.is_none() {
            let own = network_of(files, root, "thread-self/ns/net").ok_or(Errno::NOENT)?;
            self.own = Some((own, diag::open()?));
        }
        match &self.own {
            Some((own, socket)) if *own == namespace => look(&mut self.known, socket, now),
            // Kept, it would keep the namespace alive after its last process.
            _ => look(&mut self.known, &open_in(files, folder)?, now),
        }
    }
}

/// The number of the network namespace that a link of `/proc/PID/ns` names.
pub(crate) fn network_of(files: &mut Files, below: &OwnedFd, link: &str) -> Option<u64> {
    let mut target = [0; 64];
    let target = files.link(below, format_args!("{link}"), &mut target).ok()?;
    crate::text::digits(target.strip_prefix(b"net:[")?.strip_suffix(b"]")?)
}

/// A socket in the network namespace of another process: a thread of ours goes there, opens it and ends.
fn open_in(files: &mut Files, folder: &OwnedFd) -> Result<OwnedFd, Errno> {
    let namespace = files.open(folder, format_args!("ns/net"))?;
    let open = move || {
        move_into_link_name_space(
            rustix::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )?;
        diag::open()
    };
    let thread = std::thread::Builder::new().name("sockets".into()).spawn(open);
    thread.map_err(|_| Errno::AGAIN)?.join().unwrap_or(Err(Errno::IO))
}

/// Asks for the listening sockets, and of those at which clients wait for the clients.
fn look(
    known: &mut HashMap<u64, Known>,
    socket: &OwnedFd,
    now: Instant,
) -> Result<Vec<Waiting>, Errno> {
    known.retain(|_, known| now.saturating_duration_since(known.looked) < FORGOTTEN);
    let mut waiting = Vec::new();
    for listening in diag::ask(socket, Question::Listening)? {
        let before = known.get(&listening.cookie);
        let still = match before {
            None if listening.received == 0 => continue,
            _ if listening.received == 0 => {
                known.remove(&listening.cookie);
                Duration::ZERO
            }
            Some(before) if before.holds(now) => before.still,
            _ => {
                let port = listening.address.port();
                let connected = diag::ask(socket, Question::Connected { port })?;
                let clients = clients_of(&listening, &connected);
                let still = before.map_or(Duration::ZERO, |before| still(before, &clients, now));
                let connected = connected.len();
                if known.len() >= MAX_KNOWN {
                    known.clear();
                }
                known.insert(listening.cookie, Known { clients, looked: now, still, connected });
                still
            }
        };
        waiting.push(Waiting {
            inode: listening.inode,
            listener: Listener {
                address: listening.address,
                queued: listening.received,
                limit: listening.sending,
                still,
            },
        });
    }
    Ok(waiting)
}

/// The clients that wait at `listening`: connected to it, and of no process yet. Sorted.
fn clients_of(listening: &TcpSocket, connected: &[TcpSocket]) -> Vec<u64> {
    let any = listening.address.ip().is_unspecified();
    let mut clients: Vec<u64> = connected
        .iter()
        .filter(|client| client.inode == 0)
        .filter(|client| any || client.address.ip() == listening.address.ip())
        .map(|client| client.cookie)
        .collect();
    clients.sort_unstable();
    clients
}

/// For how long none was accepted: as long as all that waited wait still.
fn still(before: &Known, clients: &[u64], now: Instant) -> Duration {
    let same = !before.clients.is_empty()
        && before.clients.iter().all(|client| clients.binary_search(client).is_ok());
    if same {
        before.still.saturating_add(now.saturating_duration_since(before.looked))
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn known(clients: &[u64], looked: Instant) -> Known {
        let clients = clients.to_vec();
        Known { clients, looked, still: Duration::from_secs(1), connected: 2 }
    }

    #[test]
    fn it_stands_still_while_all_that_waited_wait() {
        let then = Instant::now();
        let now = then + Duration::from_secs(10);
        let eleven = Duration::from_secs(11);
        assert_eq!(still(&known(&[3, 5], then), &[3, 5], now), eleven);
        assert_eq!(still(&known(&[3, 5], then), &[1, 3, 5, 9], now), eleven);
        assert_eq!(still(&known(&[3, 5], then), &[5, 9], now), Duration::ZERO);
        assert_eq!(still(&known(&[], then), &[5], now), Duration::ZERO);
    }

    #[test]
    fn where_many_are_connected_the_answer_of_before_holds_for_a_while() {
        let then = Instant::now();
        let many = Known { connected: MANY, ..known(&[3], then) };
        assert!(many.holds(then + LATER / 2) && !many.holds(then + LATER));
        assert!(!known(&[3], then).holds(then));
    }

    #[test]
    fn an_accepted_client_ends_it_and_a_new_one_does_not() {
        let socket = match diag::open() {
            Ok(socket) => socket,
            Err(error) => return eprintln!("SKIPPED: no sock_diag: {error}"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut table = HashMap::new();
        let start = Instant::now();
        let mut second = 0;
        let mut ours = || {
            second += 1;
            let now = start + Duration::from_secs(second);
            let all = look(&mut table, &socket, now).unwrap();
            all.into_iter()
                .find(|found| found.listener.address == address)
                .map(|found| found.listener)
        };
        assert_eq!(ours(), None);
        let _first = TcpStream::connect(address).unwrap();
        let found = ours().unwrap();
        assert_eq!((found.queued, found.still), (1, Duration::ZERO));
        let _second = TcpStream::connect(address).unwrap();
        let found = ours().unwrap();
        assert_eq!((found.queued, found.still), (2, Duration::from_secs(1)));
        assert_eq!(ours().unwrap().still, Duration::from_secs(2));
        let _accepted = listener.accept().unwrap();
        let found = ours().unwrap();
        assert_eq!((found.queued, found.still), (1, Duration::ZERO));
        let _accepted = listener.accept().unwrap();
        let found = ours().unwrap();
        assert_eq!((found.queued, found.still), (0, Duration::ZERO));
        assert_eq!(ours(), None);
    }
}
