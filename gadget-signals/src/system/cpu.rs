//! `/proc/stat` and `/proc/loadavg`.

use std::path::Path;
use std::time::Duration;

use gadget_core::{
    HostCpu, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::param::clock_ticks_per_second;

use crate::file::{Buffer, KernelFile};
use crate::text::{decimal, lines, missing, only_line};

/// Reads the host's processors.
///
/// - Gives: [`Reading::HostCpu`] of [`Subject::Host`].
/// - Source: `/proc/stat` and `/proc/loadavg`, Documentation/filesystems/proc.rst.
/// - Cost: two files, kept open. `stat` is long on hosts of many processors and interrupts.
pub struct HostCpuProvider {
    stat: KernelFile,
    loadavg: Option<KernelFile>,
    buffer: Buffer,
    ticks_per_second: u64,
}

impl HostCpuProvider {
    /// Of this host.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// Of the host whose `/proc` is at `proc`. Without `loadavg` the load average is absent.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `stat`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let proc = proc.as_ref();
        Ok(Self {
            stat: KernelFile::open(proc.join("stat"), "procfs")?,
            loadavg: KernelFile::open(proc.join("loadavg"), "procfs").ok(),
            buffer: Buffer::default(),
            ticks_per_second: clock_ticks_per_second(),
        })
    }
}

impl SignalProvider for HostCpuProvider {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Host) {
            return Ok(());
        }
        let text = self.stat.read_once(&mut self.buffer)?;
        let mut cpu = parse_host_stat(text, self.stat.path(), self.ticks_per_second)?;
        if let Some(file) = &self.loadavg {
            cpu.load1 = Some(parse_loadavg(file.read_once(&mut self.buffer)?, file.path())?);
        }
        out.push(Subject::Host, Reading::HostCpu(cpu));
        Ok(())
    }

    fn name(&self) -> &'static str {
        "host-cpu"
    }
}

/// Parses `/proc/stat`. The load average, which it does not hold, stays absent.
///
/// - Units: clock ticks, of which the kernel shows `ticks_per_second` (100 everywhere by now).
/// - Absent: what an old kernel or a fake one does not count.
///
/// # Errors
/// [`SignalError::Unsupported`] without the line `cpu`, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_host_stat(
    text: &[u8],
    path: &Path,
    ticks_per_second: u64,
) -> Result<HostCpu, SignalError> {
    let nanos = 1_000_000_000 / ticks_per_second.max(1);
    let mut found = None;
    let (mut running, mut forks) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"cpu", _) => {
                let mut words = line.words().skip(1);
                let mut ticks = || line.count(words.next());
                let (user, nice, system, idle) = (ticks()?, ticks()?, ticks()?, ticks()?);
                let (iowait, irq, softirq, steal) = (ticks()?, ticks()?, ticks()?, ticks()?);
                let time = |ticks: u64| Duration::from_nanos(ticks.saturating_mul(nanos));
                found = Some(HostCpu {
                    user: time(user.saturating_add(nice)),
                    system: time(system.saturating_add(irq).saturating_add(softirq)),
                    idle: time(idle),
                    iowait: time(iowait),
                    steal: time(steal),
                    ..HostCpu::default()
                });
            }
            (b"processes", value) => forks = Some(line.count(Some(value))?),
            (b"procs_running", value) => {
                let count = line.count(Some(value))?;
                running = Some(u32::try_from(count).map_err(|_| line.error("a number of tasks"))?);
            }
            _ => {}
        }
    }
    let cpu = found.ok_or_else(|| missing(path, "the line cpu"))?;
    Ok(HostCpu { running, forks, ..cpu })
}

/// Parses the load average over one minute out of `/proc/loadavg`.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a line.
pub fn parse_loadavg(text: &[u8], path: &Path) -> Result<f64, SignalError> {
    let line = only_line(text, path)?;
    line.words().next().and_then(decimal).ok_or_else(|| line.error("a load average"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, readings};

    #[test]
    fn golden_files_of_each_kernel_give_their_numbers() {
        let cases = [
            ("6.1", 8_920, 5_170, 0.07, 78),
            ("6.12", 9_650, 5_400, 0.0, 128),
            ("6.18", 15_960, 1_009_960, 0.16, 4371),
        ];
        for (kernel, system_ms, idle_ms, load, forks) in cases {
            let mut provider = HostCpuProvider::at(golden(kernel).join("proc")).unwrap();
            let readings = readings(&mut provider);
            let [(Subject::Host, Reading::HostCpu(cpu))] = readings.as_slice() else {
                panic!("{kernel}: {readings:?}");
            };
            assert_eq!((cpu.load1, cpu.forks), (Some(load), Some(forks)), "{kernel}");
            assert!(cpu.running.is_some_and(|running| running >= 1), "{kernel}");
            assert_eq!(cpu.system, Duration::from_millis(system_ms), "{kernel}");
            assert_eq!(cpu.idle, Duration::from_millis(idle_ms), "{kernel}");
        }
    }

    #[test]
    fn a_line_cut_short_is_refused_and_a_missing_one_is_absent() {
        let path = Path::new("stat");
        for bad in ["cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 -8\n", "cpu  1 2 3 4 5 6 7 8", "cpu\n"] {
            assert!(matches!(
                parse_host_stat(bad.as_bytes(), path, 100),
                Err(SignalError::Parse { line: 1, .. })
            ));
        }
        assert!(matches!(
            parse_host_stat(b"cpu0 1 2 3 4 5 6 7 8\n", path, 100),
            Err(SignalError::Unsupported { .. })
        ));
        let cpu = parse_host_stat(b"cpu  1 2 3 4 5 6 7 8\n", path, 100).unwrap();
        assert_eq!((cpu.running, cpu.forks, cpu.load1), (None, None, None));
        assert_eq!(cpu.user, Duration::from_millis(30));
        assert_eq!(cpu.system, Duration::from_millis(160));
    }

    #[test]
    fn a_load_average_is_the_first_word() {
        assert_eq!(parse_loadavg(b"1.25 0.02 0.00 1/46 78\n", Path::new("l")).unwrap(), 1.25);
        for bad in ["", "\n", "-1.0 0 0\n", "nan 0\n", "1.25"] {
            assert!(parse_loadavg(bad.as_bytes(), Path::new("l")).is_err(), "{bad:?}");
        }
    }
}
