//! What the judge reads of a process: its state, its group, its size and its cgroups.

use std::fs;

/// The fields of `/proc/<pid>/stat` that the judge needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `R`, `S`, `D`, `T` (stopped), `Z` (dead, not yet reaped).
    pub(crate) state: char,
    /// Process group: a fork storm stays in that of its leader.
    pub(crate) group: u32,
    /// User and system time, clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Resident pages.
    rss_pages: u64,
}

impl Stat {
    /// Reads one `stat` line; the name may hold blanks and parentheses.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            group: fields.get(2)?.parse().ok()?,
            cpu_ticks: number(11)? + number(12)?,
            rss_pages: number(21)?,
        })
    }

    /// `None` once the process is gone.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Resident bytes.
    pub(crate) fn rss(&self) -> u64 {
        self.rss_pages * 4096
    }

    /// Whether it still exists as more than an unread exit status.
    pub(crate) fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The cgroup of a process in one hierarchy: by v1 controller, or the unified one for `None`.
pub(crate) fn cgroup_of(pid: u32, controller: Option<&str>) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        let found = controller
            .map_or(names.is_empty(), |wanted| names.split(',').any(|name| name == wanted));
        found.then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) (b c) T 1 7 7 0 -1 0 1 2 3 4 50 60 0 0 20 0 1 0 99 4096 25 18446744073709551615 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat, Stat { state: 'T', group: 7, cpu_ticks: 110, rss_pages: 25 });
    }

    #[test]
    fn a_truncated_line_is_none() {
        for line in ["", "42", "42 (x", "42 (x)", "42 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        assert_eq!(Stat::read(u32::MAX), None);
        assert!(Stat::read(std::process::id()).unwrap().rss() > 0);
    }
}
