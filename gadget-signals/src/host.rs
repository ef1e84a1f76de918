//! The providers that fit this host, chosen and explained.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use gadget_core::{Resource, SignalError, SignalProvider, Subject};

use crate::cgroup::{CgroupLayout, Cgroups};
use crate::oom::OomWatch;
use crate::pressure::{Headroom, PressureProvider, PsiTrigger, StallWatch};
use crate::process::Processes;
use crate::system::HostMemoryProvider;

/// How often what is calm is read. A gadget asks for more where it is not, and stalls and OOM kills are told at once.
///
/// Measured with 500 more processes and 200 limited cgroups: a sweep of them all costs 0.9 ms, one of the processes 2 ms, and
/// each sample of the small files about 0.1 ms with the wake-up and the agent's step.
struct AtRest {
    memory: Duration,
    pressure: Duration,
    cgroups: Duration,
    processes: Duration,
}

const AT_REST: AtRest = AtRest {
    memory: Duration::from_secs(5),
    pressure: Duration::from_secs(30),
    cgroups: Duration::from_secs(3),
    processes: Duration::from_secs(30),
};

/// One provider, how often to ask it, and what was decided about it.
pub struct Chosen {
    /// The provider.
    pub provider: Box<dyn SignalProvider>,
    /// How often a sweep is worth its cost. A provider that streams is asked when it has something instead.
    pub every: Duration,
    /// One line for a person: what is read and which fallback was taken.
    pub decided: String,
}

/// The providers for watching this host's memory, each with what was decided about it; and one line for each that this
/// host does not offer.
pub struct HostProviders {
    /// The providers.
    pub chosen: Vec<Chosen>,
    /// What is missing, and what it would need.
    pub missing: Vec<String>,
}

impl HostProviders {
    /// For watching memory: the host's memory and pressure, cgroups, processes, stalls as they happen and OOM kills. With `subtrees` only those cgroups and what is below them, and not the host as a whole: nothing is foreseen
    /// for it that way, and nothing done.
    ///
    /// A stall, of the host or of each of `subtrees` that exists by now, is told by a trigger of the kernel where it
    /// serves one promptly, and by a [`StallWatch`] else.
    ///
    /// # Errors
    /// Only if the host's memory is wanted and cannot be read; everything else that is missing is said in
    /// [`missing`](Self::missing).
    ///
    /// ```
    /// let providers = gadget_signals::HostProviders::for_memory(&[])?;
    /// for chosen in &providers.chosen {
    ///     println!("{} every {:?}: {}", chosen.provider.name(), chosen.every, chosen.decided);
    /// }
    /// # Ok::<(), gadget_core::SignalError>(())
    /// ```
    pub fn for_memory(subtrees: &[&str]) -> Result<Self, SignalError> {
        let mut found = Choice::default();
        #[cfg(feature = "bpf")]
        let types = crate::bpf::Kernel::probe();
        if subtrees.is_empty() {
            let memory = HostMemoryProvider::host()?;
            found.add(memory, AT_REST.memory, "/proc/meminfo and vmstat".to_owned());
            if let Some(pressure) = found.got("pressure", PressureProvider::host()) {
                found.add(pressure, AT_REST.pressure, "/proc/pressure".to_owned());
            }
        }
        let layout = found.got("cgroups", CgroupLayout::detect());
        if subtrees.is_empty() {
            found.add_stalls("/proc/pressure/memory".as_ref(), Subject::Host, Headroom::host());
        }
        for path in subtrees {
            let group = layout.as_ref().and_then(|layout| {
                let headroom = Headroom::of_cgroup(layout, path);
                Some((layout.pressure_file(path, Resource::Memory)?, layout.id_of(path)?, headroom))
            });
            match group {
                Some((file, id, headroom)) => {
                    found.add_stalls(&file, Subject::Cgroup(id), headroom);
                }
                None => found.missing.push(format!("without stalls of {path}: not there yet")),
            }
        }
        if let Some(layout) = &layout
            && let Some(cgroups) = found.got("cgroups", Cgroups::of(layout.clone()))
        {
            let cgroups = subtrees.iter().fold(cgroups, |cgroups, path| cgroups.subtree(path));
            let decided = cgroups.describe();
            found.add(cgroups, AT_REST.cgroups, decided);
        }
        let oom = OomWatch::at("/proc", layout.as_ref());
        #[cfg(feature = "bpf")]
        let reclaim = crate::bpf::ReclaimWatch::host(layout.as_ref());
        if let Some(processes) = found.got("processes", Processes::at("/proc", layout)) {
            let decided = processes.describe();
            found.add(processes, AT_REST.processes, decided);
        }
        if let Some(oom) = found.got("OOM kills", oom) {
            let decided = oom.describe();
            found.add(oom, Duration::from_secs(1), decided);
        }
        #[cfg(feature = "bpf")]
        if let Some(reclaim) = found.got("reclaim", reclaim) {
            let decided = reclaim.describe();
            found.add(reclaim, Duration::from_secs(1), decided);
        }
        #[cfg(feature = "bpf")]
        {
            drop(types);
            crate::bpf::give_memory_back();
        }
        let Choice { chosen, missing } = found;
        Ok(Self { chosen, missing })
    }
}

