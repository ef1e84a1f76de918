//! The text of the files of one process.

use std::path::Path;

use gadget_core::{Bytes, IoCount, SignalError};

use crate::text::{Line, lines, missing, only_line};

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What `/proc/PID/stat` says, as far as it is used here.
///
/// - Units: clock ticks and pages, as in the file.
/// - Source: proc_pid_stat(5); the numbers are those of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat<'t> {
    /// (1) The process id.
    pub pid: u32,
    /// (2) `comm`: at most 15 bytes of anything, brackets and newlines included (64 for a thread of the kernel).
    pub comm: &'t [u8],
    /// (3) The state letter.
    pub state: char,
    /// (4) The parent's process id.
    pub parent: u32,
    /// (9) True for a thread of the kernel.
    pub kernel_thread: bool,
    /// (10) Page faults without IO.
    pub minor_faults: u64,
    /// (12) Page faults with IO.
    pub major_faults: u64,
    /// (14) CPU time used in user space, in clock ticks.
    pub user_ticks: u64,
    /// (15) CPU time used in the kernel, in clock ticks.
    pub system_ticks: u64,
    /// (20) Threads.
    pub threads: u32,
    /// (22) Start time in clock ticks since boot.
    pub start: u64,
    /// (23) Address space, in bytes.
    pub virtual_size: u64,
    /// (24) Resident pages.
    pub rss_pages: u64,
}

impl ProcessStat<'_> {
    /// CPU time used, in clock ticks.
    #[must_use]
    pub const fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }
}

/// Parses `/proc/PID/stat`, from its last closing bracket on, since `comm` may hold any.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a line.
pub fn parse_stat<'t>(text: &'t [u8], path: &Path) -> Result<ProcessStat<'t>, SignalError> {
    let line = Line::of(text.strip_suffix(b"\n").unwrap_or(text), path);
    let outside = "pid (comm) state ppid ...";
    if !text.ends_with(b"\n") {
        return Err(line.error("a whole line"));
    }
    let open = text.iter().position(|byte| *byte == b'(').ok_or_else(|| line.error(outside))?;
    let close = last_bracket(&text[open + 1..]).ok_or_else(|| line.error(outside))?;
    let (comm, behind) = text[open + 1..].split_at(close);
    let pid = line.count(text[..open].strip_suffix(b" "))?;
    let mut words = Words(behind[1..].trim_ascii_end());
    let state = match words.next() {
        Some([letter]) if letter.is_ascii_alphabetic() => char::from(*letter),
        _ => return Err(line.error("a letter of state")),
    };
    // From field 4 on; some hold negative numbers, which are skipped.
    let mut field = 3;
    let behind = Line::of(behind, path);
    let mut next = |number: usize| {
        let word = words.nth(number - field - 1);
        field = number;
        behind.count(word)
    };
    let small = |value: u64| u32::try_from(value).map_err(|_| line.error("a number below 2^32"));
    Ok(ProcessStat {
        pid: small(pid)?,
        comm,
        state,
        parent: small(next(4)?)?,
        kernel_thread: next(9)? & PF_KTHREAD != 0,
        minor_faults: next(10)?,
        major_faults: next(12)?,
        user_ticks: next(14)?,
        system_ticks: next(15)?,
        threads: small(next(20)?)?,
        start: next(22)?,
        virtual_size: next(23)?,
        rss_pages: next(24)?,
    })
}

/// Where the last closing bracket is. Most names hold none, and `contains` looks at many bytes at once.
fn last_bracket(text: &[u8]) -> Option<usize> {
    let mut last = text.iter().position(|byte| *byte == b')')?;
    while text[last + 1..].contains(&b')') {
        last += 1 + text[last + 1..].iter().position(|byte| *byte == b')')?;
    }
    Some(last)
}

/// Words parted by spaces, as [`Line::words`] gives them, in half the time.
struct Words<'t>(&'t [u8]);

impl<'t> Iterator for Words<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let mut text = self.0;
        while let [b' ', rest @ ..] = text {
            text = rest;
        }
        let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
        let word;
        (word, self.0) = text.split_at(end);
        (!word.is_empty()).then_some(word)
    }
}

