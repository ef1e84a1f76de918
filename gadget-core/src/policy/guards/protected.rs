//! Is the target one that is never touched?

use std::sync::Arc;

use super::{Case, Guard};
use crate::plan::StepKind;
use crate::policy::glob::Glob;
use crate::policy::review::{GuardName, Opinion, Refusal};
use crate::policy::settings::Protect;
use crate::subject::{ProcessId, ProcessIdentity, Subject};
use crate::world::World;

/// Refuses what is never touched: by what is built in, and by what the operator names. A target is as protected as anything
/// inside it.
pub(super) struct Protected;

impl Guard for Protected {
    fn name(&self) -> GuardName {
        GuardName::Protected
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let found = match case.plan.target.subject {
            Subject::Host if !suits_the_host(case.kind) => Some(("the whole host", None)),
            Subject::Host => None,
            // Its own identity first: its processes may not all be known.
            Subject::Cgroup(id) => case
                .world
                .cgroup(id)
                .and_then(|cgroup| cgroup.identity.as_ref())
                .and_then(|identity| {
                    let rule = cgroup_rule(&identity.path, &case.settings.protect)?;
                    Some((rule, Some(Arc::clone(&identity.path))))
                })
                .or_else(|| inside(case)),
            Subject::Process(_) => inside(case),
        };
        found.map_or(Opinion::Pass, |(rule, what)| {
            let what = what.unwrap_or_else(|| Arc::clone(&case.plan.target.name));
            Opinion::Refuse(Refusal::Protected { rule: rule.into(), what })
        })
    }
}

/// Steps that are done to a host and not to everything on it.
const fn suits_the_host(kind: StepKind) -> bool {
    matches!(
        kind,
        StepKind::Reclaim
            | StepKind::DropCaches
            | StepKind::SetSysctl
            | StepKind::Sync
            | StepKind::Hook
    )
}

/// The protected process inside the target that has the lowest id, so that the same one is named each time.
fn inside(case: &Case<'_>) -> Option<(&'static str, Option<Arc<str>>)> {
    let protect = &case.settings.protect;
    let first = case
        .inside
        .processes
        .iter()
        .filter_map(|&id| {
            let identity = case.world.process(id)?.identity.as_ref();
            process_rule(id, identity, case.world, protect).map(|rule| (id, rule, identity))
        })
        .min_by_key(|&(id, ..)| id);
    first.map(|(_, rule, identity)| (rule, identity.map(|identity| Arc::clone(&identity.comm))))
}

fn process_rule(
    id: ProcessId,
    identity: Option<&ProcessIdentity>,
    world: &World,
    protect: &Protect,
) -> Option<&'static str> {
    if id.pid == 1 {
        return Some("the first process");
    }
    if is_ours(id, world) {
        return Some("the agent and its ancestors");
    }
    let identity = identity?;
    // An executable that was replaced while it runs keeps its name with a mark behind it.
    let exe = identity.exe.as_deref().map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
    let base = exe.and_then(|exe| exe.rsplit('/').next());
    if identity.kernel_thread {
        return Some("a thread of the kernel");
    }
    // Anybody can take such a name; then the kernel's own OOM killer decides, as it would without us.
    if let Some(rule) = built_in(&identity.comm).or_else(|| base.and_then(built_in)) {
        return Some(rule);
    }
    if identity.oom_score_adj == Some(-1000) {
        return Some("oom_score_adj of -1000");
    }
    let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
    if protect.uid.contains(&identity.uid) {
        return Some("protect.uid");
    }
    if any(&protect.comm, &identity.comm) {
        return Some("protect.comm");
    }
    if exe.is_some_and(|exe| any(&protect.exe, exe)) {
        return Some("protect.exe");
    }
    identity.cgroup_path.as_deref().and_then(|path| operator_cgroup_rule(path, protect))
}

fn is_ours(id: ProcessId, world: &World) -> bool {
    let mut pid = world.facts().agent_pid;
    for _ in 0..64 {
        if pid == id.pid {
            return true;
        }
        let Some(parent) = world
            .process_with_pid(pid)
            .and_then(|(_, process)| process.identity.as_ref())
            .map(|identity| identity.parent)
            .filter(|&parent| parent != 0)
        else {
            return false;
        };
        pid = parent;
    }
    // Nobody is that many generations away from the first process.
    true
}

/// The rule that protects every process of this name. A `comm` is cut at 15 bytes, so longer names stand here as prefixes.
fn built_in(name: &str) -> Option<&'static str> {
    Some(match name {
        "systemd" | "init" | "openrc" | "openrc-init" | "runit" | "runsvdir" | "runsv"
        | "s6-svscan" | "s6-supervise" | "dinit" | "upstart" | "shepherd" | "(sd-pam)" => {
            "the service manager"
        }
        "sshd" | "sshd-session" | "sshd-auth" | "dropbear" => "remote access",
        "dockerd" | "containerd" | "crio" | "podman" | "conmon" | "conmonrs" | "runc" | "crun" => {
            "the container runtime"
        }
        "kubelet" => "kubelet",
        "dbus-daemon" | "dbus-broker" | "dbus-broker-lau" | "dbus-broker-launch" => {
            "the message bus"
        }
        "udevd" | "eudevd" => "the device manager",
        "journald" => "the journal",
        _ if name.starts_with("systemd-") || name.starts_with("(systemd") => "the service manager",
        _ if name.starts_with("containerd-shim") => "the container runtime",
        _ => return None,
    })
}

fn cgroup_rule(path: &str, protect: &Protect) -> Option<&'static str> {
    if path.is_empty() || path == "/" {
        return Some("the root cgroup");
    }
    // Only the unit's own group: some runtimes put the containers they start into groups below theirs.
    let unit = path.rsplit('/').next().and_then(unit_rule);
    unit.or_else(|| operator_cgroup_rule(path, protect))
}

fn unit_rule(group: &str) -> Option<&'static str> {
    match group {
        "init.scope" => Some("the service manager"),
        "ssh.service" => Some("remote access"),
        "docker.service" => Some("the container runtime"),
        "dbus.service" => Some("the message bus"),
        _ => built_in(group.strip_suffix(".service")?),
    }
}

/// A protected cgroup protects everything below it.
fn operator_cgroup_rule(path: &str, protect: &Protect) -> Option<&'static str> {
    let ends = path.match_indices('/').map(|(at, _)| at).filter(|&at| at > 0).chain([path.len()]);
    let mut prefixes = ends.map(|end| &path[..end]);
    prefixes
        .any(|prefix| protect.cgroup.iter().any(|glob| glob.matches(prefix)))
        .then_some("protect.cgroup")
}
