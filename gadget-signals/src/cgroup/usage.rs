//! The text of the cpu, io and pids controllers' files.

use std::path::Path;
use std::time::Duration;

use gadget_core::{Bytes, CgroupCpu, IoCount, SignalError};

use crate::text::{digits, lines, missing, only_line};

/// Parses version 2's `cpu.stat`.
///
/// - Units: microseconds.
/// - Source: Documentation/admin-guide/cgroup-v2.rst; Linux 4.15.
/// - Absent: throttling without the controller.
///
/// # Errors
/// [`SignalError::Unsupported`] without the line `usage_usec`, [`SignalError::Parse`] if one is not as the kernel
/// writes it.
pub fn parse_cpu_stat_v2(text: &[u8], path: &Path) -> Result<CgroupCpu, SignalError> {
    let (cpu, usage) = parse_cpu_stat(text, path)?;
    let usage = usage.ok_or_else(|| missing(path, "the line usage_usec (Linux 4.15)"))?;
    Ok(CgroupCpu { usage, ..cpu })
}

/// Parses version 1's `cpu.stat`, which holds throttling alone, beside the `usage` of `cpuacct.usage`.
///
/// - Units: nanoseconds.
/// - Source: Documentation/scheduler/sched-bwc.rst.
///
/// # Errors
/// [`SignalError::Parse`] if a line that is used is not as the kernel writes it.
pub fn parse_cpu_stat_v1(
    text: &[u8],
    path: &Path,
    usage: Duration,
) -> Result<CgroupCpu, SignalError> {
    let (cpu, _) = parse_cpu_stat(text, path)?;
    Ok(CgroupCpu { usage, ..cpu })
}

/// The lines of either version, which differ in names and units of time.
fn parse_cpu_stat(text: &[u8], path: &Path) -> Result<(CgroupCpu, Option<Duration>), SignalError> {
    let mut cpu = CgroupCpu::default();
    let mut usage = None;
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let count = || line.count(Some(value));
        match key {
            b"usage_usec" => usage = Some(Duration::from_micros(count()?)),
            b"nr_periods" => cpu.periods = Some(count()?),
            b"nr_throttled" => cpu.throttled_periods = Some(count()?),
            b"throttled_usec" => cpu.throttled = Some(Duration::from_micros(count()?)),
            b"throttled_time" => cpu.throttled = Some(Duration::from_nanos(count()?)),
            _ => {}
        }
    }
    Ok((cpu, usage))
}

/// Parses version 2's `io.stat`, summed over devices. An empty file is a group that did no IO yet.
///
/// - Source: Documentation/admin-guide/cgroup-v2.rst.
///
/// # Errors
/// [`SignalError::Parse`] if a line is not as the kernel writes it.
pub fn parse_io_stat(text: &[u8], path: &Path) -> Result<IoCount, SignalError> {
    let mut io = IoCount::default();
    for line in lines(text, path) {
        let line = line?;
        let mut words = line.words();
        if !words.next().is_some_and(is_device) {
            return Err(line.error("a device, MAJOR:MINOR"));
        }
        for word in words {
            if let Some(value) = word.strip_prefix(b"rbytes=") {
                io.read = io.read.saturating_add(Bytes::new(line.count(Some(value))?));
            } else if let Some(value) = word.strip_prefix(b"wbytes=") {
                io.written = io.written.saturating_add(Bytes::new(line.count(Some(value))?));
            }
        }
    }
    Ok(io)
}

/// Parses version 1's `blkio.throttle.io_service_bytes_recursive`, summed over devices.
///
/// - Source: Documentation/admin-guide/cgroup-v1/blkio-controller.rst.
///
/// # Errors
/// [`SignalError::Unsupported`] for an empty file, [`SignalError::Parse`] if a line is not as the kernel writes it.
pub fn parse_blkio(text: &[u8], path: &Path) -> Result<IoCount, SignalError> {
    let mut io = IoCount::default();
    let mut total = false;
    for line in lines(text, path) {
        let line = line?;
        let mut words = line.words();
        let device = words.next();
        if device == Some(b"Total") {
            total = true;
            continue;
        }
        if !device.is_some_and(is_device) {
            return Err(line.error("a device, MAJOR:MINOR, or Total"));
        }
        let sum = match words.next() {
            Some(b"Read") => &mut io.read,
            Some(b"Write") => &mut io.written,
            Some(_) => continue,
            None => return Err(line.error("Read, Write or another kind")),
        };
        *sum = sum.saturating_add(Bytes::new(line.count(words.next())?));
    }
    if total { Ok(io) } else { Err(missing(path, "the line Total")) }
}

