//! What each process used in a window, and sums of it.

use std::time::Duration;

use gadget_core::CensusRow;
use gadget_envelope::{AggregateKind, AggregateRow, Io};

/// Where the row of a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of the window's last census, by its place there.
    Alive(u32),
    /// Of those that ended in the window.
    Ended(u32),
}

/// What one process used in a window. Sums of any of them fit, for a [`Room`] was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) place: Place,
    /// CPU time, nanoseconds.
    pub(crate) user: u64,
    pub(crate) system: u64,
    /// Bytes; nothing of one that ended.
    pub(crate) rss: u64,
    pub(crate) vms: u64,
    pub(crate) minor: u64,
    pub(crate) major: u64,
    pub(crate) voluntary: Option<u64>,
    pub(crate) involuntary: Option<u64>,
    /// Read and written, bytes.
    pub(crate) io: Option<(u64, u64)>,
    /// It was not there when the window began.
    pub(crate) new: bool,
    /// It executes another program than when the window began.
    pub(crate) changed: bool,
    /// It may have a row of its own.
    pub(crate) eligible: bool,
    /// What it is ranked by.
    pub(crate) score: f64,
}

impl Usage {
    pub(crate) const fn cpu(&self) -> u64 {
        self.user + self.system
    }

    pub(crate) fn io_bytes(&self) -> u64 {
        self.io.map_or(0, |(read, written)| read.saturating_add(written))
    }

    pub(crate) const fn is_alive(&self) -> bool {
        matches!(self.place, Place::Alive(_))
    }
}

/// CPU time of a process since it began, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl Cpu {
    pub(crate) fn of(row: &CensusRow) -> Self {
        Self { user: nanos(row.user), system: nanos(row.system) }
    }

    pub(crate) const fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }

    /// The greater of both, for the last look may know more than the end.
    pub(crate) const fn max(self, other: Self) -> Self {
        if self.total() < other.total() { other } else { self }
    }

    /// What was added since `before`. The sum is exact; how it divides is an estimate by clock ticks that may move either way.
    pub(crate) fn since(self, before: Self) -> Self {
        let total = self.total().saturating_sub(before.total());
        let user = self.user.saturating_sub(before.user).min(total);
        Self { user, system: total - user }
    }
}

pub(crate) const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

/// Counts what was read and cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Counters that were below what they had been: taken as if they had stood still.
    pub(crate) backwards: u64,
    /// Numbers that were beyond what a sum can hold: cut.
    pub(crate) cut: u64,
}

/// What a process used since it was as in `base`, which is none if it was not there; `last` is all the CPU time it ever used,
/// where that is known better than from the row.
pub(crate) fn used(
    row: &CensusRow,
    base: Option<&CensusRow>,
    last: Option<Cpu>,
    place: Place,
    odd: &mut Oddities,
) -> Usage {
    let mut grown = |now: u64, before: u64| {
        odd.backwards += u64::from(now < before);
        now.saturating_sub(before)
    };
    let alive = matches!(place, Place::Alive(_));
    let cpu = last.map_or(Cpu::of(row), |last| last.max(Cpu::of(row)));
    let before = base.map(Cpu::of).unwrap_or_default();
    grown(cpu.total(), before.total());
    let Cpu { user, system } = cpu.since(before);
    let mut counted = |of: fn(&CensusRow) -> Option<u64>| match base {
        None => of(row),
        Some(base) => of(row).zip(of(base)).map(|(now, before)| grown(now, before)),
    };
    let voluntary = counted(|row| row.voluntary_switches);
    let involuntary = counted(|row| row.involuntary_switches);
    let minor = counted(|row| Some(row.minor_faults)).unwrap_or_default();
    let major = counted(|row| Some(row.major_faults)).unwrap_or_default();
    let read = counted(|row| row.io.map(|io| io.read.get()));
    let written = counted(|row| row.io.map(|io| io.written.get()));
    Usage {
        place,
        user,
        system,
        rss: if alive { row.rss.get() } else { 0 },
        vms: if alive { row.virtual_size.get() } else { 0 },
        minor,
        major,
        voluntary,
        involuntary,
        io: read.zip(written),
        new: base.is_none(),
        changed: base.is_some_and(|base| changed_program(row, base)),
        eligible: true,
        score: 0.0,
    }
}

/// True if `row` executes another program than `base`: where that is not told, if it has another name. The kernel's threads execute
/// none; its workers are called by what they do at the moment.
pub(crate) fn changed_program(row: &CensusRow, base: &CensusRow) -> bool {
    if row.kernel_thread {
        return false;
    }
    row.execs.zip(base.execs).map_or(row.comm != base.comm, |(now, before)| now != before)
}

/// What sums still have room for: no sum of what it has let through is beyond what a signed number of 64 bits holds, whatever
/// was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    cpu: u64,
    rss: u64,
    vms: u64,
    minor: u64,
    major: u64,
    read: u64,
    written: u64,
}