/// Parses `/proc/PID/statm` into resident pages, and those of them that are backed by files or shared memory.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a line.
pub fn parse_statm(text: &[u8], path: &Path) -> Result<(u64, u64), SignalError> {
    let line = only_line(text, path)?;
    let mut words = line.words().skip(1);
    Ok((line.count(words.next())?, line.count(words.next())?))
}

/// Parses `/proc/PID/smaps_rollup` (Linux 4.14) into the proportional set size and the swapped-out memory. Absent, both
/// of them, for a process without memory of its own, of which the file is empty.
///
/// # Errors
/// [`SignalError::Unsupported`] if one of the lines is missing, [`SignalError::Parse`] if one is not as the kernel
/// writes it.
pub fn parse_smaps_rollup(text: &[u8], path: &Path) -> Result<Option<(Bytes, Bytes)>, SignalError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (mut pss, mut swap) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"Pss", value) => pss = Some(Bytes::new(line.kib(value)?)),
            (b"Swap", value) => swap = Some(Bytes::new(line.kib(value)?)),
            _ => {}
        }
    }
    Ok(Some((
        pss.ok_or_else(|| missing(path, "the line Pss"))?,
        swap.ok_or_else(|| missing(path, "the line Swap"))?,
    )))
}

/// Parses `/proc/PID/io` into what reached storage.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_process_io(text: &[u8], path: &Path) -> Result<IoCount, SignalError> {
    let (mut read, mut written) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"read_bytes", value) => read = Some(Bytes::new(line.count(Some(value))?)),
            (b"write_bytes", value) => written = Some(Bytes::new(line.count(Some(value))?)),
            _ => {}
        }
    }
    Ok(IoCount {
        read: read.ok_or_else(|| missing(path, "the line read_bytes"))?,
        written: written.ok_or_else(|| missing(path, "the line write_bytes"))?,
    })
}

/// Parses the effective user id out of `/proc/PID/status`.
///
/// # Errors
/// [`SignalError::Unsupported`] if the line is missing, [`SignalError::Parse`] if it is not as the kernel writes it.
pub fn parse_uid(text: &[u8], path: &Path) -> Result<u32, SignalError> {
    for line in lines(text, path) {
        let line = line?;
        if let (b"Uid", _) = line.key() {
            let uid = line.count(line.words().nth(2))?;
            return u32::try_from(uid).map_err(|_| line.error("a number below 2^32"));
        }
    }
    Err(missing(path, "the line Uid"))
}

/// Parses `/proc/PID/oom_score_adj`.
///
/// # Errors
/// [`SignalError::Parse`] for anything but a number from -1000 to 1000.
pub fn parse_oom_score_adj(text: &[u8], path: &Path) -> Result<i16, SignalError> {
    let line = only_line(text, path)?;
    let number = std::str::from_utf8(line.text).ok().and_then(|text| text.parse().ok());
    number
        .filter(|value| (-1000..=1000).contains(value) && !line.text.starts_with(b"+"))
        .ok_or_else(|| line.error("a number from -1000 to 1000"))
}

