//! The Oracle as a program: watches this host, forecasts, and acts when told to.
fn main() {}
