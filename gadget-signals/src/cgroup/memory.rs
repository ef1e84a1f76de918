//! The text of the memory controller's files.

use std::path::Path;

use gadget_core::{Bytes, CgroupMemoryEvents, CgroupMemoryStat, MemoryLimit, Paging, SignalError};

use crate::text::{lines, missing, only_line};

/// A limit at or above this is none: an unlimited version 1 group shows 2^63 less a page.
const NO_LIMIT: u64 = 1 << 62;

/// Parses `memory.max`, `memory.high` or version 1's `memory.limit_in_bytes`.
///
/// # Errors
/// [`SignalError::Parse`] for anything but a number of bytes or `max`.
pub fn parse_memory_limit(text: &[u8], path: &Path) -> Result<MemoryLimit, SignalError> {
    let line = only_line(text, path)?;
    if line.text == b"max" {
        return Ok(MemoryLimit::Unlimited);
    }
    let bytes = line.count(Some(line.text))?;
    Ok(if bytes >= NO_LIMIT { MemoryLimit::Unlimited } else { MemoryLimit::At(Bytes::new(bytes)) })
}

/// The fields of [`CgroupMemoryStat`] that every kernel has.
#[derive(Default)]
struct Needed {
    anon: Option<u64>,
    file: Option<u64>,
    inactive_file: Option<u64>,
    active_file: Option<u64>,
    shmem: Option<u64>,
    dirty: Option<u64>,
    writeback: Option<u64>,
}

impl Needed {
    fn complete(
        self,
        path: &Path,
        names: [&'static str; 7],
    ) -> Result<CgroupMemoryStat, SignalError> {
        let get = |value: Option<u64>, index: usize| {
            value.map(Bytes::new).ok_or_else(|| missing(path, names[index]))
        };
        Ok(CgroupMemoryStat {
            anon: get(self.anon, 0)?,
            file: get(self.file, 1)?,
            inactive_file: get(self.inactive_file, 2)?,
            active_file: get(self.active_file, 3)?,
            shmem: get(self.shmem, 4)?,
            dirty: get(self.dirty, 5)?.saturating_add(get(self.writeback, 6)?),
            slab_reclaimable: None,
            kernel: None,
            swap: None,
            paging: Paging::default(),
        })
    }
}

/// Parses version 2's `memory.stat`. Swap, which it does not hold, stays absent.
///
/// - Source: Documentation/admin-guide/cgroup-v2.rst; Linux 4.5.
/// - Absent: `kernel` before Linux 5.18.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_memory_stat_v2(text: &[u8], path: &Path) -> Result<CgroupMemoryStat, SignalError> {
    let mut needed = Needed::default();
    let mut paging = Paging::default();
    let (mut slab_reclaimable, mut kernel) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let slot = match key {
            b"anon" => &mut needed.anon,
            b"file" => &mut needed.file,
            b"inactive_file" => &mut needed.inactive_file,
            b"active_file" => &mut needed.active_file,
            b"shmem" => &mut needed.shmem,
            b"file_dirty" => &mut needed.dirty,
            b"file_writeback" => &mut needed.writeback,
            b"slab_reclaimable" => &mut slab_reclaimable,
            b"kernel" => &mut kernel,
            b"pgscan" => &mut paging.scanned,
            b"pgsteal" => &mut paging.stolen,
            b"workingset_refault_file" | b"workingset_refault" => &mut paging.refaulted_file,
            b"workingset_refault_anon" => &mut paging.refaulted_anon,
            b"pgmajfault" => &mut paging.major_faults,
            b"pswpin" => &mut paging.swapped_in,
            b"pswpout" => &mut paging.swapped_out,
            _ => continue,
        };
        *slot = Some(line.count(Some(value))?);
    }
    let stat = needed.complete(
        path,
        [
            "the line anon",
            "the line file",
            "the line inactive_file",
            "the line active_file",
            "the line shmem",
            "the line file_dirty",
            "the line file_writeback",
        ],
    )?;
    Ok(CgroupMemoryStat {
        slab_reclaimable: slab_reclaimable.map(Bytes::new),
        kernel: kernel.map(Bytes::new),
        paging,
        ..stat
    })
}

/// Parses version 1's `memory.stat`, its hierarchical (`total_`) lines. Kernel memory stays absent.
///
/// - Source: Documentation/admin-guide/cgroup-v1/memory.rst, section 5.2.
/// - Absent: reclaimable slab and the counters of reclaim, which version 1 does not keep.
///
/// # Errors
/// As [`parse_memory_stat_v2`].
pub fn parse_memory_stat_v1(text: &[u8], path: &Path) -> Result<CgroupMemoryStat, SignalError> {
    let mut needed = Needed::default();
    let mut paging = Paging::default();
    let mut swap = None;
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let Some(key) = key.strip_prefix(b"total_") else { continue };
        let slot = match key {
            b"rss" => &mut needed.anon,
            b"cache" => &mut needed.file,
            b"inactive_file" => &mut needed.inactive_file,
            b"active_file" => &mut needed.active_file,
            b"shmem" => &mut needed.shmem,
            b"dirty" => &mut needed.dirty,
            b"writeback" => &mut needed.writeback,
            b"swap" => &mut swap,
            b"workingset_refault_file" | b"workingset_refault" => &mut paging.refaulted_file,
            b"workingset_refault_anon" => &mut paging.refaulted_anon,
            b"pgmajfault" => &mut paging.major_faults,
            _ => continue,
        };
        *slot = Some(line.count(Some(value))?);
    }
    let stat = needed.complete(
        path,
        [
            "the line total_rss",
            "the line total_cache",
            "the line total_inactive_file",
            "the line total_active_file",
            "the line total_shmem",
            "the line total_dirty",
            "the line total_writeback",
        ],
    )?;
    Ok(CgroupMemoryStat { swap: swap.map(Bytes::new), paging, ..stat })
}

