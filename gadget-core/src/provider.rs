//! Reading the host.

use std::io;
use std::path::PathBuf;

use crate::signal::{Reading, Signal};
use crate::subject::Subject;
use crate::units::Timestamp;

/// Which subjects a sample is about.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Everything the provider knows: the regular sweep.
    Everything,
    /// Only these, in detail: gadgets asked to see them more often. Sorted, no duplicates.
    Only(&'a [Subject]),
}

impl Scope<'_> {
    /// True if `subject` is to be read.
    #[must_use]
    pub fn holds(&self, subject: Subject) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(subjects) => subjects.binary_search(&subject).is_ok(),
        }
    }

    /// True if gadgets asked for `subject` by name, so that it deserves its costly files too.
    #[must_use]
    pub fn names(&self, subject: Subject) -> bool {
        matches!(self, Self::Only(subjects) if subjects.binary_search(&subject).is_ok())
    }
}

/// The readings of one sample, all with the same time. Reused from sample to sample, so that it stops allocating.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    at: Timestamp,
    list: Vec<Signal>,
}

impl Signals {
    /// An empty list of readings taken at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { at, list: Vec::new() }
    }

    /// Empties it for a new sample at `at`, keeping its memory.
    pub fn restart(&mut self, at: Timestamp) {
        self.at = at;
        self.list.clear();
    }

    /// When the readings were taken.
    #[must_use]
    pub const fn taken_at(&self) -> Timestamp {
        self.at
    }

    /// Adds one reading.
    pub fn push(&mut self, subject: Subject, reading: Reading) {
        self.list.push(Signal { at: self.at, subject, reading });
    }

    /// The readings, in the order they were taken.
    #[must_use]
    pub fn as_slice(&self) -> &[Signal] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Signals {
    type Item = &'a Signal;
    type IntoIter = std::slice::Iter<'a, Signal>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

/// Reads the host and never changes it.
///
/// A provider that streams (waits for events instead of being asked) implements [`wait`](Self::wait) as well.
pub trait SignalProvider: Send {
    /// Takes one sample at `now` and adds its readings to `out`; cheap enough to run every tick.
    ///
    /// A subject that vanished is a [`Reading::Gone`], not an error. A provider that has nothing on the subjects in
    /// `scope` adds nothing.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] lasts as long as this kernel does; for the others, try again next tick. Readings
    /// added before the error stand.
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError>;

    /// For providers that stream: blocks until there is something to sample or `timeout` has passed, and says which.
    /// `None` for providers that are polled, the default.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn wait(&mut self, timeout: std::time::Duration) -> Option<Result<bool, SignalError>> {
        let _ = timeout;
        None
    }

    /// The name used in metrics and logs.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// A provider with nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl SignalProvider for Silent {
    fn sample(&mut self, _: Timestamp, _: Scope<'_>, _: &mut Signals) -> Result<(), SignalError> {
        Ok(())
    }
    fn name(&self) -> &'static str {
        "silent"
    }
}

macro_rules! forward {
    ($($holder:ty),*) => {$(
        impl<P: SignalProvider + ?Sized> SignalProvider for $holder {
            fn sample(&mut self, now: Timestamp, scope: Scope<'_>, out: &mut Signals) -> Result<(), SignalError> {
                (**self).sample(now, scope, out)
            }
            fn wait(&mut self, timeout: std::time::Duration) -> Option<Result<bool, SignalError>> {
                (**self).wait(timeout)
            }
            fn name(&self) -> &'static str {
                (**self).name()
            }
        }
    )*};
}
forward!(Box<P>, &mut P);

/// Why a reading could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// This kernel does not offer the signal; use the fallback or leave the gadget out.
    #[error("{path} needs {needs}")]
    Unsupported {
        /// The file that is missing.
        path: PathBuf,
        /// The configuration, version or capability that offers it.
        needs: &'static str,
    },
    /// The file is there and could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is to outlast a restart could not be kept: a checkpoint.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent lacks a capability (capabilities(7)).
    #[error("{what} needs {capability}")]
    Missing {
        /// What was attempted.
        what: &'static str,
        /// For example `CAP_BPF`.
        capability: &'static str,
    },
    /// The kernel refused a program that was to watch it.
    #[error("cannot {attempt} the programs of {provider}")]
    Program {
        /// `load` or `attach`.
        attempt: &'static str,
        /// The provider.
        provider: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file says something that it should not.
    #[error("{path}:{line}: expected {expected}, found {found:?}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// What stands there, cut to 64 characters.
        found: String,
    },
}
