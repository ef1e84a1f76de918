//! Limits and shares: one value per setting, in the words of cgroup v2 where a setting has several files.

use std::fmt::Write as _;
use std::time::Duration;

use gadget_core::{ActionError, Bytes, CgroupVersion, MemoryLimit, Setting, Step, StepKind, Value};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

use super::group::Group;
use super::hierarchy::Controller;
use crate::error::unsupported;
use crate::file;
use crate::setting::Knob;

/// One setting of one group.
#[derive(Debug)]
pub(crate) struct Limit {
    dir: OwnedFd,
    version: CgroupVersion,
    setting: Setting,
    /// For [`Setting::IoMax`].
    device: (u32, u32),
}

impl Limit {
    /// The setting of `group`. `device` is for [`Setting::IoMax`] alone.
    pub(crate) fn of(
        group: &Group<'_>,
        setting: Setting,
        kind: StepKind,
        device: (u32, u32),
    ) -> std::result::Result<Self, ActionError> {
        let version = group.hierarchies().version;
        let controller = controller(setting).ok_or(unsupported(kind, "a setting of a cgroup"))?;
        let mount = group.hierarchies().of(controller).ok_or(unsupported(kind, needs(setting)))?;
        let dir = match (version, controller) {
            (CgroupVersion::V2, _) | (CgroupVersion::V1, Controller::Memory) => {
                group.dir.try_clone().ok()
            }
            (CgroupVersion::V1, _) => group.companion(mount),
        };
        let dir =
            dir.ok_or(unsupported(kind, "the same group in the hierarchy of the controller"))?;
        Ok(Self { dir, version, setting, device })
    }

    fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The file, for a setting that has just one.
    const fn file(&self) -> &'static str {
        match (self.setting, self.version) {
            (Setting::MemoryHigh, _) => "memory.high",
            (Setting::MemoryMax, CgroupVersion::V2) => "memory.max",
            (Setting::MemoryMax, CgroupVersion::V1) => "memory.limit_in_bytes",
            (Setting::CpuWeight, CgroupVersion::V2) => "cpu.weight",
            (Setting::CpuWeight, CgroupVersion::V1) => "cpu.shares",
            (Setting::CpuMax, _) => "cpu.max",
            (Setting::IoMax, _) => "io.max",
            _ => "pids.max",
        }
    }
}

impl Knob for Limit {
    fn read(&self) -> Result<Value> {
        match (self.setting, self.version) {
            (Setting::CpuMax, CgroupVersion::V1) => {
                let quota = file::read_value(self.dir(), "cpu.cfs_quota_us")?;
                let quota = if quota.starts_with('-') { "max" } else { &*quota };
                value(format_args!(
                    "{quota} {}",
                    file::read_value(self.dir(), "cpu.cfs_period_us")?
                ))
            }
            (Setting::IoMax, version) => {
                let (read, write) = match version {
                    CgroupVersion::V2 => io_max(self.dir(), self.device)?,
                    CgroupVersion::V1 => (
                        throttle(self.dir(), READ, self.device)?,
                        throttle(self.dir(), WRITE, self.device)?,
                    ),
                };
                let (major, minor) = self.device;
                value(format_args!("{major}:{minor} rbps={} wbps={}", Rate(read), Rate(write)))
            }
            _ => file::read_value(self.dir(), self.file()),
        }
    }

