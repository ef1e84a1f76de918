//! Asking a JVM something through its attach socket, as `jcmd` and `jstack` do.
//!
//! The JVM opens `/tmp/.java_pidN` when it gets `SIGQUIT` while `/tmp/.attach_pidN` exists; N is its process id in its own
//! pid namespace, and `/tmp` that of its own mount namespace. A request is `1`, the command and three arguments, each
//! ended by a zero; the answer is a line with a number, 0 for success, and text.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::ActionError;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchown, fstat, openat, openat2, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Gid, Signal, Uid};

use super::status_field;
use crate::error::system;
use crate::process::Target;

/// How long to wait until the JVM listens, as it has to reach a safepoint; and with what pause between two looks.
const LISTENING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A request: what to do, and what it is called in an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) bytes: &'static [u8],
    pub(crate) attempt: &'static str,
    /// The most that is read of the answer.
    pub(crate) answer: usize,
}

/// Asks, and returns the text of the answer.
pub(crate) fn ask(
    target: &Target,
    request: Request,
    patience: Duration,
) -> Result<Vec<u8>, ActionError> {
    let until = Instant::now() + patience;
    let jvm = Jvm::of(target)?;
    let socket = match jvm.socket() {
        Ok(socket) => socket,
        Err(_) => jvm.listen(target, patience)?,
    };
    talk(&socket, request, until)
        .map_err(|source| ActionError::System { attempt: request.attempt, source })
}

/// The JVM's side of the file system, and who it is there.
#[derive(Debug)]
struct Jvm {
    /// Its `/tmp`.
    tmp: OwnedFd,
    /// Its process id in its own pid namespace.
    pid: u32,
    uid: u32,
    gid: u32,
}

impl Jvm {
    fn of(target: &Target) -> Result<Self, ActionError> {
        // Of the four ids, the second is the effective one; of the process ids, the last is that of the innermost namespace.
        let second = |key| status_field(target, key)?.split_whitespace().nth(1)?.parse().ok();
        let innermost = |ids: String| ids.split_whitespace().last()?.parse().ok();
        let pid = status_field(target, "NSpid:").and_then(innermost).unwrap_or(target.id.pid);
        let (uid, gid) = second("Uid:").zip(second("Gid:")).ok_or(crate::error::GONE)?;
        // The link itself leads into the JVM's mount namespace; nothing in there may lead out again.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = openat(&target.dir, c"root", flags, Mode::empty())
            .and_then(|root| openat2(root, c"tmp", flags, Mode::empty(), ResolveFlags::IN_ROOT));
        let tmp = open.map_err(|errno| system("open /tmp of the JVM", errno))?;
        Ok(Self { tmp, pid, uid, gid })
    }

    /// Opens its socket, without connecting: it is the JVM's own, or nobody's.
    fn socket(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let socket = self.open(&format!(".java_pid{}", self.pid), flags, Mode::empty())?;
        let found = fstat(&socket)?;
        let theirs =
            found.st_uid == self.uid && FileType::from_raw_mode(found.st_mode) == FileType::Socket;
        if theirs { Ok(socket) } else { Err(Errno::PERM) }
    }

    /// Makes it listen.
    fn listen(&self, target: &Target, patience: Duration) -> Result<OwnedFd, ActionError> {
        let until = Instant::now() + patience.min(LISTENING);
        let name = format!(".attach_pid{}", self.pid);
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let asked = match self.open(&name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => fchown(&file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid))),
            // Somebody asked before and died, or is asking now.
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno),
        };
        let listening =
            asked.map_err(|errno| system("ask the JVM to listen", errno)).and_then(|()| {
                target.signal(Signal::QUIT)?;
                while Instant::now() < until {
                    if let Ok(socket) = self.socket() {
                        return Ok(socket);
                    }
                    if target.exited() {
                        return Err(crate::error::GONE);
                    }
                    thread::sleep(PAUSE);
                }
                let source = io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it does not listen; is its attach mechanism disabled?",
                );
                Err(ActionError::System { attempt: "ask the JVM to listen", source })
            });
        let _ = unlinkat(&self.tmp, name, AtFlags::empty());
        listening
    }

    fn open(&self, name: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        openat2(&self.tmp, name, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
    }
}