/// True for `MAJOR:MINOR`.
fn is_device(word: &[u8]) -> bool {
    let mut numbers = word.split(|byte| *byte == b':');
    let mut number = || numbers.next().and_then(digits).is_some();
    number() && number() && !number()
}

/// Parses `pids.max`: a number, or none for `max`.
///
/// # Errors
/// [`SignalError::Parse`] for anything else.
pub fn parse_pids_max(text: &[u8], path: &Path) -> Result<Option<u64>, SignalError> {
    let line = only_line(text, path)?;
    if line.text == b"max" { Ok(None) } else { line.count(Some(line.text)).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    fn read(file: &str) -> Vec<u8> {
        std::fs::read(golden(file)).unwrap()
    }

    #[test]
    fn cpu_time_and_throttling_come_in_the_units_of_each_version() {
        let path = Path::new("cpu.stat");
        let v2 = parse_cpu_stat_v2(&read("6.1/sys/fs/cgroup/lab/cpu.stat"), path).unwrap();
        assert_eq!(v2.usage, Duration::from_micros(9_002_004));
        assert_eq!((v2.periods, v2.throttled_periods), (Some(153), Some(150)));
        assert_eq!(v2.throttled, Some(Duration::from_micros(4_252_554)));
        let usage = Duration::from_nanos(118_918_637);
        let v1 =
            parse_cpu_stat_v1(&read("6.18/sys/fs/cgroup/cpu/lab/cpu.stat"), path, usage).unwrap();
        assert_eq!((v1.usage, v1.periods, v1.throttled), (usage, Some(2), Some(Duration::ZERO)));
        let bare = parse_cpu_stat_v2(b"usage_usec 5\nuser_usec 5\n", path).unwrap();
        assert_eq!((bare.periods, bare.throttled), (None, None));
        assert!(parse_cpu_stat_v2(b"nr_periods 5\n", path).is_err());
    }

    #[test]
    fn io_is_summed_over_devices() {
        let path = Path::new("io.stat");
        let io =
            parse_io_stat(b"8:0 rbytes=1 wbytes=2 rios=9\n254:1 wbytes=4\n259:0\n", path).unwrap();
        assert_eq!((io.read, io.written), (Bytes::new(1), Bytes::new(6)));
        assert_eq!(parse_io_stat(b"", path).unwrap(), IoCount::default());
        for bad in
            [&b"8:0 rbytes=x\n"[..], b"8:0 rbytes=-1\n", b"rbytes=1\n", b"8:0 rbytes=1", b":\n"]
        {
            assert!(parse_io_stat(bad, path).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_1_io_needs_its_total() {
        let path = Path::new("blkio");
        let text = b"8:0 Read 10\n8:0 Write 20\n8:0 Sync 5\n8:16 Read 1\nTotal 31\n";
        let io = parse_blkio(text, path).unwrap();
        assert_eq!((io.read, io.written), (Bytes::new(11), Bytes::new(20)));
        let file = "6.18/sys/fs/cgroup/blkio/lab/blkio.throttle.io_service_bytes_recursive";
        assert_eq!(parse_blkio(&read(file), path).unwrap(), IoCount::default());
        assert!(parse_blkio(b"", path).is_err());
        assert!(parse_blkio(b"8:0 Read\nTotal 0\n", path).is_err());
    }

    #[test]
    fn a_limit_of_processes_is_a_number_or_none() {
        assert_eq!(parse_pids_max(b"100\n", Path::new("pids.max")).unwrap(), Some(100));
        assert_eq!(parse_pids_max(b"max\n", Path::new("pids.max")).unwrap(), None);
        assert!(parse_pids_max(b"-1\n", Path::new("pids.max")).is_err());
    }
}
