//! Restarting the service that a target belongs to.

use gadget_core::{ActionError, Effect, Plan, StepKind, Subject, summary};
use rustix::fd::AsFd as _;

use crate::command::{Argv, Running};
use crate::error::unsupported;
use crate::file;
use crate::linux::{Linux, Work};
use crate::process::Target;

impl Linux {
    /// Restarts it, on any target but the host.
    pub(crate) fn apply_restart(&mut self, plan: &Plan) -> Result<Effect, ActionError> {
        let (name, argv) = self.restart_of(plan)?;
        let what = summary(format_args!("restart of {name}"));
        let running = Running::start(plan, &argv, what, self.settings().timeout)?;
        Ok(self.begin(Work::Running(running), what))
    }

    /// The service, and how it is restarted: configured for its unit, else for the name of the target.
    pub(crate) fn restart_of(&self, plan: &Plan) -> Result<(String, Argv), ActionError> {
        let unit = match plan.target.subject {
            Subject::Process(id) => unit_of(&Target::open(self.proc(StepKind::Restart)?, id)?),
            Subject::Cgroup(_) => unit_in(&plan.target.name),
            _ => None,
        };
        let configured =
            |name: &str| Some((name.to_owned(), self.settings().restarts.get(name)?.clone()));
        unit.as_deref()
            .and_then(configured)
            .or_else(|| configured(&plan.target.name))
            .ok_or(unsupported(StepKind::Restart, "a restart configured for the service"))
    }
}

/// The systemd unit that a process is in.
fn unit_of(target: &Target) -> Option<String> {
    let mut buffer = [0; 8192];
    let text = file::read_into(target.dir.as_fd(), "cgroup", &mut buffer).ok()?;
    let text = String::from_utf8_lossy(text);
    let ours =
        text.lines().filter(|line| line.starts_with("0::") || line.contains(":name=systemd:"));
    ours.filter_map(|line| unit_in(line.splitn(3, ':').nth(2)?)).next()
}

/// The innermost service unit in a cgroup path.
fn unit_in(path: &str) -> Option<String> {
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_innermost_service_of_the_path() {
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service/child";
        assert_eq!(unit_in(user).as_deref(), Some("editor.service"));
        assert_eq!(unit_in("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(unit_in("/kubepods.slice/pod"), None);
    }
}