fn talk(socket: &OwnedFd, request: Request, until: Instant) -> io::Result<Vec<u8>> {
    // Through the open file: its path is in another mount namespace, and could be another's by now.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", socket.as_raw_fd()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Does not wait where others queue up.
    connect(&socket, &address)?;
    let mut stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    let left = || {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(request.bytes)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 16384]);
    while answer.len() < request.answer {
        stream.set_read_timeout(Some(left()?))?;
        let len = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len.min(request.answer - answer.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        answer.extend_from_slice(buffer.get(..len).unwrap_or_default());
    }
    match answer.strip_prefix(b"0\n") {
        Some(text) => Ok(text.to_vec()),
        None => {
            answer.truncate(256);
            let answer = String::from_utf8_lossy(&answer);
            Err(io::Error::other(format!("it answered {:?}", answer.trim_end())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::open;

    use super::super::jvm::{COLLECT, THREAD_DUMP};
    use super::*;

    fn jvm(tmp: &tempfile::TempDir, uid: u32) -> Jvm {
        let tmp = open(tmp.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        Jvm { tmp, pid: 7, uid, gid: 0 }
    }

    fn us() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Answers one request with `answer`, and returns what was asked.
    fn answering(
        tmp: &tempfile::TempDir,
        request: Request,
        answer: &'static str,
    ) -> thread::JoinHandle<Vec<u8>> {
        let listener = UnixListener::bind(tmp.path().join(".java_pid7")).unwrap();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut asked = vec![0; request.bytes.len()];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn the_request_is_the_one_that_a_jvm_reads_and_its_answer_is_judged() {
        for (request, bytes) in
            [(COLLECT, &b"1\0jcmd\0GC.run\0\0\0"[..]), (THREAD_DUMP, b"1\0threaddump\0\0\0\0")]
        {
            for (answer, text) in [
                ("0\nCommand executed successfully\n", Some("Command executed successfully\n")),
                ("101\nno such command\n", None),
                ("", None),
            ] {
                let tmp = tempfile::tempdir().unwrap();
                let server = answering(&tmp, request, answer);
                let told = talk(&jvm(&tmp, us()).socket().unwrap(), request, soon());
                assert_eq!(told.ok().as_deref(), text.map(str::as_bytes), "{answer:?}");
                assert_eq!(server.join().unwrap(), bytes);
            }
        }
    }

    #[test]
    fn one_that_does_not_answer_is_not_waited_for_and_its_answer_is_bounded() {
        let tmp = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(tmp.path().join(".java_pid7")).unwrap();
        let socket = jvm(&tmp, us()).socket().unwrap();
        let until = Instant::now() + Duration::from_millis(50);
        assert!(talk(&socket, COLLECT, until).is_err());
        assert!(talk(&socket, COLLECT, Instant::now()).is_err());
        drop(listener);
        std::fs::remove_file(tmp.path().join(".java_pid7")).unwrap();
        let short = Request { answer: 4, ..COLLECT };
        let server = answering(&tmp, short, "0\nabcdef");
        assert_eq!(talk(&jvm(&tmp, us()).socket().unwrap(), short, soon()).unwrap(), b"ab");
        server.join().unwrap();
    }

    #[test]
    fn a_socket_of_another_user_a_link_and_a_file_are_not_the_jvms() {
        let tmp = tempfile::tempdir().unwrap();
        let name = tmp.path().join(".java_pid7");
        let _listener = UnixListener::bind(tmp.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(tmp.path().join("elsewhere"), &name).unwrap();
        assert!(jvm(&tmp, us()).socket().is_err());
        std::fs::remove_file(&name).unwrap();
        std::fs::write(&name, "").unwrap();
        assert!(jvm(&tmp, us()).socket().is_err());
        std::fs::remove_file(&name).unwrap();
        let _listener = UnixListener::bind(&name).unwrap();
        assert!(jvm(&tmp, us() + 1).socket().is_err());
        assert!(jvm(&tmp, us()).socket().is_ok());
    }
}
