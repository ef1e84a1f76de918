//! `/proc/meminfo` and `/proc/vmstat`.

use std::path::Path;

use gadget_core::{
    Bytes, HostMemory, Paging, Reading, Scope, SignalError, SignalProvider, Signals, Subject,
    Timestamp,
};

use crate::file::{Buffer, KernelFile};
use crate::text::{lines, missing};

/// Reads the host's memory.
///
/// - Gives: [`Reading::HostMemory`] of [`Subject::Host`].
/// - Source: `/proc/meminfo`, Documentation/filesystems/proc.rst (`MemAvailable`: Linux 3.14), and `/proc/vmstat`.
/// - Cost: two files, kept open.
pub struct HostMemoryProvider {
    meminfo: KernelFile,
    vmstat: Option<KernelFile>,
    buffer: Buffer,
}

impl HostMemoryProvider {
    /// Of this host.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// Of the host whose `/proc` is at `proc`. Without `vmstat` the counters are absent.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `meminfo`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let proc = proc.as_ref();
        let vmstat = KernelFile::open(proc.join("vmstat"), "CONFIG_VM_EVENT_COUNTERS").ok();
        let meminfo = KernelFile::open(proc.join("meminfo"), "procfs")?;
        Ok(Self { meminfo, vmstat, buffer: Buffer::default() })
    }
}

impl SignalProvider for HostMemoryProvider {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Host) {
            return Ok(());
        }
        let text = self.meminfo.read_once(&mut self.buffer)?;
        let mut memory = parse_meminfo(text, self.meminfo.path())?;
        if let Some(file) = &self.vmstat {
            let text = file.read_all(&mut self.buffer)?;
            (memory.paging, memory.oom_kills) = parse_vmstat(text, file.path())?;
        }
        out.push(Subject::Host, Reading::HostMemory(memory));
        Ok(())
    }

    fn name(&self) -> &'static str {
        "host-memory"
    }
}

/// Parses `/proc/meminfo`. The counters, which it does not hold, stay absent.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_meminfo(text: &[u8], path: &Path) -> Result<HostMemory, SignalError> {
    const NEEDED: [&str; 10] = [
        "the line MemTotal",
        "the line MemFree",
        "the line MemAvailable (Linux 3.14)",
        "the line AnonPages",
        "the line Active(file)",
        "the line Inactive(file)",
        "the line Shmem",
        "the line SReclaimable",
        "the line SwapTotal",
        "the line SwapFree",
    ];
    let mut found: [Option<Bytes>; NEEDED.len()] = [None; NEEDED.len()];
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let slot = match key {
            b"MemTotal" => 0,
            b"MemFree" => 1,
            b"MemAvailable" => 2,
            b"AnonPages" => 3,
            b"Active(file)" => 4,
            b"Inactive(file)" => 5,
            b"Shmem" => 6,
            b"SReclaimable" => 7,
            b"SwapTotal" => 8,
            b"SwapFree" => 9,
            _ => continue,
        };
        found[slot] = Some(Bytes::new(line.kib(value)?));
    }
    let get = |slot: usize| found[slot].ok_or_else(|| missing(path, NEEDED[slot]));
    Ok(HostMemory {
        total: get(0)?,
        free: get(1)?,
        available: get(2)?,
        anon: get(3)?,
        active_file: get(4)?,
        inactive_file: get(5)?,
        shmem: get(6)?,
        slab_reclaimable: get(7)?,
        swap_total: get(8)?,
        swap_free: get(9)?,
        paging: Paging::default(),
        oom_kills: None,
    })
}

