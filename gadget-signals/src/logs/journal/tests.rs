use std::os::unix::fs::PermissionsExt as _;
use std::process::ChildStdin;

use gadget_core::Severity;

use super::*;

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

fn entry(n: u64, message: &str) -> Vec<u8> {
    let (micros, length) = (1_700_000_000_000_000 + n * 1_000_000, message.len() as u64);
    let mut entry = format!(
        "__CURSOR=s=00112233445566778899aabbccddeeff;i={n:x};b=0123456789abcdef0123456789abcdef;m={n:x};t={micros:x};x={n:x}\n\
         __REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
         PRIORITY=4\n_SYSTEMD_UNIT=shop.service\nMESSAGE\n"
    )
    .into_bytes();
    entry.extend_from_slice(&length.to_le_bytes());
    entry.extend_from_slice(message.as_bytes());
    entry.extend_from_slice(b"\n\n");
    entry
}

/// The texts of everything up to `lines` lines or the end.
fn read(journal: &mut Journal, lines: usize) -> Vec<String> {
    let mut batch = LogBatch::default();
    let mut found = Vec::new();
    let until = Instant::now() + Duration::from_secs(30);
    while found.len() < lines && Instant::now() < until {
        match journal.read(&mut batch, Duration::from_secs(1)) {
            Ok(LogRead::End) => break,
            Ok(_) => found
                .extend(batch.iter().map(|(_, text)| String::from_utf8(text.to_vec()).unwrap())),
            // It is started again.
            Err(error) => assert!(matches!(error, SignalError::Read { .. }), "{error}"),
        }
        batch.clear();
    }
    found
}

/// A program in the place of journalctl.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("journalctl");
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn without_journalctl_there_is_no_journal() {
    let error =
        Journal::builder().program("/nowhere/journalctl").build(LogSources::default()).err();
    assert!(matches!(error, Some(SignalError::Unsupported { .. })), "{error:?}");
}

#[test]
fn a_journalctl_that_dies_is_started_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("1"),
        [entry(1, "one"), entry(2, "two"), entry(3, "cut off")[..200].to_vec()].concat(),
    )
    .unwrap();
    fs::write(folder.path().join("2"), entry(3, "three")).unwrap();
    let text = format!(
        "cd {}; echo \"$@\" >> calls\ncase \"$*\" in *i=2*) cat 2; exec sleep 100;; *) cat 1; exit 1;; esac",
        folder.path().display()
    );
    let program = script(folder.path(), &text);
    let sources = LogSources::default();
    let mut journal = Journal::builder().program(program).build(sources.clone()).unwrap();
    assert_eq!(read(&mut journal, 3), ["one", "two", "three"]);
    let child = journal.running.as_ref().unwrap().child.id();
    drop(journal);
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "it was killed");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    assert_eq!(calls[0], "--output=export --no-pager --quiet --follow --no-tail");
    assert!(calls[1].starts_with(&format!("{} --after-cursor=s=0011", calls[0])), "{}", calls[1]);
}

#[test]
fn what_was_committed_does_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("place");
    fs::write(folder.path().join("all"), [entry(1, "one"), entry(2, "two")].concat()).unwrap();
    let text = format!(
        "cd {}; case \"$*\" in *after-cursor*i=2*) ;; *) cat all;; esac",
        folder.path().display()
    );
    let program = script(folder.path(), &text);
    let builder = Journal::builder().program(program).checkpoint(&checkpoint).follow(false);
    let open = || builder.clone().build(LogSources::default()).unwrap();

    let mut journal = open();
    assert_eq!((read(&mut journal, 9).len(), journal.mark()), (2, None));
    let mut journal = open();
    assert_eq!(read(&mut journal, 9).len(), 2, "nothing was committed");
    journal.commit(77).unwrap();
    let mut journal = open();
    assert_eq!((read(&mut journal, 9).len(), journal.mark()), (0, Some(77)));
    fs::write(&checkpoint, "gadget-signals journal 1\n5\ns=1 --file=/etc/passwd\n").unwrap();
    assert_eq!(open().mark(), None, "that is no cursor");
}

/// Writes into a journal of its own what it is given in the export format.
struct Writer(Child, ChildStdin);

impl Writer {
    fn at(journal: &Path) -> Self {
        let mut command = Command::new(REMOTE);
        command.arg(format!("--output={}", journal.display())).arg("-").stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        Self(child, input)
    }

    fn write(&mut self, entry: &[u8]) {
        self.1.write_all(entry).unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

#[test]
fn a_real_journal_is_read_followed_and_resumed() {
    if Command::new("journalctl").arg("--version").stdout(Stdio::null()).status().is_err()
        || !Path::new(REMOTE).exists()
    {
        println!("SKIPPED: it needs journalctl and systemd-journal-remote");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.journal");
    let mut writer = Writer::at(&file);
    writer.write(&entry(1, "one"));
    writer.write(&entry(2, "two\nlines"));
    let until = Instant::now() + Duration::from_secs(20);
    while !file.exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    let sources = LogSources::default();
    let builder = Journal::builder().file(&file).checkpoint(folder.path().join("place"));
    let mut journal = builder.clone().build(sources.clone()).unwrap();
    let mut batch = LogBatch::default();
    while batch.len() < 2 && Instant::now() < until {
        // A journal that is just being made cannot be read yet.
        let _ = journal.read(&mut batch, Duration::from_secs(1));
    }
    assert_eq!(batch.block(), b"one\ntwo\nlines\n");
    let (meta, _) = batch.iter().next().unwrap();
    assert_eq!(&*sources.get(meta.source).service, "shop");
    assert_eq!(meta.written.unwrap().to_string(), "2023-11-14T22:13:21.000Z");
    assert_eq!(meta.severity, Some(Severity::Warn));
    journal.commit(1).unwrap();
    writer.write(&entry(3, "three, while it is followed"));
    assert_eq!(read(&mut journal, 1), ["three, while it is followed"]);
    // Not committed: it comes again.
    drop(journal);
    writer.write(&entry(4, "four"));
    let mut journal = builder.build(sources).unwrap();
    assert_eq!(journal.mark(), Some(1));
    assert_eq!(read(&mut journal, 2), ["three, while it is followed", "four"]);
}
