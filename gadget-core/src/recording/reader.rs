//! Reading a recording.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zstd::stream::read::Decoder;

use super::recorder::MAGIC;
use super::schema::Schema;
use super::{RecordingError, frame, schema};
use crate::signal::Signal;
use crate::subject::HostFacts;

/// The largest zstd window that is accepted, 2^23 = 8 MiB: what a recorder uses is far smaller, and a hostile file cannot
/// ask for more.
const MAX_WINDOW_LOG: u32 = 23;

type Stream = Decoder<'static, BufReader<Box<dyn Read + Send>>>;

/// Reads back what a [`Recorder`](crate::Recorder) wrote.
///
/// ```
/// # use gadget_core::{HostFacts, Reading, Recorder, Recording, Signal, Subject, Timestamp};
/// # let dir = std::env::temp_dir().join(format!("recording-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let path = dir.join("night.rec");
/// let facts = HostFacts { boot_id: "8e24".into(), kernel: "6.12.48".into(), agent_pid: 812, cpus: 2 };
/// let seen = Signal { at: Timestamp::from_secs(60), subject: Subject::Host, reading: Reading::OomKill(1) };
///
/// let mut recorder = Recorder::create(&path, &facts)?;
/// recorder.write(std::slice::from_ref(&seen))?;
/// recorder.finish()?;
///
/// let mut recording = Recording::open(&path)?;
/// assert_eq!(recording.facts(), &facts);
/// let mut batch = Vec::new();
/// while recording.next_batch(&mut batch)? {
///     assert_eq!(batch, [seen.clone()]);
/// }
/// assert!(!recording.cut());
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recording {
    pub(super) path: PathBuf,
    facts: HostFacts,
    stream: Stream,
    frame: Vec<u8>,
    /// The number of the frame that is read next.
    number: u64,
    ended: bool,
    cut: bool,
}

impl Recording {
    /// Opens a file and reads its header and the host's facts.
    ///
    /// # Errors
    /// [`RecordingError::Read`], [`RecordingError::NotARecording`], [`RecordingError::Schema`], or
    /// [`RecordingError::Corrupt`], also where it ends within the facts.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|source| RecordingError::Read { path: path.to_owned(), source })?;
        Self::from(path, Box::new(file))
    }

    /// Reads from `source`, which is called `path` in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from(
        path: impl Into<PathBuf>,
        mut source: Box<dyn Read + Send>,
    ) -> Result<Self, RecordingError> {
        let path = path.into();
        check_header(&path, &mut source)?;
        let failed = |source| RecordingError::Read { path: path.clone(), source };
        let mut stream = Decoder::new(source).map_err(failed)?;
        stream.window_log_max(MAX_WINDOW_LOG).map_err(failed)?;
        let facts = HostFacts { boot_id: "".into(), kernel: "".into(), agent_pid: 0, cpus: 0 };
        let mut recording =
            Self { path, facts, stream, frame: Vec::new(), number: 0, ended: false, cut: false };
        if !recording.next_frame()? {
            return Err(recording.corrupt("it ends before the host's facts"));
        }
        recording.facts = postcard::from_bytes(&recording.frame)
            .map_err(|_| recording.corrupt("not the facts of a host"))?;
        recording.number = 1;
        Ok(recording)
    }

    /// The host it was made on.
    #[must_use]
    pub const fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// Reads the next batch into `batch`, whose memory is used again. False at the end.
    ///
    /// # Errors
    /// [`RecordingError::Read`] or [`RecordingError::Corrupt`]. After an error it has ended.
    pub fn next_batch(&mut self, batch: &mut Vec<Signal>) -> Result<bool, RecordingError> {
        batch.clear();
        if self.ended {
            return Ok(false);
        }
        // Set until this frame is found to be whole.
        self.ended = true;
        if !self.next_frame()? {
            return Ok(false);
        }
        frame::decode(&self.frame, batch).map_err(|what| self.corrupt(what))?;
        self.number += 1;
        self.ended = false;
        Ok(true)
    }

    /// True once the end was reached and found to be missing: the writer was killed, or the file was cut. What was read
    /// until then is whole.
    #[must_use]
    pub const fn cut(&self) -> bool {
        self.cut
    }

    /// Reads one frame's bytes. False at the end, whether it is the proper one or not.
    fn next_frame(&mut self) -> Result<bool, RecordingError> {
        self.frame.clear();
        match self.read_up_to(8)? {
            0 if !self.cut => return Ok(false),
            8 => {}
            _ => return Ok(self.is_cut()),
        }
        let (length, sum) = self.frame.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let (length, sum) = (number(length) as usize, number(sum));
        if length > frame::MAX_BYTES {
            return Err(self.corrupt("longer than a frame may be"));
        }
        self.frame.clear();
        if self.read_up_to(length)? < length {
            return Ok(self.is_cut());
        }
        if crc32fast::hash(&self.frame) != sum {
            return Err(self.corrupt("the checksum does not match"));
        }
        Ok(true)
    }

    fn is_cut(&mut self) -> bool {
        self.cut = true;
        false
    }

    /// Appends up to `length` bytes to the frame. Memory grows with what is there, not with what a header claims.
    fn read_up_to(&mut self, length: usize) -> Result<usize, RecordingError> {
        match (&mut self.stream).take(length as u64).read_to_end(&mut self.frame) {
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut = true;
                Ok(0)
            }
            Err(source) if source.raw_os_error().is_some() => {
                Err(RecordingError::Read { path: self.path.clone(), source })
            }
            Err(_) => Err(self.corrupt("not a zstd stream")),
        }
    }

    fn corrupt(&self, what: &'static str) -> RecordingError {
        RecordingError::Corrupt { path: self.path.clone(), frame: self.number, what }
    }
}

fn check_header(path: &Path, source: &mut dyn Read) -> Result<(), RecordingError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::UnexpectedEof => RecordingError::NotARecording { path: path.to_owned() },
        _ => RecordingError::Read { path: path.to_owned(), source },
    };
    let mut header = [0; MAGIC.len() + 2];
    source.read_exact(&mut header).map_err(failed)?;
    let (magic, version) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(RecordingError::NotARecording { path: path.to_owned() });
    }
    let version = version.try_into().map_or(0, u16::from_le_bytes);
    let found = match version {
        schema::VERSION => Schema::read(source).map_err(failed)?,
        _ => None,
    };
    match found {
        Some(found) if schema::OURS.reads(&found) => Ok(()),
        found => Err(RecordingError::Schema {
            path: path.to_owned(),
            found: found.map_or_else(|| version.to_string(), |found| found.describe(version)),
            expected: schema::OURS.describe(schema::VERSION),
        }),
    }
}

/// Batch after batch, each in memory of its own; [`Recording::next_batch`] is faster.
impl Iterator for Recording {
    type Item = Result<Vec<Signal>, RecordingError>;
    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::new();
        match self.next_batch(&mut batch) {
            Ok(true) => Some(Ok(batch)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).finish_non_exhaustive()
    }
}
