//! How the scheduler treated a process, by its files.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{
    Latencies, ProcessId, Reading, Scheduling, Scope, SignalError, SignalProvider, Signals,
    Subject, Timestamp,
};

use super::parse::parse_stat;
use crate::file::failed;
use crate::text::{lines, missing};
use crate::threads::parse_schedstat;

/// The most processes that are looked at, and the most threads of each.
const MOST_PROCESSES: usize = 64;
const MOST_THREADS: usize = 4_096;
/// What nobody has named for so long is forgotten.
const KEPT: Duration = Duration::from_secs(60);

/// Tells how long a process waited for a processor, by its files: sums, where BPF programs have each time.
///
/// - Gives [`Reading::Scheduling`] for each process that a gadget watches ([`Scope::Only`]), from the second time on that it is named:
///   its switches, and as many delays as its threads got time slices, all told as their mean.
/// - Lost: single delays (a long one hides among short ones), how long it waited for something else (`off_cpu` is empty), what a
///   thread did between the last time and its end, and cgroups.
/// - Bound: 64 processes, 4,096 threads of each; one more is not told.
/// - Cost: two files for each thread. Nothing while nobody asks.
/// - Source: `schedstat` (Documentation/scheduler/sched-stats.rst, `CONFIG_SCHED_INFO`) and the switches of `status` in
///   `/proc/PID/task/TID`.
pub struct SchedulerFiles {
    proc: PathBuf,
    told: HashMap<ProcessId, Told>,
}

struct Told {
    at: Timestamp,
    threads: HashMap<u32, Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    ready: Duration,
    slices: u64,
    voluntary: u64,
    involuntary: u64,
}

impl SchedulerFiles {
    /// Of this host.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// Of the host whose `/proc` is at `proc`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] if it has no `self/schedstat`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let proc = proc.as_ref().to_owned();
        let path = proc.join("self/schedstat");
        match fs::metadata(&path) {
            Ok(_) => Ok(Self { proc, told: HashMap::new() }),
            Err(_) => Err(SignalError::Unsupported { path, needs: "CONFIG_SCHED_INFO" }),
        }
    }

    /// The counts of each thread; `None` if the process is gone, or if another one has its id.
    fn read(&self, id: ProcessId) -> Result<Option<HashMap<u32, Counts>>, SignalError> {
        let folder = self.proc.join(id.pid.to_string());
        let mut threads = HashMap::new();
        let Ok(tasks) = fs::read_dir(folder.join("task")) else { return Ok(None) };
        for task in tasks.flatten().take(MOST_THREADS) {
            let Some(tid) = task.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(counts) = thread(&task.path())? {
                threads.insert(tid, counts);
            }
        }
        // Only now: what was read is of this process if it still lives.
        let path = folder.join("stat");
        let Some(text) = read(&path)? else { return Ok(None) };
        Ok((parse_stat(&text, &path)?.start == id.start).then_some(threads))
    }
}

impl SignalProvider for SchedulerFiles {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.told.retain(|_, told| now.since(told.at) <= KEPT);
        let Scope::Only(subjects) = scope else { return Ok(()) };
        for subject in subjects {
            let Subject::Process(id) = *subject else { continue };
            if self.told.len() >= MOST_PROCESSES && !self.told.contains_key(&id) {
                continue;
            }
            let Some(threads) = self.read(id)? else {
                self.told.remove(&id);
                continue;
            };
            if let Some(told) = self.told.get(&id) {
                let scheduling = since(told, now, &threads);
                out.push(*subject, Reading::Scheduling(Box::new(scheduling)));
            }
            self.told.insert(id, Told { at: now, threads });
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "scheduling"
    }
}

/// What was added; a thread that is new began meanwhile.
fn since(told: &Told, now: Timestamp, threads: &HashMap<u32, Counts>) -> Scheduling {
    let mut scheduling = Scheduling { over: now.since(told.at), ..Scheduling::default() };
    let (mut ready, mut slices) = (Duration::ZERO, 0_u64);
    for (tid, counts) in threads {
        // Where all is less, another thread has the id: it began meanwhile as well.
        let before = told.threads.get(tid).filter(|before| before.slices <= counts.slices);
        let before = before.copied().unwrap_or_default();
        ready += counts.ready.saturating_sub(before.ready);
        slices += counts.slices.saturating_sub(before.slices);
        scheduling.voluntary += counts.voluntary.saturating_sub(before.voluntary);
        scheduling.involuntary += counts.involuntary.saturating_sub(before.involuntary);
    }
    if slices > 0 {
        let mean = ready.as_nanos() / u128::from(slices);
        let mean = Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX));
        let count = u32::try_from(slices).unwrap_or(u32::MAX);
        scheduling.run_queue.0[Latencies::bucket(mean)] = count;
    }
    scheduling
}

/// `None` for a thread that is gone.
fn thread(folder: &Path) -> Result<Option<Counts>, SignalError> {
    let (schedstat, status) = (folder.join("schedstat"), folder.join("status"));
    let Some((times, switches)) = read(&schedstat)?.zip(read(&status)?) else { return Ok(None) };
    let times = parse_schedstat(&times, &schedstat)?;
    let (voluntary, involuntary) = parse_switches(&switches, &status)?;
    Ok(Some(Counts { ready: times.ready, slices: times.slices, voluntary, involuntary }))
}

/// `None` if the process or thread is gone.
fn read(path: &Path) -> Result<Option<Vec<u8>>, SignalError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => match rustix::io::Errno::from_io_error(&error) {
            Some(rustix::io::Errno::SRCH) => Ok(None),
            Some(errno) => Err(failed(path, errno, "procfs")),
            None => Err(SignalError::Read { path: path.into(), source: error }),
        },
    }
}

