//! The Surveyor counts every process, keeps those that matter in full, and the rest in sums and sketches.

pub mod settings;