    fn write(&self, new: &str) -> Result<()> {
        match (self.setting, self.version) {
            (Setting::CpuMax, CgroupVersion::V1) => {
                let (quota, period) = new.split_once(' ').ok_or(Errno::INVAL)?;
                let quota = if quota == "max" { "-1" } else { quota };
                let set_quota = || file::write(self.dir(), "cpu.cfs_quota_us", quota);
                let set_period = || file::write(self.dir(), "cpu.cfs_period_us", period);
                // The kernel checks the ratio against the group above at each write; one of the two orders keeps it low.
                set_period()
                    .and_then(|()| set_quota())
                    .or_else(|_| set_quota().and_then(|()| set_period()))
            }
            (Setting::IoMax, CgroupVersion::V1) => {
                let (major, minor) = self.device;
                for (name, key) in [(READ, "rbps="), (WRITE, "wbps=")] {
                    let rate = rate_of(new, key).ok_or(Errno::INVAL)?.unwrap_or(0);
                    file::write(self.dir(), name, &value(format_args!("{major}:{minor} {rate}"))?)?;
                }
                Ok(())
            }
            // Without waiting for the kernel to reclaim down to the limit on this thread (Linux 6.16; ignored before): the
            // group's own processes do it when they ask for more.
            (Setting::MemoryHigh | Setting::MemoryMax, CgroupVersion::V2) => {
                file::write_with(self.dir(), self.file(), new, OFlags::NONBLOCK)
            }
            _ => file::write(self.dir(), self.file(), new),
        }
    }
}

const READ: &str = "blkio.throttle.read_bps_device";
const WRITE: &str = "blkio.throttle.write_bps_device";

/// A rate as cgroup v2 writes it.
struct Rate(Option<u64>);

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("max"),
            Some(rate) => write!(f, "{rate}"),
        }
    }
}

/// The rate after `key` in a line like `8:0 rbps=max wbps=1024`: none for `max`, nothing at all if it is not there.
fn rate_of(line: &str, key: &str) -> Option<Option<u64>> {
    let rate = line.split_whitespace().find_map(|word| word.strip_prefix(key))?;
    if rate == "max" { Some(None) } else { rate.parse().ok().map(Some) }
}

/// The rest of the line about a device, in a file of `major:minor ...` lines.
fn line_of(text: &str, (major, minor): (u32, u32)) -> Option<&str> {
    text.lines().find_map(|line| {
        let (device, rest) = line.trim().split_once(' ')?;
        let (had_major, had_minor) = device.split_once(':')?;
        (had_major.parse() == Ok(major) && had_minor.parse() == Ok(minor)).then_some(rest)
    })
}

fn io_max(dir: BorrowedFd<'_>, device: (u32, u32)) -> Result<(Option<u64>, Option<u64>)> {
    let mut buffer = [0; 8192];
    let text = std::str::from_utf8(file::read_into(dir, "io.max", &mut buffer)?)
        .map_err(|_| Errno::ILSEQ)?;
    let Some(line) = line_of(text, device) else { return Ok((None, None)) };
    let rate = |key| rate_of(line, key).ok_or(Errno::ILSEQ);
    Ok((rate("rbps=")?, rate("wbps=")?))
}

fn throttle(dir: BorrowedFd<'_>, name: &str, device: (u32, u32)) -> Result<Option<u64>> {
    let mut buffer = [0; 8192];
    let text =
        std::str::from_utf8(file::read_into(dir, name, &mut buffer)?).map_err(|_| Errno::ILSEQ)?;
    line_of(text, device).map(|rate| rate.trim().parse().map_err(|_| Errno::ILSEQ)).transpose()
}

/// The controller behind a setting, for those of cgroups.
const fn controller(setting: Setting) -> Option<Controller> {
    match setting {
        Setting::MemoryHigh | Setting::MemoryMax => Some(Controller::Memory),
        Setting::CpuMax | Setting::CpuWeight => Some(Controller::Cpu),
        Setting::IoMax => Some(Controller::Io),
        Setting::PidsMax => Some(Controller::Pids),
        _ => None,
    }
}

/// What offers the setting.
const fn needs(setting: Setting) -> &'static str {
    match controller(setting) {
        Some(Controller::Cpu) => "the cpu controller",
        Some(Controller::Io) => "the io or blkio controller",
        Some(Controller::Pids) => "the pids controller",
        _ => "the memory controller",
    }
}

