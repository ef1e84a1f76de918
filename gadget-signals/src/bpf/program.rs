//! Loading the programs of one provider.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gadget_core::SignalError;
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
        let said = Said::listen();
        let failed = |attempt, error: libbpf_rs::Error| {
            let error = io::Error::other(said.with(&error));
            SignalError::Program { attempt, provider, source: error }
        };
        // The skeleton owns the object in it and borrows the place; the place, a pointer, is not given back.
        let place: &'static mut MaybeUninit<OpenObject> =
            Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = builder.open(place).map_err(|error| failed("open", error))?;
        configure(&mut open).map_err(|error| failed("configure", error))?;
        let mut skeleton = open.load().map_err(|error| failed("load", error))?;
        skeleton.attach().map_err(|error| failed("attach", error))?;
        Ok(Self { skeleton, provider })
    }

    pub(super) fn skeleton(&self) -> &S {
        &self.skeleton
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

/// Reads what a program may write at any moment.
pub(super) fn volatile<T: Copy>(value: &T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { std::ptr::read_volatile(value) }
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
