#![doc = include_str!("../README.md")]

mod classes;
mod mask;
mod miner;
mod scan;
mod shape;
mod told;
mod words;

pub use miner::{Miner, MinerSettings, MinerStats, Seen, Template};
pub use shape::shape_of;
pub use told::{Trouble, trouble_in};
