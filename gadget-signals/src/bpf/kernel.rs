//! What this kernel offers to BPF programs.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::{Rc, Weak};

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
    btf: Rc<Btf<'static>>,
}

thread_local! {
    /// Reading the types takes 5 ms: providers that are made one after the other share them while one of them is held.
    static TYPES: RefCell<Weak<Btf<'static>>> = const { RefCell::new(Weak::new()) };
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
        if let Some(btf) = TYPES.with_borrow(Weak::upgrade) {
            return Ok(Self { btf });
        }
        let kernel = Self::at(BTF.as_ref(), LOCKDOWN.as_ref())?;
        TYPES.set(Rc::downgrade(&kernel.btf));
        Ok(kernel)
    }

    /// The kernel that describes itself in these files.
    fn at(btf: &Path, lockdown: &Path) -> Result<Self, SignalError> {
        let unsupported =
            |path: &Path, needs| SignalError::Unsupported { path: path.into(), needs };
        if fs::read_to_string(lockdown).is_ok_and(|text| text.contains("[confidentiality]")) {
            return Err(unsupported(
                lockdown,
                "a kernel that is not locked down to confidentiality",
            ));
        }
        let found = Btf::from_path(btf).map_err(|_| unsupported(btf, "CONFIG_DEBUG_INFO_BTF"))?;
        Ok(Self { btf: Rc::new(found) })
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
    use std::path::PathBuf;

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

    /// The types of a kernel that has only these tracepoints, with as many arguments besides the program's own.
    fn made_up(tracepoints: &[(&str, u16)]) -> Vec<u8> {
        const TYPEDEF: u32 = 8;
        const PTR: u32 = 2;
        const FUNC_PROTO: u32 = 13;
        let (mut types, mut strings, mut id) = (Vec::<u32>::new(), b"\0".to_vec(), 0);
        for &(name, arguments) in tracepoints {
            // Arguments of type void, which is number 0, and without names.
            types.extend([0, FUNC_PROTO << 24 | u32::from(arguments + 1), 0]);
            types.extend(vec![0; 2 * usize::from(arguments + 1)]);
            types.extend([0, PTR << 24, id + 1]);
            types.extend([strings.len() as u32, TYPEDEF << 24, id + 2]);
            strings.extend(format!("btf_trace_{name}\0").bytes());
            id += 3;
        }
        let size = types.len() as u32 * 4;
        // Magic, version and flags; then where types and strings are, by Documentation/bpf/btf.rst.
        let header = [0x0001_eb9f, 24, 0, size, size, strings.len() as u32];
        let words = header.iter().chain(&types);
        words.flat_map(|word| word.to_le_bytes()).chain(strings).collect()
    }

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn an_older_kernel_is_told_from_a_newer_by_what_its_tracepoints_give() {
        let none = Path::new("/none");
        let (_folder, btf) = file("btf", &made_up(&[("block_rq_issue", 2), ("mark_victim", 1)]));
        let kernel = Kernel::at(&btf, none).unwrap();
        assert_eq!(kernel.arguments_of("block_rq_issue"), Some(2));
        assert_eq!(kernel.arguments_of("mark_victim"), Some(1));
        kernel.needs_tracepoints(&["mark_victim", "block_rq_issue"]).unwrap();
        let error = kernel.needs_tracepoints(&["mark_victim", "signal_generate"]).unwrap_err();
        assert_eq!(error.to_string(), "/sys/kernel/btf/vmlinux needs signal_generate");
        assert!(!kernel.has_field("task_struct", "tgid"));
        let (_folder, empty) = file("btf", &made_up(&[]));
        assert_eq!(Kernel::at(&empty, none).unwrap().arguments_of("mark_victim"), None);
    }

    #[test]
    fn a_kernel_without_types_or_that_is_locked_down_is_unsupported() {
        let none = Path::new("/none");
        let said = |btf: &Path, lockdown: &Path| match Kernel::at(btf, lockdown) {
            Err(error @ SignalError::Unsupported { .. }) => error.to_string(),
            Err(error) => panic!("{error}"),
            Ok(_) => "fine".to_owned(),
        };
        assert_eq!(said(none, none), "/none needs CONFIG_DEBUG_INFO_BTF");
        let (_folder, junk) = file("btf", &[7; 1000]);
        assert!(said(&junk, none).ends_with("needs CONFIG_DEBUG_INFO_BTF"));
        let (_folder, cut) = file("btf", &made_up(&[("mark_victim", 1)])[..40]);
        assert!(said(&cut, none).ends_with("needs CONFIG_DEBUG_INFO_BTF"));
        let (_folder, btf) = file("btf", &made_up(&[]));
        let (_folder, open) = file("lockdown", b"none [integrity] confidentiality\n");
        assert_eq!(said(&btf, &open), "fine");
        let (_folder, locked) = file("lockdown", b"none integrity [confidentiality]\n");
        assert!(said(&btf, &locked).ends_with("not locked down to confidentiality"));
    }
}
