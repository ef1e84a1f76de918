//! Asking the kernel to reclaim from a group.

use gadget_core::{ActionError, Bytes, CgroupVersion, StepKind};
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::io::Errno;

use super::group::Group;
use crate::error::{system, unsupported};
use crate::file;

/// How much more than was asked `memory.force_empty` may take: it knows no amount.
const MOST_TIMES: u64 = 4;

/// Asks for `amount` and returns by how much the group's charge fell, which others may have changed too.
///
/// On version 1 there is only `memory.force_empty`, which takes all of the cache. It is written if the group has no swap to
/// go to and its cache is at most [`MOST_TIMES`] the amount; a lower limit for a moment would do it too, and would let the
/// kernel kill in that moment, or for good if we died in it.
pub(crate) fn reclaim(group: &Group<'_>, amount: Bytes) -> Result<Bytes, ActionError> {
    let dir = group.dir.as_fd();
    let (usage, written) = match group.hierarchies().version {
        CgroupVersion::V2 => {
            let mut text = gadget_core::Value::new();
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{}", amount.get()));
            ("memory.current", ("memory.reclaim", text))
        }
        CgroupVersion::V1 => {
            check_force_empty(group, amount)?;
            (
                "memory.usage_in_bytes",
                ("memory.force_empty", gadget_core::Value::from("0").unwrap_or_default()),
            )
        }
    };
    let before = number(dir, usage);
    match file::write(dir, written.0, &written.1) {
        // The kernel got less than was asked; what it got stays.
        Ok(()) | Err(Errno::AGAIN | Errno::BUSY | Errno::INTR) => {}
        Err(Errno::NOENT) => {
            return Err(unsupported(StepKind::Reclaim, "memory.reclaim (Linux 5.19)"));
        }
        Err(errno) => return Err(system("reclaim from the cgroup", errno)),
    }
    let after = number(dir, usage);
    Ok(before.unwrap_or_default().saturating_sub(after.unwrap_or_default()))
}

fn check_force_empty(group: &Group<'_>, amount: Bytes) -> Result<(), ActionError> {
    let dir = group.dir.as_fd();
    let mut buffer = [0; 4096];
    let total = file::read_into(group.proc(), "meminfo", &mut buffer)
        .ok()
        .and_then(|text| field(text, b"SwapTotal:"));
    let swaps = total != Some(0) && number(dir, "memory.swappiness") != Some(Bytes::ZERO);
    if swaps {
        return Err(unsupported(
            StepKind::Reclaim,
            "memory.reclaim; memory.force_empty would swap the group out",
        ));
    }
    let mut buffer = [0; 8192];
    let stat = file::read_into(dir, "memory.stat", &mut buffer)
        .map_err(|errno| system("read memory.stat", errno))?;
    let cache = field(stat, b"total_inactive_file").zip(field(stat, b"total_active_file"));
    match cache {
        Some((inactive, active))
            if inactive.saturating_add(active) <= amount.get().saturating_mul(MOST_TIMES) =>
        {
            Ok(())
        }
        _ => Err(unsupported(
            StepKind::Reclaim,
            "memory.reclaim; memory.force_empty would take far more than was asked",
        )),
    }
}

fn number(dir: BorrowedFd<'_>, name: &str) -> Option<Bytes> {
    Some(Bytes::new(file::read_value(dir, name).ok()?.parse().ok()?))
}

/// The number after `key` on a line of its own.
fn field(text: &[u8], key: &[u8]) -> Option<u64> {
    text.split(|&byte| byte == b'\n').find_map(|line| {
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        (words.next() == Some(key))
            .then(|| std::str::from_utf8(words.next()?).ok()?.parse().ok())
            .flatten()
    })
}
