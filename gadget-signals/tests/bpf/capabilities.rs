//! Threads that may less than this process.

use gadget_core::{Reading, SignalError};
use gadget_signals::{BlockWatch, Kernel, KernelProviders, OomVictims, SignalWatch, TcpWatch};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::support::{or_skip, sample};

/// Runs `f` in a thread that has these capabilities and no other.
fn with_only(held: CapabilitySet, f: impl FnOnce() + Send + 'static) {
    if or_skip(Kernel::probe()).is_none() {
        return;
    }
    let all = capabilities(None).unwrap().permitted;
    if !all.contains(held) {
        println!("SKIPPED: this process has not all of {held:?}");
        return;
    }
    let thread = std::thread::spawn(move || {
        let sets = CapabilitySets {
            effective: held,
            permitted: held,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).unwrap();
        f();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_capability_that_is_missing_is_named_and_files_take_over() {
    with_only(CapabilitySet::empty(), || {
        let error = TcpWatch::host().err().unwrap();
        assert!(matches!(error, SignalError::Missing { capability: "CAP_BPF", .. }), "{error}");
        let providers = KernelProviders::host();
        let said = |needs| providers.missing.iter().filter(|it| it.ends_with(needs)).count();
        // The fallback of the lifecycle is a socket that needs a capability of its own.
        let (bpf, others) = (said("needs CAP_BPF"), said("needs CAP_NET_ADMIN"));
        assert!(bpf >= 5 && bpf + others == providers.missing.len(), "{:?}", providers.missing);
        let names: Vec<_> = providers.chosen.iter().map(|it| it.provider.name()).collect();
        assert!(["host-io", "page-faults", "tcp", "oom-watch"].iter().all(|it| names.contains(it)));
        assert!(providers.chosen.iter().all(|it| !it.decided.starts_with("BPF")));
    });
    with_only(CapabilitySet::BPF, || {
        let error = BlockWatch::host(None).err().unwrap();
        assert!(matches!(error, SignalError::Missing { capability: "CAP_PERFMON", .. }), "{error}");
    });
}

#[test]
fn two_capabilities_are_enough_and_what_cannot_be_measured_is_not_zero() {
    with_only(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        let mut signals = SignalWatch::host().unwrap();
        OomVictims::host().unwrap();
        BlockWatch::host(None).unwrap();
        TcpWatch::host().unwrap();
        for _ in 0..3 {
            let costs = sample(&mut signals).into_iter().filter_map(|it| match it.reading {
                Reading::KernelCost(cost) => Some(cost.over),
                _ => None,
            });
            assert!(costs.into_iter().all(|over| over.is_zero()));
        }
    });
}
