//! Syslog: messages that programs send to a socket.

mod drops;
mod frames;
mod message;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadget_core::{
    Clock as _, LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSources, SignalError,
    SystemClock,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::line::When;
use super::services::Services;
pub use frames::SyslogFrames;
pub use message::{SyslogMessage, syslog_message};

/// How many streams may be open; more wait to be accepted.
const MOST_STREAMS: usize = 256;
/// The queue that is asked for; the kernel gives no more than `net.core.rmem_max`.
const QUEUE: usize = 4 << 20;

/// Builds a [`Syslog`].
#[derive(Clone, Debug, Default)]
pub struct SyslogBuilder {
    datagrams: Vec<PathBuf>,
    streams: Vec<PathBuf>,
    udp: Vec<SocketAddr>,
    east: i32,
}

impl SyslogBuilder {
    /// Receives datagrams at a path, as at `/dev/log`. A socket that nobody listens to any more is replaced.
    #[must_use]
    pub fn datagrams(mut self, path: impl Into<PathBuf>) -> Self {
        self.datagrams.push(path.into());
        self
    }

    /// Accepts streams at a path.
    #[must_use]
    pub fn streams(mut self, path: impl Into<PathBuf>) -> Self {
        self.streams.push(path.into());
        self
    }

    /// Receives datagrams from this host at a port of 127.0.0.1; 514 is the one of syslog.
    #[must_use]
    pub fn udp(self, port: u16) -> Self {
        self.udp_at(([127, 0, 0, 1], port).into())
    }

    /// Receives datagrams at an address. Whoever reaches it can write what they like.
    #[must_use]
    pub fn udp_at(mut self, address: SocketAddr) -> Self {
        self.udp.push(address);
        self
    }

    /// How far east of UTC the times are that messages of RFC 3164 have, in seconds. Default 0.
    #[must_use]
    pub const fn east(mut self, seconds: i32) -> Self {
        self.east = seconds;
        self
    }

    /// Opens the sockets.
    ///
    /// # Errors
    /// [`SignalError::Read`] with the path or address that cannot be had, or that another process listens to.
    pub fn build(self, sources: LogSources) -> Result<Syslog, SignalError> {
        let mut ports = Vec::new();
        for path in self.datagrams {
            let (socket, inode) = bind(&path, |path| UnixDatagram::bind(path))?;
            ports.push(Port::datagrams(OwnedFd::from(socket), path, Some(inode)));
        }
        for path in self.streams {
            let (socket, inode) = bind(&path, |path| UnixListener::bind(path))?;
            ports.push(Port { kind: Kind::Streams(socket), path, inode: Some(inode) });
        }
        for address in self.udp {
            let path = PathBuf::from(format!("udp://{address}"));
            let bound = UdpSocket::bind(address).map_err(|error| failed(&path, error))?;
            let path = bound.local_addr().map_or(path, |at| format!("udp://{at}").into());
            ports.push(Port::datagrams(OwnedFd::from(bound), path, None));
        }
        for port in &ports {
            let fd = port.kind.fd();
            rustix::io::ioctl_fionbio(fd, true)
                .map_err(|error| failed(&port.path, error.into()))?;
        }
        Ok(Syslog {
            ports,
            streams: Vec::new(),
            messages: Messages {
                services: Services::new(sources, "syslog"),
                clock: SystemClock::new(),
                east: self.east,
            },
            buffer: vec![0; Syslog::LONGEST].into(),
        })
    }
}

/// Binds a socket at a path, in place of one that nobody listens to; everyone may send to it, as to `/dev/log`.
fn bind<S>(path: &Path, bind: impl Fn(&Path) -> io::Result<S>) -> Result<(S, Inode), SignalError> {
    let bind = || {
        let socket = bind(path).or_else(|error| {
            let socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
            if error.kind() != ErrorKind::AddrInUse || !socket || listened_to(path) {
                return Err(error);
            }
            fs::remove_file(path)?;
            bind(path)
        })?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok((socket, inode(path)?))
    };
    bind().map_err(|error| failed(path, error))
}

/// A device and an inode number.
type Inode = (u64, u64);

fn inode(path: &Path) -> io::Result<Inode> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// False if the socket at `path` belongs to nobody any more. One of streams refuses datagrams in another way.
fn listened_to(path: &Path) -> bool {
    let reached = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    !reached.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn failed(path: &Path, source: io::Error) -> SignalError {
    SignalError::Read { path: path.to_owned(), source }
}

/// Receives messages of syslog (RFC 5424 and RFC 3164) from local sockets and by UDP.
///
/// The service is the message's APP-NAME or tag; 512 of them are told apart. The text is what is behind it, structured data included.
///
/// Who sends to a path is held back by the kernel while nobody reads. Who sends by UDP is not: what the kernel drops is counted as
/// lost, where it tells (Linux 4.12). Streams may have the length before each message, or end them with a line break (RFC 6587).
///
/// ```no_run
/// use gadget_core::LogSources;
/// use gadget_signals::logs::Syslog;
///
/// let syslog = Syslog::builder().datagrams("/run/gadgets/log").udp(514).build(LogSources::default())?;
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct Syslog {
    ports: Vec<Port>,
    streams: Vec<Open>,
    messages: Messages,
    buffer: Box<[u8]>,
}

struct Port {
    kind: Kind,
    path: PathBuf,
    /// Of a socket in the file system, which is to be removed in the end.
    inode: Option<Inode>,
}

enum Kind {
    Datagrams { socket: OwnedFd, dropped: Option<u32> },
    Streams(UnixListener),
}

impl Kind {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagrams { socket, .. } => socket.as_fd(),
            Self::Streams(socket) => socket.as_fd(),
        }
    }
}

