//! The journal of systemd.

mod export;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{
    Backoff, Clock as _, LogBatch, LogInput, LogMeta, LogRead, LogSources, SignalError,
    SystemClock, Timestamp, ensure_regular,
};

use super::chunks::{Chunk, Chunks};
use super::services::Services;
use super::tail::Start;
pub use export::{JournalEntry, JournalExport};

/// The first wait after journalctl ended, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Builds a [`Journal`].
#[derive(Clone, Debug)]
pub struct JournalBuilder {
    program: PathBuf,
    files: Vec<PathBuf>,
    checkpoint: Option<PathBuf>,
    start: Start,
    follow: bool,
}

impl Default for JournalBuilder {
    fn default() -> Self {
        Self {
            program: "journalctl".into(),
            files: Vec::new(),
            checkpoint: None,
            start: Start::Beginning,
            follow: true,
        }
    }
}

impl JournalBuilder {
    /// Another program than the `journalctl` on `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Reads this file, and others that are named, instead of the host's journal.
    #[must_use]
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.push(file.into());
        self
    }

    /// Where to remember how far was read. Without it each start begins at [`start`](Self::start).
    #[must_use]
    pub fn checkpoint(mut self, file: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(file.into());
        self
    }

    /// Where to begin without a checkpoint. Default at the first entry that the journal still has.
    #[must_use]
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Whether to wait for new entries, the default, or to end behind the last one.
    #[must_use]
    pub const fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Starts to read.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] where there is no `journalctl`; [`SignalError::Read`] where it cannot be run, or where the
    /// checkpoint is no regular file.
    pub fn build(self, sources: LogSources) -> Result<Journal, SignalError> {
        if let Some(path) = &self.checkpoint {
            let read = |source| SignalError::Read { path: path.clone(), source };
            ensure_regular(path).map_err(read)?;
        }
        let resumed = self.checkpoint.as_deref().and_then(Place::read).unwrap_or_default();
        let clock = SystemClock::new();
        let mut journal = Journal {
            since: clock.now(),
            clock,
            services: Services::new(sources, "journal"),
            export: JournalExport::new(Journal::LONGEST),
            kept: resumed.clone(),
            seen: resumed.cursor,
            running: None,
            again_at: None,
            starts: 0,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            ended: false,
            settings: self,
        };
        journal.run()?;
        Ok(journal)
    }
}

/// Reads the journal of systemd through a `journalctl` that it runs: its arguments are fixed, and no shell sees them. One that ends is
/// started again where it was, later each time; it is killed with this.
///
/// The service is the container's name, the unit if that is a service, the identifier or the program. Entries without a message are no
/// lines. Entries that are not of the export format count as lost.
///
/// ```no_run
/// use gadget_core::LogSources;
/// use gadget_signals::logs::Journal;
///
/// let journal = Journal::builder().checkpoint("/var/lib/gadgets/journal").build(LogSources::default())?;
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct Journal {
    settings: JournalBuilder,
    services: Services,
    clock: SystemClock,
    /// When this was made.
    since: Timestamp,
    export: JournalExport,
    /// What the checkpoint says.
    kept: Place,
    /// The cursor of the last entry that was given out.
    seen: String,
    running: Option<Running>,
    /// When journalctl is to be started again.
    again_at: Option<Instant>,
    starts: u32,
    backoff: Backoff,
    ended: bool,
}

struct Running {
    child: Child,
    output: Chunks,
}

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"));
        match output.and_then(|output| Chunks::of(output, "log-journal")) {
            Ok(output) => Ok(Self { child, output }),
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }
}

fn stop(child: &mut Child) -> Option<ExitStatus> {
    // One that has ended cannot be killed, and need not be.
    let _ = child.kill();
    child.wait().ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// How far the journal was read: a file of three lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    cursor: String,
    mark: Option<u64>,
}

const TITLE: &str = "gadget-signals journal 1";

impl Place {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        let (title, mark, cursor) = (lines.next()?, lines.next()?, lines.next()?);
        let whole = text.ends_with('\n') && title == TITLE && is_cursor(cursor);
        whole.then_some(Self { cursor: cursor.to_owned(), mark: Some(mark.parse().ok()?) })
    }

    /// A kill leaves the old file or the new one.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = Path::new(&new);
        let mut file = fs::File::create(new)?;
        write!(file, "{TITLE}\n{}\n{}\n", self.mark.unwrap_or(0), self.cursor)?;
        drop(file);
        fs::rename(new, path)
    }
}

