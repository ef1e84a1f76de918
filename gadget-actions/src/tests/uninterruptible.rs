//! A process that no signal ends: it writes to a frozen file system.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use gadget_core::{Action as _, ActionError, Step, Subject, Timestamp};

use crate::linux::Linux;
use crate::testing::{Child, act, eventually, finish, plan};

const NOW: Timestamp = Timestamp::from_secs(2_000);

/// A writer on a file system of its own, in a mount namespace of its own, that is frozen until this is dropped.
struct Frozen {
    writer: Child,
    /// Where the file system is, seen from here.
    mount: PathBuf,
    _dir: tempfile::TempDir,
}

impl Frozen {
    /// None, and says so, where that cannot be made.
    fn make() -> Option<Self> {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        // Should we be killed, the file system goes on by itself.
        let script = "cd DIR && truncate -s 8M image && mkfs.ext4 -q image && mkdir fs && \
             mount -o loop image fs && fsfreeze -f fs && \
             { (for i in $(seq 60); do [ -e image ] || break; sleep 1; done; fsfreeze -u fs) >&- & } && \
             echo ready; exec dd if=/dev/zero of=fs/file count=1";
        let script = script.replace("DIR", dir.path().to_str().unwrap());
        let writer = Child::script(&format!("exec unshare --mount sh -c '{script}'"));
        let mount = format!("/proc/{}/root{}/fs", writer.pid(), dir.path().display());
        let frozen = Self { writer, mount: mount.into(), _dir: dir };
        // For a while: it also sleeps like that until its program is read from the disk.
        let mut asleep = 0;
        for _ in 0..200 {
            let sleeps = frozen.writer.state() == b'D' && frozen.call("comm") == "dd\n";
            asleep = if sleeps { asleep + 1 } else { 0 };
            if asleep == 20 {
                return Some(frozen);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!(
            "SKIPPED: no file system can be made and frozen here; process/ending.rs tests what is said of one that stays"
        );
        None
    }

    fn call(&self, file: &str) -> String {
        let file = format!("/proc/{}/{file}", self.writer.pid());
        std::fs::read_to_string(file).unwrap_or_default()
    }

    fn thaw(&self) {
        let mut thaw = Command::new("fsfreeze");
        // The second time there is nothing left to thaw.
        let _ = thaw.arg("-u").arg(&self.mount).stderr(Stdio::null()).status();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw();
    }
}

#[test]
fn one_that_sleeps_uninterruptibly_is_captured_and_that_it_did_not_end_is_said() {
    let Some(mut frozen) = Frozen::make() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut linux = Linux::builder().capture(dir.path()).build();
    let of = |step| plan(step, Subject::Process(frozen.writer.id()), "writer");

    act(&mut linux, &of(Step::CaptureStacks)).unwrap();
    let captured = finish(&mut linux, NOW, Duration::from_millis(10));
    assert!(matches!(&captured[..], [Ok(_)]), "{captured:?}");
    let folder = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let threads = std::fs::read_to_string(folder.join("threads.txt")).unwrap();
    assert!(threads.contains(&format!("\n{} D ", frozen.writer.pid())), "{threads}");

    let terminate = of(Step::Terminate { grace: Duration::from_secs(1) });
    act(&mut linux, &terminate).unwrap();
    let mut results = Vec::new();
    // The agent's time: a second of grace, five to die, and it is over, however long that sleep will be.
    let mut now = NOW;
    while linux.next_advance().is_some() {
        linux.advance(now, &mut |_, result| results.push((now, result)));
        now = now + Duration::from_millis(100);
        assert!(now < NOW + Duration::from_secs(10));
    }
    let [(at, Err(error))] = &results[..] else { panic!("{results:?}") };
    let ActionError::System { attempt, source } = error else { panic!("{error:?}") };
    assert!(attempt.contains("still in uninterruptible sleep"), "{attempt}");
    assert_eq!(source.kind(), std::io::ErrorKind::TimedOut);
    let took = at.since(NOW);
    assert!((Duration::from_secs(6)..=Duration::from_millis(6_200)).contains(&took), "{took:?}");
    assert_eq!(frozen.writer.state(), b'D');

    // It has both signals, and takes the first once it wakes up.
    frozen.thaw();
    assert_eq!(frozen.writer.ended_by(), Some(15));
    eventually("nothing is left of it", || linux.prepare(&terminate).is_err());
}
