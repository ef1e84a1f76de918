//! What each part of an agent costs, and what happens when it costs too much.

mod alloc;
mod breaker;
mod budget;
mod meter;

pub use alloc::Accounting;
pub use breaker::{Breaker, BreakerState};
pub use budget::{Budget, Governor, Pace};
pub use meter::{Cost, Meter, resident, thread_cpu};
