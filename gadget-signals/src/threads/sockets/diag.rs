//! Asking the kernel for the TCP sockets of a network namespace: sock_diag(7), include/uapi/linux/inet_diag.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The most sockets that one answer is read of; the rest is left where it is.
const MAX_SOCKETS: usize = 65_536;

/// A TCP socket, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its own address.
    pub address: SocketAddr,
    /// What waits to be read; of a listening socket, connections that wait to be accepted.
    pub received: u32,
    /// What waits to be sent; of a listening socket, how many connections may wait.
    pub sending: u32,
    /// Its inode; 0 while no process has it.
    pub inode: u32,
    /// Its identity while the host is up.
    pub cookie: u64,
}

/// Which sockets are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Those that listen.
    Listening,
    /// Connections to this port of ours that are established, and may have been closed by the other side.
    Connected { port: u16 },
}

const NLMSG_HEADER: usize = 16;
const REQUEST: usize = 56;
const FILTER: usize = 4 + 4 * 4;
const INET_DIAG_MSG: usize = 72;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const ESTABLISHED: u8 = 1;
const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;

/// The message that asks `question` of the sockets of `family`.
fn request(family: u8, question: Question) -> Vec<u8> {
    const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
    let (states, port) = match question {
        Question::Listening => (1_u32 << LISTEN, None),
        Question::Connected { port } => (1 << ESTABLISHED | 1 << CLOSE_WAIT, Some(port)),
    };
    let len = NLMSG_HEADER + REQUEST + port.map_or(0, |_| FILTER);
    let mut message = Vec::with_capacity(len);
    message.extend_from_slice(&(len as u32).to_ne_bytes());
    message.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    // struct inet_diag_req_v2: no extensions, any address.
    message.extend_from_slice(&[family, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend_from_slice(&states.to_ne_bytes());
    message.resize(NLMSG_HEADER + REQUEST, 0);
    if let Some(port) = port {
        // INET_DIAG_REQ_BYTECODE: at least this port and at most this port, each an operation with its operand; what is
        // not goes to four bytes behind the end.
        const INET_DIAG_REQ_BYTECODE: u16 = 1;
        message.extend_from_slice(&(FILTER as u16).to_ne_bytes());
        message.extend_from_slice(&INET_DIAG_REQ_BYTECODE.to_ne_bytes());
        for (at_least_or_most, otherwise) in [(2_u8, 20_u16), (3, 12)] {
            message.extend_from_slice(&[at_least_or_most, 8]);
            message.extend_from_slice(&otherwise.to_ne_bytes());
            message.extend_from_slice(&[0, 0]);
            message.extend_from_slice(&port.to_ne_bytes());
        }
    }
    message
}

/// Adds the sockets in one datagram of an answer to `found`. True if more datagrams follow.
///
/// # Errors
/// What the kernel answers instead.
pub fn parse_sockets(mut datagram: &[u8], found: &mut Vec<TcpSocket>) -> Result<bool, Errno> {
    while let Some(header) = datagram.first_chunk::<NLMSG_HEADER>() {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if len < NLMSG_HEADER || len > datagram.len() {
            return Err(Errno::PROTO);
        }
        let body = &datagram[NLMSG_HEADER..len];
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let code = body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
                let code = code.and_then(i32::checked_neg).filter(|code| (1..4096).contains(code));
                return Err(code.map_or(Errno::PROTO, Errno::from_raw_os_error));
            }
            SOCK_DIAG_BY_FAMILY if found.len() < MAX_SOCKETS => found.extend(socket(body)),
            _ => {}
        }
        // Messages begin at multiples of four.
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// `struct inet_diag_msg`.
fn socket(body: &[u8]) -> Option<TcpSocket> {
    let body = body.first_chunk::<INET_DIAG_MSG>()?;
    let word = |at: usize| u32::from_ne_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    let source = body[8..].first_chunk::<16>()?;
    let ip = match body[0] {
        family if family == AddressFamily::INET.as_raw() as u8 => {
            IpAddr::from(Ipv4Addr::from(*source.first_chunk()?))
        }
        family if family == AddressFamily::INET6.as_raw() as u8 => Ipv6Addr::from(*source).into(),
        _ => return None,
    };
    Some(TcpSocket {
        address: SocketAddr::new(ip, u16::from_be_bytes([body[4], body[5]])),
        cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
        received: word(56),
        sending: word(60),
        inode: word(68),
    })
}

/// A socket to ask in the network namespace of this thread.
pub(crate) fn open() -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(1)))?;
    Ok(socket)
}

/// The answer to `question`, of both versions of the protocol.
pub(crate) fn ask(socket: &OwnedFd, question: Question) -> Result<Vec<TcpSocket>, Errno> {
    let mut found = Vec::new();
    let mut datagram = vec![0; 32 << 10];
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        send(socket, &request(family.as_raw() as u8, question), SendFlags::empty())?;
        loop {
            let (read, _) = recv(socket, &mut datagram[..], RecvFlags::empty())?;
            if !parse_sockets(&datagram[..read], &mut found)? {
                break;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listening_socket_and_who_waits_at_it_are_found() {
        let socket = match open() {
            Ok(socket) => socket,
            Err(error) => return eprintln!("SKIPPED: no sock_diag: {error}"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (_accepted, _client) = {
            let client = TcpStream::connect(address).unwrap();
            (listener.accept().unwrap(), client)
        };
        let all = ask(&socket, Question::Listening).unwrap();
        let ours = all.iter().find(|socket| socket.address == address).unwrap();
        assert_eq!(ours.received, 1);
        assert!(ours.sending >= 1 && ours.inode > 0);
        let question = Question::Connected { port: address.port() };
        let waiting = ask(&socket, question).unwrap();
        // Accepted or not, and none but those of the port.
        let inodes: Vec<_> = waiting.iter().map(|socket| socket.inode > 0).collect();
        assert_eq!(inodes.iter().filter(|accepted| !**accepted).count(), 1, "{waiting:?}");
        assert_eq!(inodes.iter().filter(|accepted| **accepted).count(), 1, "{waiting:?}");
        assert!(waiting.iter().all(|socket| socket.address == address));
    }

    #[test]
    fn what_the_kernel_refuses_is_its_error() {
        let mut refusal = vec![36, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        refusal.extend((-libc::ENOENT).to_ne_bytes());
        refusal.resize(36, 0);
        assert_eq!(parse_sockets(&refusal, &mut Vec::new()), Err(Errno::NOENT));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(mut datagram: Vec<u8>, kind in 0..30_u8) {
            if datagram.len() >= NLMSG_HEADER {
                let len = datagram.len() as u32;
                datagram[..4].copy_from_slice(&len.to_ne_bytes());
                datagram[4..6].copy_from_slice(&[kind, 0]);
            }
            let mut found = Vec::new();
            let _ = parse_sockets(&datagram, &mut found);
            prop_assert!(found.len() <= datagram.len() / INET_DIAG_MSG);
        }
    }
}