fn is_cursor(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Journal {
    /// The longest message in bytes; what is beyond is dropped, and the line flagged.
    pub const LONGEST: usize = 256 << 10;

    /// The host's journal, from its beginning and on.
    #[must_use]
    pub fn builder() -> JournalBuilder {
        JournalBuilder::default()
    }

    /// What the caller said with the last commit that is in the checkpoint.
    #[must_use]
    pub const fn mark(&self) -> Option<u64> {
        self.kept.mark
    }

    fn failed(&self, source: io::Error) -> SignalError {
        let path = self.settings.program.clone();
        if source.kind() == ErrorKind::NotFound {
            return SignalError::Unsupported { path, needs: "systemd's journalctl" };
        }
        SignalError::Read { path, source }
    }

    fn run(&mut self) -> Result<(), SignalError> {
        let settings = &self.settings;
        let mut command = Command::new(&settings.program);
        command.args(["--output=export", "--no-pager", "--quiet"]);
        if settings.follow {
            command.arg("--follow");
        }
        for file in &settings.files {
            let mut argument = std::ffi::OsString::from("--file=");
            argument.push(file);
            command.arg(argument);
        }
        if !self.seen.is_empty() {
            command.args(["--no-tail", &format!("--after-cursor={}", self.seen)]);
        } else if settings.start == Start::Beginning {
            command.arg("--no-tail");
        } else if self.starts == 0 && settings.follow {
            command.arg("--lines=0");
        } else {
            // It ended before there was an entry.
            let since = self.since.as_nanos() / 1_000_000_000;
            command.args(["--no-tail", &format!("--since=@{since}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        self.starts += 1;
        self.export = JournalExport::new(Self::LONGEST);
        self.running = Some(Running::start(&mut command).map_err(|error| self.failed(error))?);
        Ok(())
    }

    /// Journalctl has ended, and how.
    fn over(&mut self, status: Option<ExitStatus>) -> Result<(), SignalError> {
        self.running = None;
        let success = status.is_some_and(|status| status.success());
        if success && !self.settings.follow {
            self.ended = true;
            return Ok(());
        }
        self.again_at = Some(Instant::now() + self.backoff.failed());
        if success {
            return Ok(());
        }
        let status = status.map_or("an error".to_owned(), |status| status.to_string());
        Err(self.failed(io::Error::other(format!("it ended with {status}"))))
    }

    /// Reads what is there.
    fn entries(&mut self, batch: &mut LogBatch) {
        let Some(running) = &mut self.running else { return };
        let (at, malformed) = (self.clock.now(), self.export.malformed);
        let mut used = 0;
        let bytes = running.output.bytes();
        while used < bytes.len() && !batch.is_full() {
            let (taken, entry) = self.export.next(&bytes[used..]);
            used += taken;
            let Some(entry) = entry else { continue };
            if let Some(message) = entry.message() {
                let source =
                    self.services.id(entry.service().unwrap_or_default(), entry.container());
                let (written, severity) = (entry.written(), entry.severity());
                let flags = entry.flags();
                batch.push(LogMeta { source, at, written, severity, flags }, message);
            }
            if let Some(cursor) = entry.cursor().and_then(|it| std::str::from_utf8(it).ok())
                && is_cursor(cursor)
            {
                self.seen.clear();
                self.seen.push_str(cursor);
                self.backoff.reset();
            }
        }
        running.output.used(used);
        batch.lost += self.export.malformed - malformed;
    }
}

impl LogInput for Journal {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let until = Instant::now() + timeout;
        let before = batch.len();
        while !self.ended && !batch.is_full() {
            // Only the first line is worth waiting for.
            let until = if batch.len() > before { Instant::now() } else { until };
            let left = until.saturating_duration_since(Instant::now());
            let Some(running) = &mut self.running else {
                let again_at = self.again_at.unwrap_or(until);
                if again_at > until {
                    thread::sleep(left);
                    break;
                }
                thread::sleep(again_at.saturating_duration_since(Instant::now()));
                self.again_at = Some(Instant::now() + self.backoff.wait().unwrap_or(FIRST_WAIT));
                self.run()?;
                continue;
            };
            match running.output.fill(left) {
                Chunk::Bytes => self.entries(batch),
                Chunk::Nothing => break,
                Chunk::End | Chunk::Failed(_) => {
                    let status = stop_if_needed(&mut running.child);
                    let over = self.over(status);
                    if batch.len() == before {
                        over?;
                    }
                }
            }
        }
        Ok(if batch.len() > before {
            LogRead::Lines
        } else if self.ended {
            LogRead::End
        } else {
            LogRead::Nothing
        })
    }

    fn commit(&mut self, mark: u64) -> Result<(), SignalError> {
        let Some(path) = &self.settings.checkpoint else { return Ok(()) };
        let place = Place { cursor: self.seen.clone(), mark: Some(mark) };
        if place == self.kept || !is_cursor(&place.cursor) {
            return Ok(());
        }
        place.write(path).map_err(|source| SignalError::Write { path: path.clone(), source })?;
        self.kept = place;
        Ok(())
    }
}

/// How a child ended whose output did: it gets a moment to end by itself.
fn stop_if_needed(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..50 {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    stop(child)
}
