//! The engine, set so that a plug-in is a function of its input.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel, ResourceLimiter, StoreLimits, StoreLimitsBuilder};

use super::ticker::Ticker;
use crate::package::LoadError;

/// Stack of a plug-in: it runs on the caller's thread, whose stack may be 2 MiB.
const STACK: usize = 256 << 10;

/// What one call of a plug-in may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, nearly. Default 10 million, some 10 ms of plain work: 150 for each byte of a text of 64 KiB.
    pub fuel: u64,
    /// Time, from its start to its stop; measured in wall time in steps of 2 ms, never shorter. Default 10 ms. A host whose
    /// processors are overcommitted wants more: a call that was not run in time is redacted too.
    pub deadline: Duration,
    /// Linear memory, bytes. Default 4 MiB.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 10_000_000, deadline: Duration::from_millis(10), memory: 4 << 20 }
    }
}

/// The engine that plug-ins are compiled for and run by, with the one thread that keeps its deadlines. Clones share both.
#[derive(Clone)]
pub struct Runtime {
    pub(super) engine: Engine,
    pub(super) ticker: Arc<Ticker>,
    pub(super) limits: Limits,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Runtime {
    /// An engine with these limits.
    ///
    /// # Errors
    /// [`LoadError::Engine`].
    pub fn new(limits: Limits) -> Result<Self, LoadError> {
        let engine =
            Engine::new(&config(&limits)).map_err(|error| LoadError::Engine(error.to_string()))?;
        let ticker =
            Ticker::start(engine.clone()).map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self { engine, ticker: Arc::new(ticker), limits })
    }
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true).max_wasm_stack(STACK);
    // The same input gives the same output on every host.
    config.cranelift_nan_canonicalization(true).wasm_relaxed_simd(false).wasm_simd(false);
    // What a filter of text does not need cannot be wrong.
    config.wasm_multi_memory(false).wasm_memory64(false).wasm_tail_call(false);
    // The agent's signal handlers stay its own: bounds are checked by instructions.
    config.signals_based_traps(false);
    // No address space in gigabytes, and no file in memory, for one page of data.
    config
        .memory_reservation(limits.memory as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0);
    config.memory_init_cow(false);
    config.cranelift_opt_level(OptLevel::Speed);
    config
}

/// Refuses memory beyond the limits, and remembers that it did.
pub(super) struct Held {
    limits: StoreLimits,
    pub(super) outgrown: bool,
}

impl Held {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory)
            .memories(1)
            .tables(1)
            .table_elements(1_024)
            .instances(1)
            .trap_on_grow_failure(true)
            .build();
        Self { limits, outgrown: false }
    }
}

impl ResourceLimiter for Held {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let answer = self.limits.memory_growing(current, desired, maximum);
        self.outgrown |= !matches!(answer, Ok(true));
        answer
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let answer = self.limits.table_growing(current, desired, maximum);
        self.outgrown |= !matches!(answer, Ok(true));
        answer
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}