/// Which setting `step` sets, and the value that the kernel will show once it is set; none for other steps.
///
/// # Errors
/// A value that the kernel would refuse or change.
pub(crate) fn wanted(
    step: &Step,
    version: CgroupVersion,
) -> Option<std::result::Result<(Setting, Value), ActionError>> {
    let refuse = |needs| Err(unsupported(step.kind(), needs));
    let (setting, text) = match *step {
        Step::SetMemoryHigh { .. } if version == CgroupVersion::V1 => {
            return Some(refuse("memory.high of cgroup v2"));
        }
        Step::SetMemoryHigh { to } => (Setting::MemoryHigh, memory(to, version)),
        Step::SetMemoryMax { to } => (Setting::MemoryMax, memory(to, version)),
        Step::SetCpuMax { period, .. } if !(MIN_PERIOD..=MAX_PERIOD).contains(&period) => {
            return Some(refuse("a period from 1 ms to 1 s"));
        }
        Step::SetCpuMax { quota: Some(quota), .. } if quota < MIN_PERIOD => {
            return Some(refuse("a quota of at least 1 ms"));
        }
        Step::SetCpuMax { quota, period } => {
            let quota = Rate(quota.map(micros));
            (Setting::CpuMax, value(format_args!("{quota} {}", micros(period))))
        }
        Step::SetCpuWeight { to } if !(1..=10_000).contains(&to) => {
            return Some(refuse("a weight from 1 to 10,000"));
        }
        Step::SetCpuWeight { to } => {
            // The default of version 1 is 1024 where that of version 2 is 100; the kernel clamps below 2.
            let shares = (u64::from(to) * 1024 / 100).max(2);
            (
                Setting::CpuWeight,
                value(format_args!(
                    "{}",
                    if version == CgroupVersion::V1 { shares } else { to.into() }
                )),
            )
        }
        Step::SetIoMax { read, write, .. } if [read, write].contains(&Some(Bytes::ZERO)) => {
            return Some(refuse("a rate above zero"));
        }
        Step::SetIoMax { device: (major, minor), read, write } => {
            let (read, write) = (Rate(read.map(Bytes::get)), Rate(write.map(Bytes::get)));
            (Setting::IoMax, value(format_args!("{major}:{minor} rbps={read} wbps={write}")))
        }
        Step::SetPidsMax { to } => (Setting::PidsMax, value(format_args!("{}", Rate(to)))),
        _ => return None,
    };
    Some(match text {
        Ok(text) => Ok((setting, text)),
        Err(_) => refuse("a shorter value"),
    })
}

const MIN_PERIOD: Duration = Duration::from_millis(1);
const MAX_PERIOD: Duration = Duration::from_secs(1);

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A memory limit as the kernel shows it: in whole pages; on version 1 a large number for none.
fn memory(limit: MemoryLimit, version: CgroupVersion) -> Result<Value> {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let most = i64::MAX.cast_unsigned();
    match (limit, version) {
        (MemoryLimit::Unlimited, CgroupVersion::V2) => value(format_args!("max")),
        (MemoryLimit::Unlimited, CgroupVersion::V1) => {
            value(format_args!("{}", most / page * page))
        }
        (MemoryLimit::At(bytes), CgroupVersion::V2) if bytes.get() >= most / page * page => {
            value(format_args!("max"))
        }
        (MemoryLimit::At(bytes), _) => {
            value(format_args!("{}", bytes.get().min(most) / page * page))
        }
    }
}

/// The device at the beginning of a value of [`Setting::IoMax`]; zeros for other settings.
pub(crate) fn device_in(value: &str) -> (u32, u32) {
    let device = value.split_once(' ').and_then(|(device, _)| device.split_once(':'));
    let parse = |(major, minor): (&str, &str)| Some((major.parse().ok()?, minor.parse().ok()?));
    device.and_then(parse).unwrap_or_default()
}

fn value(text: std::fmt::Arguments<'_>) -> Result<Value> {
    let mut value = Value::new();
    value.write_fmt(text).map_err(|_| Errno::OVERFLOW)?;
    Ok(value)
}
