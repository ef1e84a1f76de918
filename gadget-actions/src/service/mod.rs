//! Restarting the service that a target belongs to.

mod bus;

use gadget_core::{ActionError, Effect, Plan, StepKind, Subject, summary};
use rustix::fd::AsFd as _;

use crate::command::{Argv, Running};
use crate::error::unsupported;
use crate::file;
use crate::job::Job;
use crate::linux::{Linux, Work};
use crate::process::Target;

pub(crate) use bus::SYSTEM_BUS;

/// How a service is restarted.
#[derive(Debug)]
pub(crate) enum How {
    /// By the program that is configured for this name.
    Command(String, Argv),
    /// Through systemd, by its unit.
    Unit(String),
}

impl Linux {
    /// Restarts the service of any target but the host.
    pub(crate) fn apply_restart(&mut self, plan: &Plan) -> Result<Effect, ActionError> {
        let timeout = self.settings().timeout;
        match self.restart_of(plan)? {
            How::Command(name, argv) => {
                let what = summary(format_args!("restart of {name}"));
                let running = Running::start(plan, &argv, what, timeout)?;
                Ok(self.begin(Work::Running(running), what))
            }
            How::Unit(unit) => {
                let (line, socket) =
                    (summary(format_args!("restart of {unit}")), self.settings().bus.clone());
                let job = Job::start(plan.id, move || bus::restart(&socket, &unit, timeout))?;
                Ok(self.begin(Work::Job(job), line))
            }
        }
    }

    /// How: as configured for its unit or for the name of the target, else through systemd if that is there.
    pub(crate) fn restart_of(&self, plan: &Plan) -> Result<How, ActionError> {
        let kind = StepKind::Restart;
        let unit = match plan.target.subject {
            Subject::Process(id) => unit_of(&Target::open(self.proc(kind)?, id)?),
            Subject::Cgroup(_) => unit_in(&plan.target.name).map(str::to_owned),
            _ => None,
        };
        let configured = |name: &str| {
            Some(How::Command(name.to_owned(), self.settings().restarts.get(name)?.clone()))
        };
        let command =
            unit.as_deref().and_then(configured).or_else(|| configured(&plan.target.name));
        let through_systemd = unit.filter(|_| self.settings().bus.exists()).map(How::Unit);
        command
            .or(through_systemd)
            .ok_or(unsupported(kind, "a unit of systemd, or a restart configured for the service"))
    }
}

/// The systemd unit that a process is in.
fn unit_of(target: &Target) -> Option<String> {
    let mut buffer = [0; 8192];
    let text = file::read_into(target.dir.as_fd(), "cgroup", &mut buffer).ok()?;
    let text = String::from_utf8_lossy(text);
    let ours =
        text.lines().filter(|line| line.starts_with("0::") || line.contains(":name=systemd:"));
    ours.filter_map(|line| unit_in(line.splitn(3, ':').nth(2)?)).next().map(str::to_owned)
}

/// The innermost service unit in a cgroup path.
fn unit_in(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| part.ends_with(".service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_innermost_service_of_the_path() {
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service/child";
        assert_eq!(unit_in(user), Some("editor.service"));
        assert_eq!(unit_in("/system.slice/nginx.service"), Some("nginx.service"));
        assert_eq!(unit_in("/kubepods.slice/pod"), None);
    }
}
