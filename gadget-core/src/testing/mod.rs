//! For the tests of gadgets, providers and agents: a fake host, an action backend that moves nothing, and an allocator
//! that counts. The manual clock is [`ManualClock`](crate::ManualClock).

/// Methods that set one field each.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )*};
}

mod actions;
mod cgroup;
mod counting;
mod host;
mod memory;
mod process;

pub use actions::RecordingActions;
pub use cgroup::FakeCgroup;
pub use counting::{Counting, allocations};
pub use host::FakeHost;
pub use memory::FakeMemory;
pub use process::FakeProcess;

#[cfg(test)]
mod tests;
