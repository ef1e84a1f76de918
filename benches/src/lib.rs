//! What the benches share: a made-up host, real cgroups of their own, CPU time as criterion's measure, and how numbers are
//! printed.

mod groups;
mod herd;
mod hyperscan;
mod measure;
mod number;
mod program;
mod scene;
mod sleeper;
mod synthetic;

pub use groups::OwnGroups;
pub use herd::{Herd, run_first};
pub use hyperscan::Hyperscan;
pub use measure::{ThreadCpu, criterion};
pub use number::{Limit, asked, median, print};
pub use program::{Program, run_until_input_ends};
pub use scene::Scene;
pub use sleeper::{Sleeper, identity};
pub use synthetic::SyntheticHost;
