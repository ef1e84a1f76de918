//! Lines from the program that the agent is part of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use gadget_core::{
    Clock as _, LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSource, LogSources, SignalError,
    SourceId, SystemClock,
};

/// The longest line that is sent; what is beyond is dropped, and the line flagged.
const LONGEST: usize = 256 << 10;

/// A way for lines from an embedder's own pipeline into the log path; `lines` of them may wait, at least one.
///
/// ```
/// use std::time::Duration;
/// use gadget_core::{LogBatch, LogInput, LogSources};
/// use gadget_signals::logs::log_channel;
///
/// let (sender, mut input) = log_channel(LogSources::default(), 1024);
/// sender.send("checkout", b"order 17 is paid")?;
/// let mut batch = LogBatch::default();
/// input.read(&mut batch, Duration::from_secs(1))?;
/// assert_eq!(batch.block(), b"order 17 is paid\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn log_channel(sources: LogSources, lines: usize) -> (LogSender, LogChannel) {
    let (sender, receiver) = bounded(lines.max(1));
    let lost = Arc::new(AtomicU64::new(0));
    let clock = SystemClock::new();
    let channel = LogChannel { receiver, lost: lost.clone() };
    (LogSender { sender, sources, lost, clock }, channel)
}

struct Sent {
    meta: LogMeta,
    text: Box<[u8]>,
}

/// Sends lines; clones send to the same input.
#[derive(Clone)]
pub struct LogSender {
    sender: Sender<Sent>,
    sources: LogSources,
    lost: Arc<AtomicU64>,
    clock: SystemClock,
}

/// Nobody reads the channel any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the log channel any more")
    }
}

impl std::error::Error for Closed {}

impl LogSender {
    /// Sends a line of `service`, waiting for room.
    ///
    /// # Errors
    /// [`Closed`] when the input is gone.
    pub fn send(&self, service: &str, line: &[u8]) -> Result<(), Closed> {
        self.send_with(self.meta(service), line)
    }

    /// Sends a line of which more is known: where from, when, how grave.
    ///
    /// # Errors
    /// [`Closed`] when the input is gone.
    pub fn send_with(&self, meta: LogMeta, line: &[u8]) -> Result<(), Closed> {
        self.sender.send(sent(meta, line)).map_err(|_| Closed)
    }

    /// Sends a line of `service` if there is room. One that is not sent, `false`, is counted as lost.
    ///
    /// # Errors
    /// [`Closed`] when the input is gone.
    pub fn try_send(&self, service: &str, line: &[u8]) -> Result<bool, Closed> {
        match self.sender.try_send(sent(self.meta(service), line)) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Ok(false)
            }
            Err(TrySendError::Disconnected(_)) => Err(Closed),
        }
    }

    /// What is known of a line of `service` that is sent now.
    #[must_use]
    pub fn meta(&self, service: &str) -> LogMeta {
        let origin = "channel".into();
        let source = LogSource { service: service.into(), origin, container: None };
        self.meta_of(self.sources.id(&source))
    }

    /// What is known of a line of a source that is sent now.
    #[must_use]
    pub fn meta_of(&self, source: SourceId) -> LogMeta {
        let flags = LogFlags::default();
        LogMeta { source, at: self.clock.now(), written: None, severity: None, flags }
    }
}

fn sent(mut meta: LogMeta, line: &[u8]) -> Sent {
    if line.len() > LONGEST {
        meta.flags = meta.flags.with(LogFlags::CUT);
    }
    Sent { meta, text: line[..line.len().min(LONGEST)].into() }
}

/// Reads what was sent; ends when every sender is gone.
pub struct LogChannel {
    receiver: Receiver<Sent>,
    lost: Arc<AtomicU64>,
}

impl LogInput for LogChannel {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let mut read = match self.receiver.recv_timeout(timeout) {
            Ok(line) => {
                batch.push(line.meta, &line.text);
                LogRead::Lines
            }
            Err(RecvTimeoutError::Timeout) => LogRead::Nothing,
            Err(RecvTimeoutError::Disconnected) => LogRead::End,
        };
        while read == LogRead::Lines && !batch.is_full() {
            let Ok(line) = self.receiver.try_recv() else { break };
            batch.push(line.meta, &line.text);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        batch.lost += lost;
        if lost > 0 {
            read = LogRead::Lines;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let (sender, mut input) = log_channel(LogSources::default(), 2);
        let sent: Vec<_> = (0..5).map(|n| sender.try_send("a", &[b'0' + n]).unwrap()).collect();
        assert_eq!(sent, [true, true, false, false, false]);
        let mut batch = LogBatch::default();
        assert_eq!(input.read(&mut batch, Duration::ZERO).unwrap(), LogRead::Lines);
        assert_eq!((batch.block(), batch.lost), (b"0\n1\n".as_slice(), 3));
        drop(input);
        assert_eq!(sender.try_send("a", b""), Err(Closed));
        assert_eq!(sender.send("a", b""), Err(Closed));
    }

    #[test]
    fn who_sends_waits_for_room_and_nothing_is_lost() {
        let sources = LogSources::default();
        let (sender, mut input) = log_channel(sources.clone(), 3);
        let writers: Vec<_> = ["a", "b"]
            .map(|service| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for n in 0..1000 {
                        sender.send(service, format!("{n}").as_bytes()).unwrap();
                    }
                })
            })
            .into();
        drop(sender);
        let mut batch = LogBatch::default();
        let mut next = std::collections::HashMap::new();
        while input.read(&mut batch, Duration::from_secs(10)).unwrap() != LogRead::End {
            for (meta, text) in batch.iter() {
                let next: &mut u32 =
                    next.entry(sources.get(meta.source).service.to_string()).or_default();
                assert_eq!(text, next.to_string().as_bytes());
                *next += 1;
            }
            assert_eq!(batch.lost, 0);
            batch.clear();
        }
        assert_eq!((next["a"], next["b"]), (1000, 1000));
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let (sender, mut input) = log_channel(LogSources::default(), 1);
        sender.send("a", &vec![b'x'; LONGEST + 1]).unwrap();
        let mut batch = LogBatch::default();
        input.read(&mut batch, Duration::ZERO).unwrap();
        let (meta, text) = batch.iter().next().unwrap();
        assert_eq!((text.len(), meta.flags), (LONGEST, LogFlags::CUT));
    }
}
