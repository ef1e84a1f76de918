//! Loading the programs of one provider.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gadget_core::SignalError;
use libbpf_rs::libbpf_sys::bpf_object_open_opts;
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{OpenObject, PrintLevel, set_print};

/// The programs of one provider, loaded and attached; dropping it detaches them.
pub(super) struct Programs<S> {
    skeleton: S,
    provider: &'static str,
}

// SAFETY: a skeleton is pointers into an object that nobody else has, and libbpf ties no object to a thread. It can be used
// by one thread at a time, since there is no `Sync` here.
unsafe impl<S> Send for Programs<S> {}

impl<S: Skel<'static>> Programs<S> {
    /// Opens the object, lets `configure` set constants and leave programs out, loads it and attaches what attaches by itself.
    ///
    /// # Errors
    /// [`SignalError::Program`] with what the kernel or its verifier said.
    pub(super) fn load<B, O>(
        provider: &'static str,
        builder: B,
        configure: impl FnOnce(&mut O) -> libbpf_rs::Result<()>,
    ) -> Result<Self, SignalError>
    where
        B: SkelBuilder<'static, Output = O>,
        O: OpenSkel<'static, Output = S>,
    {
        Self::load_for(None, provider, builder, configure)
    }

    /// As [`load`](Self::load), for a kernel whose types are those of a file.
    fn load_for<B, O>(
        types: Option<&CStr>,
        provider: &'static str,
        builder: B,
        configure: impl FnOnce(&mut O) -> libbpf_rs::Result<()>,
    ) -> Result<Self, SignalError>
    where
        B: SkelBuilder<'static, Output = O>,
        O: OpenSkel<'static, Output = S>,
    {
        let said = Said::listen();
        let failed = |attempt, error: libbpf_rs::Error| {
            let error = io::Error::other(said.with(&error));
            SignalError::Program { attempt, provider, source: error }
        };
        // The skeleton owns the object in it and borrows the place; the place, a pointer, is not given back.
        let place: &'static mut MaybeUninit<OpenObject> =
            Box::leak(Box::new(MaybeUninit::uninit()));
        let options = bpf_object_open_opts {
            sz: size_of::<bpf_object_open_opts>() as _,
            btf_custom_path: types.map_or(ptr::null(), CStr::as_ptr),
            ..Default::default()
        };
        let mut open = builder.open_opts(options, place).map_err(|error| failed("open", error))?;
        configure(&mut open).map_err(|error| failed("configure", error))?;
        let mut skeleton = open.load().map_err(|error| failed("load", error))?;
        skeleton.attach().map_err(|error| failed("attach", error))?;
        Ok(Self { skeleton, provider })
    }

    pub(super) fn skeleton(&self) -> &S {
        &self.skeleton
    }

    pub(super) fn skeleton_mut(&mut self) -> &mut S {
        &mut self.skeleton
    }

    pub(super) fn provider(&self) -> &'static str {
        self.provider
    }

    /// The programs that were loaded.
    pub(super) fn each(&self, mut f: impl FnMut(BorrowedFd<'_>)) {
        for program in self.skeleton.object().progs() {
            if program.autoload() {
                f(program.as_fd());
            }
        }
    }
}

/// Gives back what loading has freed. For each provider libbpf reads the types of the whole kernel; of that 5 MB stayed in the
/// heap, below the little that is kept.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Reads what a program may write at any moment.
pub(super) fn volatile<T: Copy>(value: &T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { std::ptr::read_volatile(value) }
}

/// All that programs have counted as lost, for a map or a ring that was full; nothing where their memory is not mapped.
pub(super) fn sum_lost(lost: Option<&[u64; 4]>) -> u64 {
    lost.map_or(0, |lost| volatile(lost).iter().sum())
}

/// As libbpf knows where to print and how much.
type Printer = (PrintLevel, fn(PrintLevel, String));

/// What libbpf has to say while something is loaded: it returns only a number.
struct Said {
    before: Option<Printer>,
    _one_at_a_time: MutexGuard<'static, ()>,
}

