//! The other end of a socket that a thread reads from.

use std::net::SocketAddr;
use std::time::Duration;

use gadget_core::Peer;
use rustix::io::Errno;
use rustix::net::getpeername;
use rustix::net::sockopt::{Timeout, socket_timeout};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::threads::foreign::{DataTimes, data_times};

/// The peer of the socket `fd` of process `pid`.
///
/// Takes a second descriptor of that socket by pidfd_getfd(2) (Linux 5.6) for as long as the questions last: neither its
/// state nor its data change.
pub(crate) fn peer_of(pid: u32, fd: u32) -> Result<Peer, Errno> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    let socket = pidfd_getfd(pidfd_open(pid, PidfdFlags::empty())?, fd, PidfdGetfdFlags::empty())?;
    let address = getpeername(&socket).ok().flatten();
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    let times = data_times(&socket);
    let ago = |millis: u32| Duration::from_millis(millis.into());
    Ok(Peer {
        address: address
            .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port())),
        sent: times.filter(DataTimes::has_sent).map(|times| ago(times.last_sent)),
        received: times.filter(DataTimes::has_received).map(|times| ago(times.last_received)),
        timed: socket_timeout(&socket, Timeout::Recv)?.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    fn own_peer(fd: &impl AsRawFd) -> Peer {
        peer_of(std::process::id(), fd.as_raw_fd().try_into().unwrap()).unwrap()
    }

    #[test]
    fn a_connection_tells_when_data_came_and_went() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let new = own_peer(&client);
        assert_eq!((new.address, new.sent, new.timed), (Some(address), None, false));
        std::thread::sleep(Duration::from_millis(30));
        client.write_all(b"question").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
        let asked = own_peer(&client);
        assert_eq!((asked.sent.is_some(), asked.received), (true, None));
        std::thread::sleep(Duration::from_millis(30));
        server.write_all(b"answer").unwrap();
        client.read_exact(&mut [0; 6]).unwrap();
        let answered = own_peer(&client);
        assert!(answered.received.unwrap() < answered.sent.unwrap(), "{answered:?}");
        client.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
        assert!(own_peer(&client).timed);
    }

    #[test]
    fn a_local_socket_has_no_address_and_no_times() {
        let (one, _two) = UnixStream::pair().unwrap();
        let expected = Peer { address: None, sent: None, received: None, timed: false };
        assert_eq!(own_peer(&one), expected);
    }

    #[test]
    fn what_is_no_socket_and_what_is_gone_are_errors() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert_eq!(peer_of(std::process::id(), file.as_raw_fd() as u32), Err(Errno::NOTSOCK));
        assert_eq!(peer_of(std::process::id(), u32::MAX), Err(Errno::BADF));
        assert_eq!(peer_of(std::process::id(), 1 << 30), Err(Errno::BADF));
        assert_eq!(peer_of(0, 1), Err(Errno::SRCH));
    }
}
