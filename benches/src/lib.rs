//! Criterion benches of this workspace.