/// Parses the switches of a thread, voluntary and not, in `/proc/PID/task/TID/status`.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_switches(text: &[u8], path: &Path) -> Result<(u64, u64), SignalError> {
    let (mut voluntary, mut involuntary) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"voluntary_ctxt_switches", value) => voluntary = Some(line.count(Some(value))?),
            (b"nonvoluntary_ctxt_switches", value) => involuntary = Some(line.count(Some(value))?),
            _ => {}
        }
    }
    let voluntary = voluntary.ok_or_else(|| missing(path, "the line voluntary_ctxt_switches"))?;
    let involuntary =
        involuntary.ok_or_else(|| missing(path, "the line nonvoluntary_ctxt_switches"))?;
    Ok((voluntary, involuntary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{sample, tree, write};

    const ID: ProcessId = ProcessId { pid: 7, start: 4242 };

    fn stat(start: u64) -> String {
        format!("7 (a b) S 1 7 7 0 -1 0 1 0 2 0 3 4 0 0 20 0 2 0 {start} 0 5\n")
    }

    fn status(voluntary: u64, involuntary: u64) -> String {
        format!(
            "Name:\ta b\nvoluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n"
        )
    }

    fn named(files: &mut SchedulerFiles, second: u64) -> Option<Scheduling> {
        let subject = Subject::Process(ID);
        let mut readings = sample(files, second, Scope::Only(&[subject]));
        let (found, Reading::Scheduling(scheduling)) = readings.pop()? else { panic!() };
        assert_eq!(found, subject);
        Some(*scheduling)
    }

    #[test]
    fn what_the_threads_did_between_two_looks_is_told_once() {
        let root = tree(&[
            ("self/schedstat", "0 0 0\n"),
            ("7/stat", &stat(4242)),
            ("7/task/7/schedstat", "1000 5000 10\n"),
            ("7/task/7/status", &status(8, 2)),
        ]);
        let mut files = SchedulerFiles::at(root.path()).unwrap();
        assert_eq!(named(&mut files, 1), None);
        write(
            root.path(),
            &[
                ("7/task/7/schedstat", "1000 45000 14\n"),
                ("7/task/7/status", &status(11, 3)),
                // This one began since.
                ("7/task/9/schedstat", "1000 20000 1\n"),
                ("7/task/9/status", &status(1, 0)),
            ],
        );
        let found = named(&mut files, 3).unwrap();
        assert_eq!(found.over, Duration::from_secs(2));
        assert_eq!((found.voluntary, found.involuntary), (4, 1));
        // 60 us of delay in 5 slices: 12 us each.
        assert_eq!(found.run_queue.0[Latencies::bucket(Duration::from_micros(12))], 5);
        assert_eq!((found.run_queue.count(), found.off_cpu.count()), (5, 0));
        let found = named(&mut files, 4).unwrap();
        assert_eq!((found.voluntary, found.run_queue.count()), (0, 0));
        assert!(sample(&mut files, 5, Scope::Everything).is_empty());
    }

    #[test]
    fn a_stranger_with_the_id_is_not_told_and_nobody_is_remembered_for_long() {
        let root = tree(&[
            ("self/schedstat", "0 0 0\n"),
            ("7/stat", &stat(4242)),
            ("7/task/7/schedstat", "1 2 3\n"),
            ("7/task/7/status", &status(1, 1)),
        ]);
        let mut files = SchedulerFiles::at(root.path()).unwrap();
        assert_eq!(named(&mut files, 1), None);
        write(root.path(), &[("7/stat", &stat(5000))]);
        assert_eq!(named(&mut files, 2), None);
        write(root.path(), &[("7/stat", &stat(4242))]);
        assert_eq!(named(&mut files, 3), None, "it was gone");
        assert_eq!(named(&mut files, 100), None, "it was forgotten");
        fs::remove_dir_all(root.path().join("7")).unwrap();
        assert_eq!(named(&mut files, 101), None);
        assert!(SchedulerFiles::at(root.path().join("none")).is_err());
    }

    #[test]
    fn this_process_agrees_with_itself() {
        let Ok(mut files) = SchedulerFiles::host() else {
            println!("SKIPPED: this kernel keeps no times of the scheduler");
            return;
        };
        let text = fs::read("/proc/self/stat").unwrap();
        let stat = parse_stat(&text, "stat".as_ref()).unwrap();
        let subject = [Subject::Process(ProcessId { pid: stat.pid, start: stat.start })];
        assert!(sample(&mut files, 1, Scope::Only(&subject)).is_empty());
        (0..5).for_each(|_| std::thread::sleep(Duration::from_millis(1)));
        let found = sample(&mut files, 2, Scope::Only(&subject));
        let [(_, Reading::Scheduling(found))] = &found[..] else { panic!("{found:?}") };
        assert!(found.voluntary >= 5 && found.run_queue.count() >= 5, "{found:?}");
    }

    #[test]
    fn a_status_without_switches_or_with_none_that_is_a_number_is_refused() {
        let path = Path::new("status");
        assert_eq!(parse_switches(status(3, 4).as_bytes(), path).unwrap(), (3, 4));
        for text in ["", "voluntary_ctxt_switches:\t3\n", "voluntary_ctxt_switches:\t-1\n"] {
            assert!(parse_switches(text.as_bytes(), path).is_err(), "{text:?}");
        }
    }
}
