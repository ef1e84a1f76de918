//! Steps on cgroups, in both versions of the interface.

mod freeze;
mod group;
mod hierarchy;
mod kill;
mod limit;
mod reclaim;
mod steps;

use freeze::{Frozen, freeze, thaw};
use limit::{Limit, device_in, wanted};
use reclaim::reclaim;

pub(crate) use freeze::thaw_around;
pub(crate) use group::Group;
pub(crate) use hierarchy::{Controller, Hierarchies, writable};
pub(crate) use kill::{Killed, kill, populated, signal_all};