impl Default for Room {
    fn default() -> Self {
        let all = i64::MAX as u64;
        Self { cpu: all, rss: all, vms: all, minor: all, major: all, read: all, written: all }
    }
}

impl Room {
    pub(crate) fn let_in(&mut self, usage: &mut Usage, odd: &mut Oddities) {
        take(&mut self.cpu, &mut usage.user, odd);
        take(&mut self.cpu, &mut usage.system, odd);
        take(&mut self.rss, &mut usage.rss, odd);
        take(&mut self.vms, &mut usage.vms, odd);
        take(&mut self.minor, &mut usage.minor, odd);
        take(&mut self.major, &mut usage.major, odd);
        if let Some((read, written)) = &mut usage.io {
            take(&mut self.read, read, odd);
            take(&mut self.written, written, odd);
        }
    }

    pub(crate) fn let_in_sum(&mut self, sum: &mut Sum, odd: &mut Oddities) {
        take(&mut self.cpu, &mut sum.user, odd);
        take(&mut self.cpu, &mut sum.system, odd);
        take(&mut self.minor, &mut sum.minor, odd);
        take(&mut self.major, &mut sum.major, odd);
        if let Some((read, written)) = &mut sum.io {
            take(&mut self.read, read, odd);
            take(&mut self.written, written, odd);
        }
    }
}

fn take(room: &mut u64, value: &mut u64, odd: &mut Oddities) {
    if *value > *room {
        *value = *room;
        odd.cut += 1;
    }
    *room -= *value;
}

/// A sum over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    /// Those that are alive.
    pub(crate) count: u64,
    pub(crate) user: u64,
    pub(crate) system: u64,
    /// The most CPU time of one of them.
    pub(crate) cpu_max: u64,
    pub(crate) rss: u64,
    pub(crate) rss_max: u64,
    pub(crate) vms: u64,
    pub(crate) threads: u64,
    pub(crate) minor: u64,
    pub(crate) major: u64,
    pub(crate) io: Option<(u64, u64)>,
    pub(crate) created: u64,
    pub(crate) exited: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, usage: &Usage, row: &CensusRow) {
        let alive = usage.is_alive();
        self.merge(&Self {
            count: u64::from(alive),
            user: usage.user,
            system: usage.system,
            cpu_max: usage.user.saturating_add(usage.system),
            rss: usage.rss,
            rss_max: usage.rss,
            vms: usage.vms,
            threads: if alive { row.threads.into() } else { 0 },
            minor: usage.minor,
            major: usage.major,
            io: usage.io,
            created: u64::from(usage.new),
            exited: u64::from(!alive),
        });
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.count, other.count);
        add(&mut self.user, other.user);
        add(&mut self.system, other.system);
        add(&mut self.rss, other.rss);
        add(&mut self.vms, other.vms);
        add(&mut self.threads, other.threads);
        add(&mut self.minor, other.minor);
        add(&mut self.major, other.major);
        add(&mut self.created, other.created);
        add(&mut self.exited, other.exited);
        self.cpu_max = self.cpu_max.max(other.cpu_max);
        self.rss_max = self.rss_max.max(other.rss_max);
        if let Some((read, written)) = other.io {
            let io = self.io.get_or_insert_default();
            add(&mut io.0, read);
            add(&mut io.1, written);
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn cpu(&self) -> u64 {
        self.user + self.system
    }

    /// As it is sent, of a window of so many nanoseconds.
    pub(crate) fn row(&self, kind: AggregateKind, window: u64) -> AggregateRow {
        AggregateRow {
            process_count: self.count,
            cpu_user_ns: signed(self.user),
            cpu_system_ns: signed(self.system),
            cpu_percent_max: percent(self.cpu_max, window),
            rss_bytes: signed(self.rss),
            rss_max_bytes: self.rss_max,
            vms_bytes: signed(self.vms),
            thread_count: signed(self.threads),
            io: self.io.map(io),
            created: self.created,
            exited: self.exited,
            is_other: kind == AggregateKind::Other,
            kind: kind.into(),
            minor_faults: self.minor,
            major_faults: self.major,
            ..AggregateRow::default()
        }
    }
}

pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) const fn io((read_bytes, write_bytes): (u64, u64)) -> Io {
    Io { read_bytes, write_bytes }
}

/// CPU time as a share of one processor, 100 for all of it; zero of a window in which no time passed.
pub(crate) fn percent(cpu: u64, window: u64) -> f64 {
    if window == 0 { 0.0 } else { 100.0 * cpu as f64 / window as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_exact_however_its_division_moves() {
        let cpu = |user, system| Cpu { user, system };
        assert_eq!(cpu(90, 30).since(cpu(100, 10)), cpu(0, 10), "user time fell by the estimate");
        assert_eq!(cpu(150, 5).since(cpu(100, 10)), cpu(45, 0));
        assert_eq!(cpu(1, 1).since(cpu(100, 10)), cpu(0, 0));
    }
}
