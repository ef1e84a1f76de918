//! What this kernel offers to BPF programs.

use std::fs;

use gadget_core::SignalError;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Func, FuncProto, Struct, Typedef};
use rustix::thread::{CapabilitySet, capabilities};

use crate::Namespaces;

/// Where the kernel describes its own types.
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// `PROC_PID_INIT_INO` and `PROC_TIME_INIT_INO` of the kernel's include/linux/proc_ns.h.
const HOST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
const HOST_TIME_NAMESPACE: u64 = 0xEFFF_FFFA;
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// A kernel that takes BPF programs from us, and what it has for them.
///
/// Asked is whether a type, a field or a function exists, not which version runs.
///
/// - Source: `/sys/kernel/btf/vmlinux`, Documentation/bpf/btf.rst; capabilities(7); `/sys/kernel/security/lockdown`.
pub struct Kernel {
    btf: Btf<'static>,
}

impl Kernel {
    /// Looks at the running kernel and at what this process may.
    ///
    /// # Errors
    /// [`SignalError::Missing`] names the capability that is missing; [`SignalError::Unsupported`] says what the kernel was
    /// built or booted without.
    pub fn probe() -> Result<Self, SignalError> {
        let held = capabilities(None).map(|sets| sets.effective).unwrap_or(CapabilitySet::empty());
        if let Some(capability) = missing(held) {
            return Err(SignalError::Missing { what: "watching the kernel by BPF", capability });
        }
        if fs::read_to_string(LOCKDOWN).is_ok_and(|text| text.contains("[confidentiality]")) {
            let needs = "a kernel that is not locked down to confidentiality";
            return Err(SignalError::Unsupported { path: LOCKDOWN.into(), needs });
        }
        let unsupported =
            || SignalError::Unsupported { path: BTF.into(), needs: "CONFIG_DEBUG_INFO_BTF" };
        if fs::metadata(BTF).is_err() {
            return Err(unsupported());
        }
        Ok(Self { btf: Btf::from_vmlinux().map_err(|_| unsupported())? })
    }

    /// True if there is a tracepoint of this name whose arguments are known.
    #[must_use]
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.btf.type_by_name::<Typedef<'_>>(&format!("btf_trace_{name}")).is_some()
    }

    /// How many arguments a tracepoint gives; none if there is no such tracepoint.
    #[must_use]
    pub fn arguments_of(&self, tracepoint: &str) -> Option<usize> {
        let name = format!("btf_trace_{tracepoint}");
        let prototype = self.btf.type_by_name::<Typedef<'_>>(&name)?.next_type()?.next_type()?;
        // The first is the program's own.
        FuncProto::try_from(prototype).ok()?.len().checked_sub(1)
    }

    /// True if there is a function of this name, as programs may call some of.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.btf.type_by_name::<Func<'_>>(name).is_some()
    }

    /// True if `struct NAME` has this field, unnamed members left out.
    #[must_use]
    pub fn has_field(&self, name: &str, field: &str) -> bool {
        self.btf
            .type_by_name::<Struct<'_>>(name)
            .is_some_and(|found| found.iter().any(|it| it.name.is_some_and(|name| name == field)))
    }

    /// The first of `functions` that this kernel lacks, as an error.
    pub(super) fn needs_functions(&self, functions: &[&'static str]) -> Result<(), SignalError> {
        match functions.iter().find(|name| !self.has_function(name)) {
            Some(missing) => Err(SignalError::Unsupported { path: BTF.into(), needs: missing }),
            None => Ok(()),
        }
    }

    /// An error if this kernel has no `struct NAME`, as that which it gives to the programs of an iterator.
    pub(super) fn needs_struct(&self, name: &'static str) -> Result<(), SignalError> {
        if self.btf.type_by_name::<Struct<'_>>(name).is_some() {
            return Ok(());
        }
        Err(SignalError::Unsupported { path: BTF.into(), needs: name })
    }

    /// An error where this process has other numbers for processes, or another time since boot, than the kernel's own.
    pub(super) fn needs_host_namespaces(&self) -> Result<(), SignalError> {
        let own = Namespaces::of("/proc", std::process::id())?.unwrap_or_default();
        let differs = |found: Option<u64>, host| found.is_some_and(|found| found != host);
        let needs = match () {
            () if differs(own.pid, HOST_PID_NAMESPACE) => "the host's pid namespace",
            () if differs(own.time, HOST_TIME_NAMESPACE) => "the host's time namespace",
            () => return Ok(()),
        };
        Err(SignalError::Unsupported { path: "/proc/self/ns".into(), needs })
    }

    /// The first of `tracepoints` that this kernel lacks, as an error.
    pub(super) fn needs_tracepoints(
        &self,
        tracepoints: &[&'static str],
    ) -> Result<(), SignalError> {
        match tracepoints.iter().find(|name| !self.has_tracepoint(name)) {
            Some(missing) => Err(SignalError::Unsupported { path: BTF.into(), needs: missing }),
            None => Ok(()),
        }
    }
}

/// The capability that is missing for loading programs that look into the kernel.
fn missing(held: CapabilitySet) -> Option<&'static str> {
    if held.contains(CapabilitySet::SYS_ADMIN) {
        return None;
    }
    if !held.contains(CapabilitySet::BPF) {
        return Some("CAP_BPF");
    }
    (!held.contains(CapabilitySet::PERFMON)).then_some("CAP_PERFMON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_that_is_missing_is_named() {
        let bpf = CapabilitySet::BPF;
        assert_eq!(missing(CapabilitySet::empty()), Some("CAP_BPF"));
        assert_eq!(missing(bpf), Some("CAP_PERFMON"));
        assert_eq!(missing(bpf | CapabilitySet::PERFMON), None);
        assert_eq!(missing(CapabilitySet::SYS_ADMIN), None);
    }

    #[test]
    fn what_a_kernel_has_is_found_and_what_none_has_is_not() {
        let Ok(kernel) = Kernel::probe() else {
            println!("SKIPPED: this host takes no BPF programs from us");
            return;
        };
        assert!(kernel.has_tracepoint("sched_switch") && !kernel.has_tracepoint("no_such_thing"));
        assert_eq!(kernel.arguments_of("sched_process_exec"), Some(3));
        assert_eq!(kernel.arguments_of("no_such_thing"), None);
        assert!(kernel.has_function("wake_up_process") && !kernel.has_function("no_such_thing"));
        assert!(kernel.has_field("task_struct", "tgid") && !kernel.has_field("task_struct", "no"));
        let error = kernel.needs_tracepoints(&["sched_switch", "no_such_thing"]).unwrap_err();
        assert!(error.to_string().ends_with("needs no_such_thing"), "{error}");
    }
}