/// Parses `cgroup.procs` and adds its process ids to `pids`. Processes of another pid namespace, which show as 0, are
/// left out.
///
/// # Errors
/// [`SignalError::Parse`] for a line that is no process id.
pub fn parse_pids(text: &[u8], path: &Path, pids: &mut Vec<u32>) -> Result<(), SignalError> {
    for line in lines(text, path) {
        let line = line?;
        let pid = line.count(Some(line.text))?;
        let pid = u32::try_from(pid).map_err(|_| line.error("a process id"))?;
        pids.extend((pid != 0).then_some(pid));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    fn read(file: &str) -> Vec<u8> {
        std::fs::read(golden(file)).unwrap()
    }

    #[test]
    fn golden_files_of_a_process_give_their_numbers() {
        let text = read("6.1/proc/78/stat");
        let stat = parse_stat(&text, Path::new("stat")).unwrap();
        assert_eq!((stat.pid, stat.comm, stat.state), (78, &b"init"[..], 'T'));
        assert_eq!((stat.parent, stat.kernel_thread), (1, false));
        assert_eq!((stat.minor_faults, stat.major_faults), (271_033, 15_900));
        assert_eq!((stat.cpu_ticks(), stat.threads, stat.start), (899, 1, 269));
        assert_eq!((stat.user_ticks, stat.system_ticks), (21, 878));
        assert_eq!((stat.virtual_size, stat.rss_pages), (77_631_488, 14_272));
        let path = Path::new("f");
        assert_eq!(parse_statm(&read("6.1/proc/78/statm"), path).unwrap(), (14_272, 134));
        let rollup = parse_smaps_rollup(&read("6.1/proc/78/smaps_rollup"), path).unwrap();
        assert_eq!(rollup, Some((Bytes::from_kib(56_910), Bytes::from_kib(17_196))));
        let io = parse_process_io(&read("6.1/proc/78/io"), path).unwrap();
        assert_eq!((io.read, io.written), (Bytes::new(519_852_032), Bytes::ZERO));
        assert_eq!(parse_uid(&read("6.1/proc/78/status"), path).unwrap(), 0);
    }

    #[test]
    fn threads_of_the_kernel_are_told_on_each_kernel() {
        for kernel in ["6.1", "6.12", "6.18"] {
            let text = read(&format!("{kernel}/proc/2/stat"));
            let stat = parse_stat(&text, Path::new("stat")).unwrap();
            assert!(stat.kernel_thread && stat.rss_pages == 0, "{kernel}: {stat:?}");
        }
    }

    #[test]
    fn comm_may_hold_anything() {
        let rest =
            "S 1 1 1 0 -1 4194304 5 0 6 0 7 8 0 0 20 0 9 0 10 4096 11 18446744073709551615\n";
        for comm in ["a b", ") R 1 (", "((", "))", "\n", "", "(sd-pam)", "\t) Z"] {
            let text = format!("42 ({comm}) {rest}");
            let stat = parse_stat(text.as_bytes(), Path::new("stat")).unwrap();
            assert_eq!(stat.comm, comm.as_bytes());
            assert_eq!((stat.state, stat.start, stat.rss_pages), ('S', 10, 11), "{comm:?}");
        }
    }

    #[test]
    fn what_is_no_stat_line_is_refused() {
        let whole = String::from_utf8(read("6.1/proc/78/stat")).unwrap();
        for end in 0..whole.len() {
            assert!(parse_stat(&whole.as_bytes()[..end], Path::new("stat")).is_err(), "{end}");
        }
        for text in ["1 )a( S 1\n", "(a) S 1\n", "1 (a) SS 1\n", "1 (a) S -1 1 1\n", "x (a) S\n"] {
            assert!(parse_stat(text.as_bytes(), Path::new("stat")).is_err(), "{text}");
        }
    }

    #[test]
    fn scores_are_from_minus_1000_to_1000() {
        let path = Path::new("oom_score_adj");
        assert_eq!(parse_oom_score_adj(b"-1000\n", path).unwrap(), -1000);
        assert_eq!(parse_oom_score_adj(b"0\n", path).unwrap(), 0);
        for bad in [&b"-1001\n"[..], b"1001\n", b"+5\n", b"\n", b"5", b"99999999999\n"] {
            assert!(parse_oom_score_adj(bad, path).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn process_ids_of_other_namespaces_are_left_out() {
        let mut pids = vec![];
        parse_pids(b"1\n0\n77\n", Path::new("cgroup.procs"), &mut pids).unwrap();
        assert_eq!(pids, [1, 77]);
        for bad in [&b"-1\n"[..], b"1\n4294967296\n", b"1\n2", b"x\n"] {
            assert!(parse_pids(bad, Path::new("cgroup.procs"), &mut pids).is_err());
        }
    }

    #[test]
    fn an_empty_rollup_is_a_process_without_memory_and_a_short_one_is_unsupported() {
        assert_eq!(parse_smaps_rollup(b"", Path::new("f")).unwrap(), None);
        let error = parse_smaps_rollup(b"Pss: 4 kB\n", Path::new("f")).unwrap_err();
        assert_eq!(error.to_string(), "f needs the line Swap");
    }
}
