//! Pressure stall information: files, triggers and the watch that replaces them.

mod headroom;
mod parse;
mod provider;
mod stalls;
mod trigger;
mod watch;

pub use headroom::Headroom;
pub use parse::parse_pressure;
pub use provider::PressureProvider;
pub use trigger::PsiTrigger;
pub(crate) use trigger::wait_for;
pub use watch::StallWatch;
