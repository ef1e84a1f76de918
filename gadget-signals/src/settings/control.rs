//! A local socket that takes requests.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::MAX_TEXT;

/// Connections at the same time.
const MAX_CLIENTS: usize = 8;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a connection that could not be taken.
const REST: Duration = Duration::from_millis(100);
/// The longest first line.
const MAX_COMMAND: usize = 32;

/// A socket that listens, and those who have connected.
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file, to remove no other.
    file: (u64, u64),
    clients: Vec<Client>,
    /// How long a connection may take.
    pub(super) patience: Duration,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'t> {
    Show,
    Set(&'t str),
    Check(&'t str),
}

struct Client {
    stream: UnixStream,
    who: String,
    input: Vec<u8>,
    /// The answer, once there is one, of which so much was taken.
    output: Option<(Vec<u8>, usize)>,
    until: Instant,
}

impl Control {
    pub(super) fn listen(path: &Path) -> io::Result<Self> {
        let listener = match bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                make_way(path)?;
                bind(path)?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        let metadata = std::fs::symlink_metadata(path)?;
        let file = (metadata.dev(), metadata.ino());
        let (path, clients) = (path.to_owned(), Vec::new());
        Ok(Self { listener, path, file, clients, patience: PATIENCE })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When somebody's time is up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.clients.iter().map(|client| client.until).min()
    }

    /// The socket first, then each client.
    pub(super) fn poll(&self) -> impl Iterator<Item = PollFd<'_>> {
        let clients = self.clients.iter().map(|client| {
            let output = client.output.is_some();
            PollFd::new(&client.stream, if output { PollFlags::OUT } else { PollFlags::IN })
        });
        std::iter::once(PollFd::new(&self.listener, PollFlags::IN)).chain(clients)
    }

    /// Serves those that `called`, in the order of [`poll`](Self::poll), and lets go whose time is up.
    pub(super) fn serve(
        &mut self,
        called: &[bool],
        now: Instant,
        answer: &mut dyn FnMut(&str, Request<'_>) -> Result<String, String>,
    ) {
        let calls = called.iter().skip(1).copied();
        let clients = std::mem::take(&mut self.clients).into_iter().zip(calls);
        self.clients = clients
            .filter_map(|(mut client, called)| {
                let goes_on = if called { client.serve(answer) } else { true };
                (goes_on && now < client.until).then_some(client)
            })
            .collect();
        if called.first() == Some(&true) {
            self.accept(now);
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // With no file left to open it would be called again and again.
                Err(_) => return std::thread::sleep(REST),
            };
            let refused = match who(&stream) {
                _ if self.clients.len() >= MAX_CLIENTS => "too many connections",
                Some(who) if stream.set_nonblocking(true).is_ok() => {
                    let (input, until) = (Vec::new(), now + self.patience);
                    self.clients.push(Client { stream, who, input, output: None, until });
                    continue;
                }
                _ => "only for root and the user of the agent",
            };
            // As much as the socket takes at once, which is all of it.
            let _ = stream.set_nonblocking(true);
            let _ = stream.write(format!("error: {refused}\n").as_bytes());
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.file);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Client {
    /// Goes on with it; false when it is over.
    fn serve(
        &mut self,
        answer: &mut dyn FnMut(&str, Request<'_>) -> Result<String, String>,
    ) -> bool {
        if self.output.is_none() {
            let end = match self.read() {
                Ok(end) => end,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            };
            let answered = match request(&self.input, end) {
                Ok(None) => return true,
                Ok(Some(request)) => answer(&self.who, request),
                Err(wrong) => Err(wrong),
            };
            let text = match answered {
                Ok(text) => format!("ok\n{text}"),
                Err(wrong) => format!("error: {wrong}\n"),
            };
            self.output = Some((text.into_bytes(), 0));
        }
        self.write()
    }

    /// Reads what is there; true at the end.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(read) => self.input.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.input.len() > MAX_TEXT + MAX_COMMAND {
                return Ok(false);
            }
        }
    }

    /// Writes what is left of the answer; false when that was all, or nobody reads.
    fn write(&mut self) -> bool {
        let Some((text, written)) = &mut self.output else { return true };
        while *written < text.len() {
            match self.stream.write(&text[*written..]) {
                Ok(more) => *written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        false
    }
}

/// What `input` asks for, if that can be told already; `end` is true if no more will come.
pub(super) fn request(input: &[u8], end: bool) -> Result<Option<Request<'_>>, String> {
    let too_long = || Err(format!("more than {MAX_TEXT} bytes"));
    if input.len() > MAX_TEXT + MAX_COMMAND {
        return too_long();
    }
    let line = input.iter().position(|&byte| byte == b'\n');
    let (command, text) = match line {
        Some(at) => (&input[..at], &input[at + 1..]),
        None if end || input.len() > MAX_COMMAND => (input, &[][..]),
        None => return Ok(None),
    };
    let command = command.trim_ascii();
    if command == b"show" {
        return Ok(Some(Request::Show));
    }
    if command != b"set" && command != b"check" {
        let command = String::from_utf8_lossy(&command[..command.len().min(MAX_COMMAND)]);
        return Err(format!("expected show, set or check, found {command:?}"));
    }
    let text = match dot(text) {
        Some(at) => &text[..at],
        None if end => text,
        None => return Ok(None),
    };
    if text.len() > MAX_TEXT {
        return too_long();
    }
    let text = std::str::from_utf8(text).map_err(|_| "the settings are no UTF-8".to_owned())?;
    Ok(Some(if command == b"set" { Request::Set(text) } else { Request::Check(text) }))
}

/// Where a line is only a dot.
fn dot(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if matches!(line, b".\n" | b".\r\n") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Who has connected, if they may ask for anything.
fn who(stream: &UnixStream) -> Option<String> {
    let uid = rustix::net::sockopt::socket_peercred(stream).ok()?.uid;
    let may = uid.is_root() || uid == rustix::process::geteuid();
    may.then(|| format!("control socket, uid {}", uid.as_raw()))
}

/// Nobody else may connect, from the first moment on: the file has the mode of the socket.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 16)?;
    Ok(socket.into())
}

/// Removes the socket that a dead process has left; whatever else is there stays.
fn make_way(path: &Path) -> io::Result<()> {
    let in_use = |what| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return in_use("something else than a socket is there");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
        Ok(_) => in_use("somebody listens there already"),
    }
}
