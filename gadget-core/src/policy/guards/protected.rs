//! Is the target one that is never touched?

use std::sync::Arc;

use super::{Case, Guard};
use crate::plan::StepKind;
use crate::policy::glob::Glob;
use crate::policy::review::{GuardName, Opinion, Refusal};
use crate::policy::settings::Protect;
use crate::subject::{ProcessId, ProcessIdentity, Subject};

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
            // What it sends and keeps is its own; nothing else is done to it.
            Subject::Agent if !case.kind.is_our_own() => Some(("the agent itself", None)),
            Subject::Agent => None,
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
            process_rule(id, identity, &case.inside.ours, protect).map(|rule| (id, rule, identity))
        })
        .min_by_key(|&(id, ..)| id);
    first.map(|(_, rule, identity)| (rule, identity.map(|identity| Arc::clone(&identity.comm))))
}

fn process_rule(
    id: ProcessId,
    identity: Option<&ProcessIdentity>,
    ours: &[u32],
    protect: &Protect,
) -> Option<&'static str> {
    if id.pid == 1 {
        return Some("the first process");
    }
    if ours.contains(&id.pid) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use crate::{CgroupId, Policy, Reading, Step};

    fn rule(scene: &Scene, policy: &mut Policy, step: Step, aim: impl Into<Aim>) -> String {
        match scene.refusal(policy, step, aim) {
            Some(Refusal::Protected { rule, what }) => format!("{what}: {rule}"),
            other => format!("{other:?}"),
        }
    }

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: pid.into() }
    }

    #[test]
    fn what_a_host_lives_by_is_never_touched() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for (n, comm, what) in [
            (0, "systemd-journal", "the service manager"),
            (1, "sshd-session", "remote access"),
            (2, "dockerd", "the container runtime"),
            (3, "containerd-shim", "the container runtime"),
            (4, "conmon", "the container runtime"),
            (5, "kubelet", "kubelet"),
            (6, "dbus-daemon", "the message bus"),
            (7, "udevd", "the device manager"),
            (8, "runit", "the service manager"),
        ] {
            let process = scene.spawn(500 + n, 1, comm, 40);
            assert_eq!(rule(&scene, &mut policy, TERMINATE, process), format!("{comm}: {what}"));
        }
        assert_eq!(rule(&scene, &mut policy, TERMINATE, id(1)), "systemd: the first process");
        assert_eq!(rule(&scene, &mut policy, TERMINATE, id(2)), "kthreadd: a thread of the kernel");
        assert_eq!(rule(&scene, &mut policy, TERMINATE, id(40)), "sshd: remote access");
        for (pid, comm) in [(AGENT, "agent"), (45, "supervise")] {
            let ours = format!("{comm}: the agent and its ancestors");
            assert_eq!(rule(&scene, &mut policy, Step::SetNice { to: 1 }, id(pid)), ours);
        }
        assert_eq!(rule(&scene, &mut policy, TERMINATE, id(1_000)), "None");
    }

    #[test]
    fn an_executable_counts_whatever_the_process_calls_itself() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        scene.change(LEAK, |identity| identity.exe = Some("/usr/sbin/sshd (deleted)".into()));
        assert_eq!(rule(&scene, &mut policy, TERMINATE, LEAK), "leak: remote access");
    }

    #[test]
    fn the_operator_protects_by_name_executable_group_user_and_score() {
        let settings = |text: &str| {
            let mut settings = acting();
            settings.protect = crate::policy::parse::parse(text).unwrap().protect;
            policy(settings)
        };
        let mut scene = Scene::new();
        for text in
            ["comm = [\"lea*\"]", "exe = [\"*/bin/leak\"]", "cgroup = [\"/app\"]", "uid = [1000]"]
        {
            let key = text.split(' ').next().unwrap();
            let mut policy = settings(&format!("[protect]\n{text}"));
            assert_eq!(rule(&scene, &mut policy, TERMINATE, LEAK), format!("leak: protect.{key}"));
        }
        let mut policy = settings("");
        assert_eq!(rule(&scene, &mut policy, TERMINATE, LEAK), "None");
        scene.change(HELPER, |identity| identity.oom_score_adj = Some(-1000));
        assert_eq!(rule(&scene, &mut policy, TERMINATE, HELPER), "helper: oom_score_adj of -1000");
    }

    #[test]
    fn a_protected_group_protects_what_is_below_it() {
        let mut settings = acting();
        settings.protect.cgroup = vec![Glob::new("/app").unwrap()];
        let (mut scene, mut policy) = (Scene::new(), policy(settings));
        scene.group(21, Some(APP.0), "/app/inner");
        let inner = scene.spawn(600, 1, "worker", 21);
        assert_eq!(rule(&scene, &mut policy, TERMINATE, inner), "worker: protect.cgroup");
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(21)), "/app/inner: protect.cgroup");
        scene.group(22, Some(1), "/apple");
        scene.spawn(601, 1, "worker", 22);
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(22)), "None");
    }

    #[test]
    fn a_group_is_as_protected_as_anything_in_it_or_below_it() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        scene.group(23, Some(APP.0), "/app/inner");
        scene.group(24, Some(23), "/app/inner/most");
        assert_eq!(rule(&scene, &mut policy, RECLAIM, APP), "None");
        scene.pass(std::time::Duration::from_secs(60));
        scene.spawn(601, 1, "kubelet", 24);
        scene.spawn(600, 1, "sshd", 24);
        assert_eq!(rule(&scene, &mut policy, RECLAIM, APP), "sshd: remote access", "the lowest id");
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(1)), "/: the root cgroup");
        let ssh = "/system.slice/ssh.service: remote access";
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(11)), ssh);
        let ours = "supervise: the agent and its ancestors";
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(12)), ours);
    }

    #[test]
    fn a_unit_is_known_by_its_name_before_its_processes_are() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for (n, path, what) in [
            (0, "/init.scope", "the service manager"),
            (1, "/system.slice/docker.service", "the container runtime"),
            (2, "/system.slice/systemd-udevd.service", "the service manager"),
        ] {
            scene.group(70 + n, Some(10), path);
            assert_eq!(
                rule(&scene, &mut policy, RECLAIM, CgroupId(70 + n)),
                format!("{path}: {what}")
            );
        }
        // Some runtimes start containers below their own unit.
        scene.group(80, Some(71), "/system.slice/containerd.service/kubepods/pod1");
        assert_eq!(rule(&scene, &mut policy, RECLAIM, CgroupId(80)), "None");
    }

    #[test]
    fn a_tree_is_as_protected_as_its_descendants() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let grandchild = scene.spawn(700, HELPER.pid, "runc", APP.0);
        assert_eq!(rule(&scene, &mut policy, TERMINATE, tree(LEAK)), "runc: the container runtime");
        assert_eq!(rule(&scene, &mut policy, TERMINATE, LEAK), "None", "alone it is not");
        scene.tell(Subject::Process(grandchild), Reading::Gone);
        scene.pass(std::time::Duration::from_secs(60));
        assert_eq!(rule(&scene, &mut policy, TERMINATE, tree(LEAK)), "None");
    }

    #[test]
    fn a_whole_host_is_not_frozen_or_ended() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        for step in [Step::Freeze, Step::Kill, TERMINATE, Step::Pause, Step::Restart] {
            let said = rule(&scene, &mut policy, step, Subject::Host);
            assert_eq!(said, "target: the whole host");
        }
        assert_eq!(rule(&scene, &mut policy, Step::DropCaches { level: 1 }, Subject::Host), "None");
    }
}
