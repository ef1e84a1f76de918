//! Writing a recording.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zstd::stream::write::Encoder;

use super::{RecordingError, frame, schema};
use crate::signal::Signal;
use crate::subject::HostFacts;
use crate::units::{Bytes, Timestamp};

pub(super) const MAGIC: [u8; 8] = *b"gadgets\n";

/// Level 1 takes 30 % less CPU than level 3 and makes a file 6 % larger (an hour of 500 cgroups: 180 ns and 8.3 bytes a
/// signal).
const LEVEL: i32 = 1;

/// What a killed writer may lose: this much recorded time. Flushing every 10 s instead makes a file 2 % smaller.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Writes what providers saw to a file.
///
/// Dropping it finishes the file as [`finish`](Self::finish) does, without telling of errors.
pub struct Recorder {
    path: PathBuf,
    stream: Encoder<'static, Counted>,
    frame: Vec<u8>,
    flushed: Timestamp,
    limit: u64,
    finished: bool,
}

impl Recorder {
    /// The default of [`limit`](Self::limit): weeks of a host with 500 cgroups.
    pub const LIMIT: Bytes = Bytes::new(16 << 30);

    /// Creates the file, or empties the one that is there.
    ///
    /// # Errors
    /// [`RecordingError::Write`].
    pub fn create(path: impl AsRef<Path>, facts: &HostFacts) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path)
            .map_err(|source| RecordingError::Write { path: path.clone(), source })?;
        Self::to(path, Box::new(file), facts)
    }

    /// Writes to `out`, which is called `path` in errors.
    ///
    /// # Errors
    /// [`RecordingError::Write`].
    pub fn to(
        path: impl Into<PathBuf>,
        mut out: Box<dyn Write + Send>,
        facts: &HostFacts,
    ) -> Result<Self, RecordingError> {
        let path = path.into();
        let failed = |source| RecordingError::Write { path: path.clone(), source };
        let begin = || {
            out.write_all(&MAGIC)?;
            out.write_all(&schema::VERSION.to_le_bytes())?;
            out.write_all(&schema::OURS.to_bytes())?;
            Encoder::new(Counted { out, written: 0 }, LEVEL)
        };
        let stream = begin().map_err(failed)?;
        let frame = postcard::to_stdvec(facts).map_err(|error| failed(io::Error::other(error)))?;
        let mut recorder = Self {
            stream,
            frame,
            flushed: Timestamp::EPOCH,
            limit: Self::LIMIT.get(),
            finished: false,
            path,
        };
        recorder
            .write_frame()
            .and_then(|()| recorder.stream.flush())
            .map_err(|it| recorder.failed(it))?;
        Ok(recorder)
    }

    /// Sets how large the file may become, to within one flush.
    #[must_use]
    pub fn limit(mut self, limit: Bytes) -> Self {
        self.limit = limit.get();
        self
    }

    /// Writes one batch, as it was given to the agent. An empty one is nothing.
    ///
    /// # Errors
    /// [`RecordingError::TooLarge`] without having written anything; [`RecordingError::Full`] for every batch once the
    /// limit is reached, the file being complete up to there; [`RecordingError::Write`].
    pub fn write(&mut self, batch: &[Signal]) -> Result<(), RecordingError> {
        let Some(first) = batch.first() else { return Ok(()) };
        if !self.finished && self.written() >= self.limit {
            self.finish_stream()?;
        }
        if self.finished {
            return Err(RecordingError::Full { path: self.path.clone(), limit: self.limit });
        }
        self.frame.clear();
        frame::encode(batch, &mut self.frame)
            .map_err(|bytes| RecordingError::TooLarge { signals: batch.len(), bytes })?;
        self.write_frame().map_err(|source| self.failed(source))?;
        if self.flushed == Timestamp::EPOCH || first.at.since(self.flushed) >= FLUSH_EVERY {
            self.flushed = first.at;
            self.flush()?;
        }
        Ok(())
    }

    /// Hands what was written so far to the system, so that it can be read even if this process is killed.
    ///
    /// # Errors
    /// [`RecordingError::Write`].
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.stream.flush().map_err(|source| self.failed(source))
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// [`RecordingError::Write`].
    pub fn finish(mut self) -> Result<(), RecordingError> {
        self.finish_stream()
    }

    /// Bytes handed to the system so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.stream.get_ref().written
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.frame.len()).map_err(io::Error::other)?;
        self.stream.write_all(&length.to_le_bytes())?;
        self.stream.write_all(&crc32fast::hash(&self.frame).to_le_bytes())?;
        self.stream.write_all(&self.frame)
    }

    fn finish_stream(&mut self) -> Result<(), RecordingError> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        self.stream
            .do_finish()
            .and_then(|()| self.stream.get_mut().flush())
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> RecordingError {
        RecordingError::Write { path: self.path.clone(), source }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.finish_stream();
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Counts what goes through.
struct Counted {
    out: Box<dyn Write + Send>,
    written: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
