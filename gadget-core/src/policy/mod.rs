//! The one safety gate: guards in a fixed order, and the permit that only they can give.

mod permit;
mod review;

pub use permit::Permit;
pub use review::{Cooling, Extent, GuardName, Opinion, Refusal, Review, Verdict};
