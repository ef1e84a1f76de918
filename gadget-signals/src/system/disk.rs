//! `/proc/diskstats`.

use std::path::Path;

use gadget_core::{
    Bytes, IoCount, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use crate::file::{Buffer, KernelFile};
use crate::text::lines;

/// The kernel counts in sectors of this size, whatever the device's own are.
const SECTOR: u64 = 512;

/// Reads the host's block IO.
///
/// - Gives: [`Reading::HostIo`] of [`Subject::Host`].
/// - Source: `/proc/diskstats`, Documentation/admin-guide/iostats.rst.
/// - Cost: one file, kept open.
pub struct HostIoProvider {
    file: KernelFile,
    buffer: Buffer,
}

impl HostIoProvider {
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
    /// [`SignalError::Unsupported`] without `diskstats`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let file = KernelFile::open(proc.as_ref().join("diskstats"), "CONFIG_BLOCK")?;
        Ok(Self { file, buffer: Buffer::default() })
    }
}

impl SignalProvider for HostIoProvider {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if scope.holds(Subject::Host) {
            let io = parse_diskstats(self.file.read_all(&mut self.buffer)?, self.file.path())?;
            out.push(Subject::Host, Reading::HostIo(io));
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "host-io"
    }
}

/// Parses `/proc/diskstats`, summed over devices that are neither parts of others (partitions) nor made of others or of
/// memory (`dm-`, `md`, `loop`, `ram`, `zram`), whose IO would count twice or is none.
///
/// # Errors
/// [`SignalError::Parse`] if a line is not as the kernel writes it.
pub fn parse_diskstats(text: &[u8], path: &Path) -> Result<IoCount, SignalError> {
    let mut io = IoCount::default();
    let mut whole: &[u8] = b"";
    for line in lines(text, path) {
        let line = line?;
        let mut words = line.words();
        let Some(name) = words.nth(2) else {
            return Err(line.error("major minor name ..."));
        };
        let sectors_read = line.count(words.nth(2))?;
        let sectors_written = line.count(words.nth(3))?;
        // The kernel lists the parts of a device behind it.
        if is_stacked(name) || is_part_of(name, whole) {
            continue;
        }
        whole = name;
        let bytes = |sectors: u64| Bytes::new(sectors.saturating_mul(SECTOR));
        io.read = io.read.saturating_add(bytes(sectors_read));
        io.written = io.written.saturating_add(bytes(sectors_written));
    }
    Ok(io)
}

fn is_stacked(name: &[u8]) -> bool {
    const KINDS: [&[u8]; 5] = [b"dm-", b"md", b"loop", b"ram", b"zram"];
    KINDS.iter().any(|kind| {
        name.strip_prefix(*kind).is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
    })
}

/// `sda1` is a part of `sda`, and `nvme0n1p2` of `nvme0n1`.
fn is_part_of(name: &[u8], whole: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(whole).filter(|_| !whole.is_empty()) else { return false };
    let number = match whole.last() {
        Some(last) if last.is_ascii_digit() => rest.strip_prefix(b"p").unwrap_or_default(),
        _ => rest,
    };
    !number.is_empty() && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn golden_files_of_each_kernel_give_their_numbers() {
        let read = |kernel: &str| {
            let path = golden(kernel).join("proc/diskstats");
            parse_diskstats(&std::fs::read(&path).unwrap(), &path).unwrap()
        };
        let io = read("6.1");
        assert_eq!(io.read, Bytes::new(1_015_352 * 512));
        assert_eq!(io.written, Bytes::new(1_034_544 * 512));
        assert!(read("6.12").read > Bytes::ZERO && read("6.18").read > Bytes::ZERO);
    }

    #[test]
    fn parts_and_stacked_devices_are_not_counted_twice() {
        let line = |name: &str, read: u64| format!("8 0 {name} 1 0 {read} 0 1 0 1 0 0 0 0\n");
        let text: String = [
            ("sda", 10),
            ("sda1", 4),
            ("sda15", 4),
            ("sdaa", 1),
            ("nvme0n1", 20),
            ("nvme0n1p1", 20),
            ("nvme0n10", 2),
            ("dm-0", 30),
            ("md127", 30),
            ("loop0", 5),
            ("zram0", 5),
            ("mdraid", 3),
        ]
        .into_iter()
        .map(|(name, read)| line(name, read))
        .collect();
        let io = parse_diskstats(text.as_bytes(), Path::new("d")).unwrap();
        assert_eq!(io.read, Bytes::new((10 + 1 + 20 + 2 + 3) * 512));
        assert_eq!(io.written, Bytes::new(5 * 512));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for bad in [
            "8 0\n",
            "8 0 sda 1 0 x 0 1 0 1\n",
            "8 0 sda 1 0 5 0 1 0\n",
            "8 0 sda 1 0 5 0 1 0 -1\n",
        ] {
            assert!(parse_diskstats(bad.as_bytes(), Path::new("d")).is_err(), "{bad:?}");
        }
        assert_eq!(parse_diskstats(b"", Path::new("d")).unwrap(), IoCount::default());
    }
}
