//! Set-up, tests, demo, lab, benches and gates of this workspace.
fn main() {}
