//! Signals in, verdicts out; no I/O.

use gadget_core::{HostMemory, Model, Percent, Probability};

/// What the model says of one reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Share of the memory that is available, in percent.
    pub available: f64,
    /// How sure it is that memory is low: none at the floor or above, certain when nothing is available.
    pub low: Probability,
}

/// Says how low the host's memory is.
#[derive(Clone, Copy, Debug)]
pub struct LowMemory {
    floor: Percent,
}

impl LowMemory {
    /// Memory is low below this share of what there is.
    #[must_use]
    pub const fn below(floor: Percent) -> Self {
        Self { floor }
    }
}

impl Model for LowMemory {
    type Input = HostMemory;
    type Verdict = Verdict;

    fn assess(&mut self, memory: &HostMemory) -> Verdict {
        let available = 100.0 * memory.available.as_f64() / memory.total.as_f64().max(1.0);
        let floor = self.floor.get();
        let low = if available < floor { 1.0 - available / floor } else { 0.0 };
        Verdict { available, low: Probability::saturating(low) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gadget_core::Bytes;

    fn verdict(available_mib: u64) -> Verdict {
        let total = Bytes::from_mib(1000);
        let available = Bytes::from_mib(available_mib);
        let memory = HostMemory { total, available, ..HostMemory::default() };
        LowMemory::below(Percent::new(10.0).unwrap()).assess(&memory)
    }

    #[test]
    fn memory_at_the_floor_is_not_low() {
        assert_eq!(verdict(100).low, Probability::ZERO);
        assert_eq!(verdict(900).low, Probability::ZERO);
    }

    #[test]
    fn the_less_is_available_the_surer_it_is() {
        assert_eq!(verdict(25).low, Probability::new(0.75).unwrap());
        assert_eq!(verdict(0).low, Probability::ONE);
    }

    #[test]
    fn a_host_without_memory_is_a_reading_too() {
        let verdict = LowMemory::below(Percent::ZERO).assess(&HostMemory::default());
        assert_eq!(verdict.low, Probability::ZERO);
    }
}