/// Parses `/proc/vmstat` into the counters of paging and the count of OOM kills.
///
/// `scanned` and `stolen` are the sums of the parts by kind of page (`pgscan_anon`, `pgscan_file`; Linux 5.8), which
/// count reclaim in cgroups too; before those, the sums by who reclaimed (`pgscan_kswapd`, `pgscan_direct`).
/// `workingset_refault` without a kind (before Linux 5.9) counts as refaults of file pages, which they were.
///
/// # Errors
/// [`SignalError::Parse`] if a line that is used is not as the kernel writes it.
pub fn parse_vmstat(text: &[u8], path: &Path) -> Result<(Paging, Option<u64>), SignalError> {
    let mut paging = Paging::default();
    let mut oom_kills = None;
    let (mut scanned_by_kind, mut stolen_by_kind) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        let (key, value) = line.key();
        let (slot, add) = match key {
            b"pgscan_anon" | b"pgscan_file" => (&mut scanned_by_kind, true),
            b"pgsteal_anon" | b"pgsteal_file" => (&mut stolen_by_kind, true),
            b"pgscan_kswapd" | b"pgscan_direct" | b"pgscan_khugepaged" | b"pgscan_proactive" => {
                (&mut paging.scanned, true)
            }
            b"pgsteal_kswapd"
            | b"pgsteal_direct"
            | b"pgsteal_khugepaged"
            | b"pgsteal_proactive" => (&mut paging.stolen, true),
            b"workingset_refault_file" | b"workingset_refault" => {
                (&mut paging.refaulted_file, false)
            }
            b"workingset_refault_anon" => (&mut paging.refaulted_anon, false),
            b"pgmajfault" => (&mut paging.major_faults, false),
            b"pswpin" => (&mut paging.swapped_in, false),
            b"pswpout" => (&mut paging.swapped_out, false),
            b"oom_kill" => (&mut oom_kills, false),
            _ => continue,
        };
        let value = line.count(Some(value))?;
        let before = if add { slot.unwrap_or(0) } else { 0 };
        *slot = Some(before.saturating_add(value));
    }
    paging.scanned = scanned_by_kind.or(paging.scanned);
    paging.stolen = stolen_by_kind.or(paging.stolen);
    Ok((paging, oom_kills))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, readings};

    #[test]
    fn golden_files_of_each_kernel_give_their_numbers() {
        let cases = [
            ("6.1", 480_272, 394_484, 65_624, Some(402_646), Some(15_901)),
            ("6.12", 475_012, 384_180, 65_612, Some(406_699), Some(18_729)),
        ];
        for (kernel, total, available, swap_free, scanned, major) in cases {
            let mut provider = HostMemoryProvider::at(golden(kernel).join("proc")).unwrap();
            let readings = readings(&mut provider);
            let [(Subject::Host, Reading::HostMemory(memory))] = readings.as_slice() else {
                panic!("{kernel}: {readings:?}");
            };
            assert_eq!(memory.total, Bytes::from_kib(total), "{kernel}");
            assert_eq!(memory.available, Bytes::from_kib(available), "{kernel}");
            assert_eq!(memory.swap_free, Bytes::from_kib(swap_free), "{kernel}");
            assert_eq!(memory.paging.scanned, scanned, "{kernel}");
            assert_eq!(memory.paging.major_faults, major, "{kernel}");
            assert_eq!(memory.oom_kills, Some(0), "{kernel}");
        }
    }

    #[test]
    fn a_missing_line_is_unsupported_and_never_zero() {
        let whole = std::fs::read_to_string(golden("6.1").join("proc/meminfo")).unwrap();
        for key in ["MemTotal", "MemAvailable", "Shmem", "SwapFree", "Inactive(file)"] {
            let cut: String = whole
                .lines()
                .filter(|line| !line.starts_with(&format!("{key}:")))
                .flat_map(|line| [line, "\n"])
                .collect();
            let error = parse_meminfo(cut.as_bytes(), Path::new("meminfo")).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
            assert!(matches!(error, SignalError::Unsupported { .. }));
        }
    }

    #[test]
    fn an_old_kernel_names_its_counters_otherwise() {
        let text = b"workingset_refault 7\npgscan_kswapd 3\npgscan_direct 4\n";
        let (paging, oom_kills) = parse_vmstat(text, Path::new("vmstat")).unwrap();
        assert_eq!(paging.refaulted_file, Some(7));
        assert_eq!(paging.scanned, Some(7));
        assert_eq!((paging.stolen, oom_kills), (None, None));
    }

    #[test]
    fn values_that_wrapped_or_are_cut_are_refused_with_their_line() {
        for (text, line) in [
            (&b"pswpin 1\npswpout 18446744073709551615\n"[..], 2),
            (b"pswpin -1\n", 1),
            (b"pswpin 1\npswpout 12", 2),
            (b"pgmajfault\n", 1),
        ] {
            let error = parse_vmstat(text, Path::new("vmstat")).unwrap_err();
            assert!(matches!(error, SignalError::Parse { line: found, .. } if found == line));
        }
    }
}
