//! The client of the innocent service: how long each request took, and when.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Requests per second; sent on schedule, whether or not the last one was late.
const RATE: u32 = 50;

/// Latency over one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Requests answered.
    pub count: usize,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
}

impl Percentiles {
    fn of(mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let rank = |share: f64| {
            let index = (share * took.len() as f64).ceil() as usize;
            took.get(index.saturating_sub(1)).map(|took| took.as_secs_f64() * 1000.0)
        };
        Some(Self { count: took.len(), p50_ms: rank(0.5)?, p99_ms: rank(0.99)? })
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    took: Duration,
}

/// A running client and all it measured.
#[derive(Debug)]
pub struct Latency {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Latency {
    /// Connects and starts to ask.
    pub(crate) fn start(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        let samples = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("client".into()).spawn({
            let (samples, stop) = (Arc::clone(&samples), Arc::clone(&stop));
            move || ask(stream, &samples, &stop)
        })?;
        Ok(Self { samples, stop, thread: Some(thread) })
    }

    /// Percentiles of the requests that were due from `from` until `to`; `None` when there were none.
    pub fn between(&self, from: Instant, to: Instant) -> Option<Percentiles> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        Percentiles::of(
            samples
                .iter()
                .filter(|sample| (from..to).contains(&sample.at))
                .map(|sample| sample.took)
                .collect(),
        )
    }

    /// Tells the client to stop; it ends with the answer it waits for, or with the service.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Latency {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// An open loop: latency counts from when a request was due, so a stall shows in every request it held up.
fn ask(mut stream: UnixStream, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let start = Instant::now();
    for number in 0u32.. {
        let due = start + Duration::from_secs(1) * number / RATE;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Counted from the sending on time, from the schedule when late: a timer's own slack is not the service's.
        let sent = Instant::now();
        let late = sent.duration_since(due) > Duration::from_secs(1) / RATE;
        let mut answer = [0; 8];
        let asked = stream
            .write_all(&u64::from(number).to_le_bytes())
            .and_then(|()| stream.read_exact(&mut answer));
        let took = if late { due.elapsed() } else { sent.elapsed() };
        samples.lock().unwrap_or_else(PoisonError::into_inner).push(Sample { at: due, took });
        if asked.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_rank() {
        let all: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let found = Percentiles::of(all).unwrap();
        assert_eq!(found, Percentiles { count: 200, p50_ms: 100.0, p99_ms: 198.0 });
    }

    #[test]
    fn no_requests_is_not_zero_latency() {
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}
