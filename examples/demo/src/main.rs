//! The Oracle saving a real service from a real leak, on a terminal.
fn main() {}
