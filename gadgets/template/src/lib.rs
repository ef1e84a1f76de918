//! Mines templates of log lines.

mod classes;
mod mask;
mod shape;

pub use shape::shape_of;
