//! `GC.run` in a JVM through its attach socket, as `jcmd` asks for it.
//!
//! The JVM opens `/tmp/.java_pidN` when it gets `SIGQUIT` while `/tmp/.attach_pidN` exists; N is its process id in its own
//! pid namespace, and `/tmp` that of its own mount namespace. A request is `1`, the command and three arguments, each
//! ended by a zero; the answer is a line with a number, 0 for success, and text.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use gadget_core::{ActionError, Bytes, Summary, summary};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchown, fstat, openat, openat2, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Signal, Uid};

use super::status_field;
use crate::error::system;
use crate::file;
use crate::process::Target;

/// How often, and with what pause between, to look whether the JVM listens: 10 s in all, as it has to reach a safepoint.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// How long a collection may take.
const COLLECTION: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"1\0jcmd\0GC.run\0\0\0";

/// Asks for a collection, waits until it is over, and says what became of the resident memory.
pub(crate) fn collect(target: &Target, name: &str) -> Result<Summary, ActionError> {
    let jvm = Jvm::of(target)?;
    let socket = match jvm.socket() {
        Ok(socket) => socket,
        Err(_) => jvm.listen(target)?,
    };
    let before = resident(target);
    ask(&socket)
        .map_err(|source| ActionError::System { attempt: "run GC.run in the JVM", source })?;
    let (pid, after) = (target.id.pid, resident(target));
    Ok(summary(format_args!("GC.run in {pid} ({name}), resident {before} -> {after}")))
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
    fn listen(&self, target: &Target) -> Result<OwnedFd, ActionError> {
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
                for _ in 0..LOOKS {
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

fn ask(socket: &OwnedFd) -> io::Result<()> {
    // Through the open file: its path is in another mount namespace, and could be another's by now.
    let mut stream = UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd()))?;
    stream.set_write_timeout(Some(COLLECTION))?;
    stream.set_read_timeout(Some(COLLECTION))?;
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    match answer.split_once('\n') {
        Some(("0", _)) => Ok(()),
        _ => Err(io::Error::other(format!("it answered {:?}", answer.trim_end()))),
    }
}

/// Resident memory from `statm`.
fn resident(target: &Target) -> Bytes {
    let pages =
        || file::read_value(target.dir.as_fd(), "statm").ok()?.split(' ').nth(1)?.parse().ok();
    Bytes::from_pages(
        pages().unwrap_or(0),
        u64::try_from(rustix::param::page_size()).unwrap_or(4096),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::open;

    use super::*;

    fn jvm(tmp: &tempfile::TempDir, uid: u32) -> Jvm {
        let tmp = open(tmp.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        Jvm { tmp, pid: 7, uid, gid: 0 }
    }

    fn us() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Answers one request with `answer`, and returns what was asked.
    fn answering(tmp: &tempfile::TempDir, answer: &'static str) -> thread::JoinHandle<Vec<u8>> {
        let listener = UnixListener::bind(tmp.path().join(".java_pid7")).unwrap();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            request
        })
    }

    #[test]
    fn the_request_is_the_one_that_a_jvm_reads_and_its_answer_is_judged() {
        for (answer, good) in [
            ("0\nCommand executed successfully\n", true),
            ("101\nno such command\n", false),
            ("", false),
        ] {
            let tmp = tempfile::tempdir().unwrap();
            let server = answering(&tmp, answer);
            let asked = ask(&jvm(&tmp, us()).socket().unwrap());
            assert_eq!(asked.is_ok(), good, "{answer:?}: {asked:?}");
            assert_eq!(server.join().unwrap(), b"1\0jcmd\0GC.run\0\0\0");
        }
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
