//! The few things of `/proc` that tell whether a case is what it claims to be.

use std::fs;
use std::time::Duration;

/// In the environment of every case of every clinic on this host.
pub(crate) const CASE: &str = "CLINIC_CASE";

/// Whether it was started as a case, by this clinic or by another; none when it is gone.
pub(crate) fn is_case(pid: u32) -> Option<bool> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark = format!("{CASE}=");
    Some(environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes())))
}

/// The fields of `/proc/PID/stat` that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) group: u32,
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Clock ticks after boot.
    pub(crate) start: u64,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name may hold anything, parentheses included.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = number(14)? + number(15)?;
        let per_second = rustix::param::clock_ticks_per_second();
        Some(Self {
            state: fields.first()?.chars().next()?,
            group: u32::try_from(number(5)?).ok()?,
            cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
            start: number(22)?,
        })
    }
}

/// The threads of a process, by id.
pub(crate) fn threads(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// All processes of a process group.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let mut members = numbers("/proc");
    members.retain(|pid| Stat::read(*pid).is_some_and(|stat| stat.group == leader));
    members
}

fn numbers(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Time slices that a thread was given so far.
pub(crate) fn slices(tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_whitespace().nth(2)?.parse().ok()
}

/// The address of the futex that a thread waits on.
pub(crate) fn futex(tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/syscall")).ok()?;
    let mut words = text.split_whitespace();
    if words.next()?.parse::<i64>().ok()? != libc::SYS_futex {
        return None;
    }
    u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()
}

/// Clients that wait to be accepted at a port of the IPv4 loopback or, for the JVM, at its mapped address.
pub(crate) fn queued(port: u16) -> u32 {
    let of = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| listening(line, port)).max()
    };
    of("/proc/net/tcp").max(of("/proc/net/tcp6")).unwrap_or(0)
}

/// The queue in a line of `/proc/net/tcp`, if that socket listens on the port.
fn listening(line: &str, port: u16) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let local = fields.get(1)?.rsplit_once(':')?.1;
    let here = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == "0A";
    here.then(|| u32::from_str_radix(fields.get(4)?.split_once(':')?.1, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "12 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 4242 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.group, stat.start), ('S', 7, 4242));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert!((stat.cpu.as_secs_f64() - 200.0 / ticks).abs() < 1e-9);
    }

    #[test]
    fn only_a_listening_socket_has_a_queue() {
        let line = "3: 0100007F:1F90 00000000:0000 0A 00000000:0000000C 00:00000000 0 0 0 1";
        assert_eq!(listening(line, 8080), Some(12));
        assert_eq!(listening(line, 8081), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8080), None);
    }

    #[test]
    fn this_process_is_in_its_group_and_its_thread_gets_slices() {
        let own = std::process::id();
        let stat = Stat::read(own).unwrap();
        assert!(group(stat.group).contains(&own));
        assert!(slices(own).is_some_and(|slices| slices > 0));
        assert!(threads(own).contains(&own));
    }
}