/// Providers as they are chosen one by one, and why others are not.
#[derive(Default)]
pub(crate) struct Choice {
    pub(crate) chosen: Vec<Chosen>,
    pub(crate) missing: Vec<String>,
}

impl Choice {
    /// 150 ms of stall on memory within 1 s.
    fn add_stalls(
        &mut self,
        file: &Path,
        subject: Subject,
        headroom: Result<Headroom, SignalError>,
    ) {
        let (stall, window) = (Duration::from_millis(150), Duration::from_secs(1));
        if let Ok(trigger) = PsiTrigger::at(file, subject, Resource::Memory, stall, window)
            && trigger.is_prompt()
        {
            let decided = trigger.describe();
            self.add(trigger, window, decided);
            return;
        }
        let watch = StallWatch::at(file, subject, Resource::Memory, stall, window);
        if let Some(watch) = self.got("stalls", watch) {
            let watch = match headroom {
                Ok(headroom) => watch.resting(headroom),
                Err(_) => watch,
            };
            let decided = watch.describe();
            self.add(watch, window, decided);
        }
    }

    pub(crate) fn add(
        &mut self,
        provider: impl SignalProvider + 'static,
        every: Duration,
        decided: String,
    ) {
        self.chosen.push(Chosen { provider: Box::new(provider), every, decided });
    }

    /// What was made; or `None`, and why not is kept.
    pub(crate) fn got<T>(&mut self, what: &str, result: Result<T, SignalError>) -> Option<T> {
        result.map_err(|error| self.missing.push(format!("without {what}: {}", said(&error)))).ok()
    }
}

/// What the kernel or its verifier said is cut to this many characters in a line for a person.
const SAID: usize = 160;

/// An error with its cause, in one line of bounded length.
fn said(error: &SignalError) -> String {
    let Some(cause) = error.source() else { return error.to_string() };
    let cause = cause.to_string().replace('\n', "; ");
    let cut = cause.char_indices().nth(SAID).map_or("", |_| "...");
    format!("{error}: {}{cut}", cause.chars().take(SAID).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::testing::readings;

    #[test]
    fn what_was_chosen_for_this_host_can_be_read_and_says_why() {
        let mut providers = HostProviders::for_memory(&[]).unwrap();
        let names: Vec<_> = providers.chosen.iter().map(|c| c.provider.name()).collect();
        assert!(names.contains(&"host-memory") && names.contains(&"processes"), "{names:?}");
        assert!(names.len() + providers.missing.len() >= 6, "{names:?} {:?}", providers.missing);
        for chosen in &mut providers.chosen {
            assert!(!chosen.decided.is_empty() && chosen.every > Duration::ZERO);
            readings(&mut *chosen.provider);
        }
    }

    #[test]
    fn whoever_asks_for_cgroups_does_not_get_the_host() {
        let providers = HostProviders::for_memory(&["/none"]).unwrap();
        let names: Vec<_> = providers.chosen.iter().map(|c| c.provider.name()).collect();
        assert!(!names.contains(&"host-memory") && names.contains(&"cgroups"), "{names:?}");
    }

    #[test]
    fn an_error_is_one_line_with_its_cause() {
        let source = io::Error::other(format!("no\n{}", "x".repeat(1000)));
        let error = SignalError::Program { attempt: "load", provider: "tcp", source };
        let line = said(&error);
        assert!(line.starts_with("cannot load the programs of tcp: no; xxx"), "{line}");
        assert!(line.ends_with("x...") && line.len() < 250);
        let error = SignalError::Missing { what: "it", capability: "CAP_BPF" };
        assert_eq!(said(&error), error.to_string());
    }
}