/// The most of it that is kept: the end, where the reason stands.
const MOST: usize = 2048;
static TEXT: Mutex<String> = Mutex::new(String::new());
static LISTENING: Mutex<()> = Mutex::new(());

impl Said {
    fn listen() -> Self {
        let one_at_a_time = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
        TEXT.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let before = set_print(Some((PrintLevel::Warn, |_, line| {
            let mut text = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&line);
            let cut = text.len().saturating_sub(MOST);
            let cut = (cut..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.drain(..cut);
        })));
        Self { before, _one_at_a_time: one_at_a_time }
    }

    fn with(&self, error: &libbpf_rs::Error) -> String {
        let text = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text.trim();
        if text.is_empty() { error.to_string() } else { format!("{error}: {text}") }
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        set_print(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::ffi::CString;
    use std::fs;

    use super::*;
    use crate::bpf::Kernel;
    use crate::bpf::skel::block::{BlockSkel, BlockSkelBuilder, OpenBlockSkel};

    /// Loads the programs of block requests for this kernel, had it another name for a field.
    fn with_renamed(field: &str) -> Option<Result<(), SignalError>> {
        if let Err(error) = Kernel::probe() {
            println!("SKIPPED: {error}");
            return None;
        }
        let mut types = fs::read("/sys/kernel/btf/vmlinux").unwrap();
        let name = format!("\0{field}\0").into_bytes();
        let at = types.windows(name.len()).position(|found| found == name).unwrap();
        types[at + 1] = b'X';
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("types");
        fs::write(&path, types).unwrap();
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let configure = |open: &mut OpenBlockSkel<'_>| {
            let issue = open.progs.handle__block_rq_issue_queue.autoload();
            assert!(issue, "all programs are loaded unless they are left out");
            open.progs.handle__block_rq_issue_queue.set_autoload(false);
            Ok(())
        };
        let builder = BlockSkelBuilder::default();
        let loaded = Programs::<BlockSkel<'_>>::load_for(Some(&path), "it", builder, configure);
        Some(loaded.map(drop))
    }

    #[test]
    fn a_field_that_this_kernel_must_have_and_calls_otherwise_is_named() {
        let Some(loaded) = with_renamed("cmd_flags") else { return };
        let error = loaded.unwrap_err();
        assert_eq!(error.to_string(), "cannot load the programs of it");
        let said = error.source().unwrap().to_string();
        assert!(said.contains("request.cmd_flags"), "{said}");
    }

    #[test]
    fn a_field_that_a_kernel_may_have_is_done_without() {
        let Some(loaded) = with_renamed("bi_blkg") else { return };
        loaded.unwrap();
    }

    #[test]
    fn what_was_dropped_is_attached_no_more() {
        if let Err(error) = Kernel::probe() {
            println!("SKIPPED: {error}");
            return;
        }
        let configure = |open: &mut OpenBlockSkel<'_>| {
            open.progs.handle__block_rq_issue_queue.set_autoload(false);
            Ok(())
        };
        let programs =
            Programs::<BlockSkel<'_>>::load("it", BlockSkelBuilder::default(), configure).unwrap();
        let mut ids = Vec::new();
        programs.each(|program| ids.push(id_of(program)));
        assert_eq!(ids.len(), 2);
        let alive =
            |id: u32| libbpf_rs::query::ProgInfoIter::default().any(|program| program.id == id);
        assert!(ids.iter().all(|&id| alive(id)));
        // Nobody else can detach them: the kernel has no way to, for these.
        let link = programs.skeleton().links.handle__block_rq_issue.as_ref().unwrap();
        link.detach().unwrap_err();
        drop(programs);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while ids.iter().any(|&id| alive(id)) {
            assert!(std::time::Instant::now() < until, "{ids:?} are still loaded");
        }
    }

    fn id_of(program: BorrowedFd<'_>) -> u32 {
        use std::os::fd::AsRawFd as _;
        let text =
            fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("prog_id:")).unwrap();
        line.trim().parse().unwrap()
    }
}
