//! No space: nothing is half recorded, nothing happens without its record, and it goes on when there is space again.

use std::ffi::CStr;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// The directory that a child works in.
const PLACE: &str = "GADGET_FULL_DIR";

/// Appends and intends while there is no space, then when there is; `free` makes it.
fn fills_and_goes_on(dir: &Path, mut ledger: Ledger, free: impl FnOnce()) {
    let text = "x".repeat(700);
    let mut written = 0;
    let error = loop {
        match ledger.append(at(2), &noted(&text)) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the disk does not fill");
    };
    assert!(matches!(error, LedgerError::Full { .. }), "{error:?}");
    let carried = ledger.carried().clone();
    for _ in 0..3 {
        let intended = ledger.record_intent(plan(1, Step::Freeze), thaw(), at(3));
        assert!(matches!(intended, Err(LedgerError::Full { .. })), "{intended:?}");
    }
    assert_eq!(ledger.carried(), &carried, "what is not on record is not carried either");
    free();
    let _ = ledger.record_intent(plan(2, Step::Freeze), thaw(), at(4)).unwrap();
    let last = ledger.append(at(5), &noted(&text)).unwrap();
    drop(ledger);
    let verified = Ledger::verify(dir).unwrap();
    assert_eq!((verified.first, verified.last, verified.torn), (0, last, 0));
    let (mut plans, mut notes) = (Vec::new(), 0);
    for record in Ledger::read(dir) {
        match record.unwrap().entry {
            Entry::Intended { plan, .. } => plans.push(plan.id),
            Entry::Noted(_) => notes += 1,
            _ => {}
        }
    }
    assert_eq!(plans, [PlanId(2)], "the intents that were refused left no trace");
    assert_eq!(notes, written + 1, "what was said to be written is there, once");
}

/// `RLIMIT_FSIZE` fails a write with `EFBIG` in the midst of a record, for a process that ignores `SIGXFSZ`. A shell
/// makes one without unsafe code.
#[test]
fn a_file_that_may_not_grow_stops_effects_until_it_may() {
    if let Some(dir) = std::env::var_os(PLACE) {
        let dir = Path::new(&dir);
        let ledger = Ledger::open(dir, &facts("a"), at(0)).unwrap();
        let whole = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(5_000), maximum: whole.maximum })
            .unwrap();
        fills_and_goes_on(dir, ledger, || setrlimit(Resource::Fsize, whole).unwrap());
        return println!("it went on");
    }
    let home = Home::new();
    let output = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact"])
        .arg("ledger::tests::full::a_file_that_may_not_grow_stops_effects_until_it_may")
        .env(PLACE, home.dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("it went on"), "{output:?}");
}

/// A small file system of its own. Needs the right to mount; the test above runs everywhere.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(options: &CStr) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        match mount("none", place.path(), "tmpfs", MountFlags::empty(), options) {
            Ok(()) => Some(Self(place)),
            Err(error) => {
                eprintln!(
                    "SKIPPED: a tmpfs cannot be mounted here ({error}); only EFBIG is tested"
                );
                None
            }
        }
    }

    /// Goes on with a ledger of these bounds until there is no space, and then frees some.
    fn test(&self, settings: LedgerSettings) {
        let (dir, ballast) = (self.0.path().join("ledger"), self.0.path().join("ballast"));
        fs::write(&ballast, [0; 8 << 10]).unwrap();
        let ledger = Ledger::open_with(&dir, settings, &facts("a"), at(0)).unwrap();
        fills_and_goes_on(&dir, ledger, || fs::remove_file(ballast).unwrap());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_stops_effects_until_there_is_space() {
    if let Some(small) = Small::mount(c"size=64k,mode=0700") {
        small.test(LedgerSettings::default());
    }
}

#[test]
fn a_segment_that_finds_no_space_is_started_later() {
    if let Some(small) = Small::mount(c"size=32k,mode=0700") {
        small.test(LedgerSettings { segment_size: Bytes::from_kib(4), segments: 9 });
    }
}
