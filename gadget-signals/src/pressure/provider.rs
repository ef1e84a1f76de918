//! The host's pressure files.

use std::path::Path;

use gadget_core::{
    Reading, Resource, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::parse_pressure;
use crate::file::{Buffer, KernelFile};

/// Reads the host's pressure.
///
/// - Gives: [`Reading::Pressure`] of [`Subject::Host`], one for each of memory, IO and CPU that the kernel has.
/// - Source: `/proc/pressure/`, Documentation/accounting/psi.rst; Linux 4.20 with `CONFIG_PSI`.
/// - Cost: three files, kept open.
pub struct PressureProvider {
    files: Vec<(Resource, KernelFile)>,
    buffer: Buffer,
}

impl PressureProvider {
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
    /// [`SignalError::Unsupported`] where memory has no pressure file, or PSI is turned off.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        const NEEDS: &str = "CONFIG_PSI and psi=1";
        let folder = proc.as_ref().join("pressure");
        let mut buffer = Buffer::default();
        let memory = KernelFile::open(folder.join("memory"), NEEDS)?;
        memory.read_once(&mut buffer)?;
        let mut files = vec![(Resource::Memory, memory)];
        for (resource, name) in [(Resource::Io, "io"), (Resource::Cpu, "cpu")] {
            files.extend(
                KernelFile::open(folder.join(name), NEEDS).ok().map(|file| (resource, file)),
            );
        }
        Ok(Self { files, buffer })
    }
}

impl SignalProvider for PressureProvider {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Host) {
            return Ok(());
        }
        for (resource, file) in &self.files {
            let pressure = parse_pressure(file.read_once(&mut self.buffer)?, file.path())?;
            out.push(Subject::Host, Reading::Pressure(*resource, pressure));
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "pressure"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, readings};

    #[test]
    fn each_kernel_gives_three_resources() {
        for kernel in ["6.1", "6.12", "6.18"] {
            let mut provider = PressureProvider::at(golden(kernel).join("proc")).unwrap();
            let resources: Vec<_> = readings(&mut provider)
                .into_iter()
                .map(|(_, reading)| match reading {
                    Reading::Pressure(resource, _) => resource,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(resources, [Resource::Memory, Resource::Io, Resource::Cpu], "{kernel}");
        }
    }

    #[test]
    fn a_kernel_without_psi_is_unsupported() {
        let error = PressureProvider::at("/nowhere").err().unwrap();
        assert!(matches!(error, SignalError::Unsupported { .. }), "{error}");
    }
}
