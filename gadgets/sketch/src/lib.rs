//! Quantile sketches of a proven error, as DataDog's libraries exchange them.

pub mod proto;
