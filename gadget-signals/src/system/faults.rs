//! The page faults of `/proc/vmstat`.

use std::path::Path;

use gadget_core::{
    PageFaults, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use crate::file::{Buffer, KernelFile};
use crate::text::{lines, missing};

/// Counts the host's page faults.
///
/// - Gives [`Reading::PageFaults`] of [`Subject::Host`]: what came since the last sample, from the second on.
/// - Source: `pgfault` and `pgmajfault` of `/proc/vmstat`, Documentation/admin-guide/mm/; needs `CONFIG_VM_EVENT_COUNTERS`.
/// - Cost: one file, kept open.
pub struct HostFaults {
    file: KernelFile,
    buffer: Buffer,
    before: Option<PageFaults>,
}

impl HostFaults {
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
    /// [`SignalError::Unsupported`] without `vmstat`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let file = KernelFile::open(proc.as_ref().join("vmstat"), "CONFIG_VM_EVENT_COUNTERS")?;
        Ok(Self { file, buffer: Buffer::default(), before: None })
    }
}

impl SignalProvider for HostFaults {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Host) {
            return Ok(());
        }
        let now = parse_faults(self.file.read_all(&mut self.buffer)?, self.file.path())?;
        if let Some(before) = self.before.replace(now) {
            let faults = PageFaults {
                minor: now.minor.saturating_sub(before.minor),
                major: now.major.saturating_sub(before.major),
            };
            out.push(Subject::Host, Reading::PageFaults(faults));
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "page-faults"
    }
}

/// Parses the faults of `/proc/vmstat`, where `pgfault` counts those with IO too.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_faults(text: &[u8], path: &Path) -> Result<PageFaults, SignalError> {
    let (mut all, mut major) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"pgfault", value) => all = Some(line.count(Some(value))?),
            (b"pgmajfault", value) => major = Some(line.count(Some(value))?),
            _ => {}
        }
    }
    let all = all.ok_or_else(|| missing(path, "the line pgfault"))?;
    let major = major.ok_or_else(|| missing(path, "the line pgmajfault"))?;
    Ok(PageFaults { minor: all.saturating_sub(major), major })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, readings, sample, tree, write};

    #[test]
    fn golden_files_of_each_kernel_have_them() {
        for kernel in ["6.1", "6.12", "6.18"] {
            let path = golden(kernel).join("proc/vmstat");
            let faults = parse_faults(&std::fs::read(&path).unwrap(), &path).unwrap();
            assert!(faults.minor > faults.major && faults.major > 0, "{kernel}: {faults:?}");
        }
    }

    #[test]
    fn what_came_since_the_last_look_is_told() {
        let root = tree(&[("vmstat", "pgfault 100\npgmajfault 7\n")]);
        let mut faults = HostFaults::at(root.path()).unwrap();
        assert_eq!(readings(&mut faults), []);
        write(root.path(), &[("vmstat", "pgfault 130\npgmajfault 10\n")]);
        let told = PageFaults { minor: 27, major: 3 };
        let got = sample(&mut faults, 2, Scope::Everything);
        assert_eq!(got, [(Subject::Host, Reading::PageFaults(told))]);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for bad in ["pgfault 1\n", "pgmajfault 1\n", "pgfault x\npgmajfault 1\n", ""] {
            assert!(parse_faults(bad.as_bytes(), Path::new("vmstat")).is_err(), "{bad:?}");
        }
    }
}
