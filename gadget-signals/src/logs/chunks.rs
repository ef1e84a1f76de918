//! Bytes from something that blocks, read on a thread of its own.

use std::io::{self, ErrorKind, Read};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// How many chunks wait to be dealt with; then the thread does not read, and the writer at the other end is held back.
const WAITING: usize = 4;

/// What a reader gave.
pub(super) enum Chunk {
    Bytes,
    Nothing,
    End,
    Failed(io::Error),
}

/// Reads ahead, at most five chunks of 64 KiB. The thread ends when the reader does, or at the first bytes after this is gone: a read
/// that blocks cannot be called back.
pub(super) struct Chunks {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    now: Vec<u8>,
    at: usize,
}

impl Chunks {
    pub(super) fn of(mut reader: impl Read + Send + 'static, name: &str) -> io::Result<Self> {
        let (full, full_out) = bounded(WAITING);
        let (empty, empty_out) = bounded::<Vec<u8>>(WAITING + 1);
        let run = move || {
            loop {
                let mut chunk = empty_out.try_recv().unwrap_or_default();
                chunk.resize(CHUNK, 0);
                let read = match reader.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(read) => {
                        chunk.truncate(read);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if full.send(read).is_err() || failed {
                    return;
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { full: full_out, empty, now: Vec::new(), at: 0 })
    }

    /// Makes sure that there are [`bytes`](Self::bytes), waiting for them at most `timeout`.
    pub(super) fn fill(&mut self, timeout: Duration) -> Chunk {
        if self.at < self.now.len() {
            return Chunk::Bytes;
        }
        match self.full.recv_timeout(timeout) {
            Ok(Ok(chunk)) => {
                let _ = self.empty.try_send(std::mem::replace(&mut self.now, chunk));
                self.at = 0;
                Chunk::Bytes
            }
            Ok(Err(error)) => Chunk::Failed(error),
            Err(RecvTimeoutError::Timeout) => Chunk::Nothing,
            Err(RecvTimeoutError::Disconnected) => Chunk::End,
        }
    }

    /// What was read and not used.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.now[self.at..]
    }

    pub(super) fn used(&mut self, bytes: usize) {
        self.at += bytes;
    }
}