/// Parses version 2's `memory.events`.
///
/// - Source: Documentation/admin-guide/cgroup-v2.rst.
/// - Absent: `oom_kill` before Linux 4.13.
///
/// # Errors
/// [`SignalError::Parse`] if a line that is used is not as the kernel writes it.
pub fn parse_memory_events(text: &[u8], path: &Path) -> Result<CgroupMemoryEvents, SignalError> {
    let mut events = CgroupMemoryEvents::default();
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let slot = match key {
            b"high" => &mut events.high,
            b"max" => &mut events.max,
            b"oom" => &mut events.oom,
            b"oom_kill" => &mut events.oom_kill,
            _ => continue,
        };
        *slot = Some(line.count(Some(value))?);
    }
    Ok(events)
}

/// Parses the count of killed processes out of version 1's `memory.oom_control` (Linux 4.17); of this group alone.
///
/// # Errors
/// [`SignalError::Parse`] if the line is not as the kernel writes it.
pub fn parse_oom_control(text: &[u8], path: &Path) -> Result<Option<u64>, SignalError> {
    // The keys of memory.events and of memory.oom_control agree where both have them.
    parse_memory_events(text, path).map(|events| events.oom_kill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    fn read(file: &str) -> Vec<u8> {
        std::fs::read(golden(file)).unwrap()
    }

    #[test]
    fn version_2_golden_files_give_their_numbers() {
        let text = read("6.1/sys/fs/cgroup/lab/memory.stat");
        let stat = parse_memory_stat_v2(&text, Path::new("memory.stat")).unwrap();
        assert_eq!(stat.anon, Bytes::new(57_958_400));
        assert_eq!(stat.slab_reclaimable, Some(Bytes::new(16_688)));
        assert_eq!(stat.kernel, Some(Bytes::new(180_224)));
        assert_eq!(stat.paging.scanned, Some(402_646));
        assert_eq!(stat.paging.stolen, Some(131_127));
        assert_eq!(stat.paging.refaulted_anon, Some(124_820));
        assert_eq!(stat.paging.major_faults, Some(15_901));
        let events =
            parse_memory_events(&read("6.1/sys/fs/cgroup/lab/memory.events"), Path::new("e"));
        assert_eq!(events.unwrap().high, Some(1667));
        for kernel in ["6.1", "6.12"] {
            let text = read(&format!("{kernel}/sys/fs/cgroup/memory.stat"));
            assert!(parse_memory_stat_v2(&text, Path::new("memory.stat")).is_ok(), "{kernel} root");
        }
    }

    #[test]
    fn version_1_golden_files_give_their_numbers() {
        let text = read("6.18/sys/fs/cgroup/memory/lab/memory.stat");
        let stat = parse_memory_stat_v1(&text, Path::new("memory.stat")).unwrap();
        assert_eq!(stat.anon, Bytes::new(42_098_688));
        assert_eq!(stat.file, Bytes::new(5_521_408));
        assert_eq!(stat.inactive_file, Bytes::new(5_455_872));
        assert_eq!(stat.swap, Some(Bytes::ZERO));
        assert_eq!(stat.paging.refaulted_file, Some(16));
        assert_eq!(stat.paging.scanned, None);
        let text = read("6.18/sys/fs/cgroup/memory/lab/memory.oom_control");
        assert_eq!(parse_oom_control(&text, Path::new("o")).unwrap(), Some(0));
        assert_eq!(parse_oom_control(b"under_oom 0\n", Path::new("o")).unwrap(), None);
    }

    #[test]
    fn limits_are_bytes_or_none() {
        let limit = |text: &str| parse_memory_limit(text.as_bytes(), Path::new("memory.max"));
        assert_eq!(limit("67108864\n").unwrap(), MemoryLimit::At(Bytes::new(67_108_864)));
        assert_eq!(limit("0\n").unwrap(), MemoryLimit::At(Bytes::ZERO));
        for none in
            ["max\n", "9223372036854771712\n", "9223372036854775807\n", "4611686018427387904\n"]
        {
            assert_eq!(limit(none).unwrap(), MemoryLimit::Unlimited, "{none}");
        }
        for bad in ["", "\n", "max", "maximum\n", "-1\n", "18446744073709551615\n", "1 2\n"] {
            assert!(limit(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_missing_line_is_unsupported_and_names_itself() {
        let text = String::from_utf8(read("6.12/sys/fs/cgroup/lab/memory.stat")).unwrap();
        for key in ["anon", "file", "inactive_file", "shmem", "file_dirty", "file_writeback"] {
            let cut: String = text
                .split_inclusive('\n')
                .filter(|line| line.split(' ').next() != Some(key))
                .collect();
            let error = parse_memory_stat_v2(cut.as_bytes(), Path::new("memory.stat")).unwrap_err();
            assert_eq!(error.to_string(), format!("memory.stat needs the line {key}"));
        }
    }
}