impl Port {
    fn datagrams(socket: OwnedFd, path: PathBuf, inode: Option<Inode>) -> Self {
        // What the kernel gives is enough for a start.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, QUEUE);
        let dropped = drops::drops(&socket);
        Self { kind: Kind::Datagrams { socket, dropped }, path, inode }
    }
}

struct Open {
    stream: UnixStream,
    frames: SyslogFrames,
    ended: bool,
}

struct Messages {
    services: Services,
    clock: SystemClock,
    east: i32,
}

impl Messages {
    fn add(&mut self, batch: &mut LogBatch, bytes: &[u8], flags: LogFlags) {
        let at = self.clock.now();
        let message = syslog_message(bytes, When { read: at, east: self.east });
        let source = self.services.id(message.service.unwrap_or_default(), None);
        let (written, severity) = (message.written, message.severity);
        batch.push(LogMeta { source, at, written, severity, flags }, message.text);
    }
}

impl Syslog {
    /// The longest message in bytes; what is beyond is dropped, and the message flagged.
    pub const LONGEST: usize = 256 << 10;

    /// One without sockets.
    #[must_use]
    pub fn builder() -> SyslogBuilder {
        SyslogBuilder::default()
    }

    /// Where it receives: paths, and `udp://ADDRESS:PORT`.
    pub fn addresses(&self) -> impl Iterator<Item = &Path> {
        self.ports.iter().map(|port| port.path.as_path())
    }

    /// Waits until there is something to read.
    fn wait(&self, timeout: Duration) -> Result<(), SignalError> {
        let full = self.streams.len() >= MOST_STREAMS;
        let ports =
            self.ports.iter().filter(|port| !(full && matches!(port.kind, Kind::Streams(_))));
        let fds = ports
            .map(|port| port.kind.fd())
            .chain(self.streams.iter().map(|open| open.stream.as_fd()));
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(failed(Path::new("syslog"), error.into())),
        }
    }

    /// Reads what there is until the batch is full.
    fn drain(&mut self, batch: &mut LogBatch) -> Result<(), SignalError> {
        let (messages, buffer, streams) = (&mut self.messages, &mut self.buffer, &mut self.streams);
        // Each gets its turn: one that writes without end would fill every batch.
        let turn = self.ports.len().min(1);
        self.ports.rotate_left(turn);
        for port in &mut self.ports {
            if batch.is_full() {
                return Ok(());
            }
            match &mut port.kind {
                Kind::Datagrams { socket, dropped } => {
                    let read = datagrams(socket, buffer, |bytes, flags| {
                        messages.add(batch, bytes, flags);
                        !batch.is_full()
                    });
                    if let (Some(before), Some(now)) = (*dropped, drops::drops(&*socket)) {
                        batch.lost += u64::from(now.wrapping_sub(before));
                        *dropped = Some(now);
                    }
                    read.map_err(|error| failed(&port.path, error.into()))?;
                }
                Kind::Streams(listener) => {
                    while streams.len() < MOST_STREAMS
                        && let Ok((stream, _)) = listener.accept()
                    {
                        stream.set_nonblocking(true).map_err(|error| failed(&port.path, error))?;
                        let frames = SyslogFrames::new(Self::LONGEST);
                        streams.push(Open { stream, frames, ended: false });
                    }
                }
            }
        }
        let turn = streams.len().min(1);
        streams.rotate_left(turn);
        for open in streams.iter_mut() {
            if batch.is_full() {
                break;
            }
            let mut add = |bytes: &[u8], flags| messages.add(batch, bytes, flags);
            match open.stream.read(&mut buffer[..64 << 10]) {
                Ok(read @ 1..) => open.frames.feed(&buffer[..read], add),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                // Its end, also when the other side is gone without one.
                Ok(_) | Err(_) => {
                    open.frames.end(&mut add);
                    open.ended = true;
                }
            }
        }
        streams.retain(|open| !open.ended);
        Ok(())
    }
}

/// Receives datagrams until there is none or `take` has enough.
fn datagrams(
    socket: &OwnedFd,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8], LogFlags) -> bool,
) -> Result<(), Errno> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::TRUNC) {
            Ok((read, whole)) => {
                let cut = if whole > read { LogFlags::CUT } else { LogFlags::default() };
                if !take(&buffer[..read], cut) {
                    return Ok(());
                }
            }
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

impl LogInput for Syslog {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let until = Instant::now() + timeout;
        let before = (batch.len(), batch.lost);
        loop {
            self.drain(batch)?;
            if (batch.len(), batch.lost) != before || batch.is_full() {
                return Ok(LogRead::Lines);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(LogRead::Nothing);
            }
            self.wait(left)?;
        }
    }
}

/// Takes its sockets out of the file system, unless another is in their place.
impl Drop for Syslog {
    fn drop(&mut self) {
        for port in &self.ports {
            if port.inode.is_some() && inode(&port.path).ok() == port.inode {
                let _ = fs::remove_file(&port.path);
            }
        }
    }
}
