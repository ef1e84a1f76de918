//! The thread that writes incidents: each is safe before, so it may take its time.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use gadget_archivist::flush::{FileSink, Kept};

use crate::NAME;
use crate::cli::Asked;

/// How much of one core it uses at most.
const SHARE: f64 = 0.5;

enum Job {
    Kept(Box<Kept>),
    /// What an earlier life has kept and not written.
    Left(PathBuf),
}

/// Writes what was kept, one incident after the other.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Begins with what an earlier life has kept.
    pub(crate) fn start(asked: &Asked) -> anyhow::Result<Self> {
        let (jobs, taken) = channel();
        let left = Kept::left(&asked.out).context("cannot look for what was kept")?;
        left.into_iter().try_for_each(|path| jobs.send(Job::Left(path)))?;
        let sinks = Sinks {
            file: FileSink::new(&asked.out),
            #[cfg(feature = "otlp")]
            otlp: asked
                .otlp
                .as_ref()
                .map(|endpoint| gadget_archivist::flush::OtlpSink::new(endpoint, Vec::new())),
        };
        let thread = std::thread::Builder::new().name("incidents".to_owned());
        let thread = thread.spawn(move || sinks.run(&taken)).context("cannot start a thread")?;
        Ok(Self { jobs, thread })
    }

    /// Writes it after those that came before.
    pub(crate) fn take(&self, kept: Kept) {
        // Where the thread is gone, it stays kept.
        let _ = self.jobs.send(Job::Kept(kept.into()));
    }

    /// Waits until all of it is written.
    pub(crate) fn end(self) {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}

struct Sinks {
    file: FileSink,
    #[cfg(feature = "otlp")]
    otlp: Option<gadget_archivist::flush::OtlpSink>,
}

impl Sinks {
    fn run(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            match self.write(job) {
                Ok(written) => eprintln!("{NAME}: {written}"),
                Err(error) => eprintln!("{NAME}: {error:#}"),
            }
        }
    }

    fn write(&mut self, job: Job) -> anyhow::Result<String> {
        let kept = match job {
            Job::Kept(kept) => *kept,
            Job::Left(path) => {
                let cannot = format!("cannot read {}", path.display());
                Kept::open(path).context(cannot)?
            }
        };
        let still = || format!("not written, still in {}", kept.path().display());
        kept.send(&mut self.file, SHARE).with_context(still)?;
        // The file is there by now, whatever becomes of the rest.
        #[cfg(feature = "otlp")]
        let sent = self.otlp.as_mut().map_or(Ok(()), |sink| kept.send(sink, SHARE));
        let (lines, services) = (kept.summary().lines, kept.summary().services.len());
        kept.done().context("written, but cannot remove what was kept")?;
        #[cfg(feature = "otlp")]
        sent.context("written, but not sent")?;
        let file = self.file.last().map(|path| path.display().to_string()).unwrap_or_default();
        Ok(format!("{lines} lines of {services} services in {file}"))
    }
}
