//! The container that a cgroup path names.

use std::sync::Arc;

use gadget_core::{Container, QosClass};

/// How a scope or folder of a runtime is named: the prefix before the container's id.
const PREFIXES: [(&str, &str); 8] = [
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("docker-", "docker"),
    ("crio-", "cri-o"),
    ("libpod-payload-", "podman"),
    ("libpod-", "podman"),
    ("cri-dockerd-", "docker"),
    ("containerd-", "containerd"),
];

/// The container that a cgroup path names, if it names one: the innermost, where containers are nested.
///
/// - Source: the naming of docker, containerd, CRI-O, kubelet (its systemd and its cgroupfs driver) and podman, also
///   rootless. A path inside a container names that container.
/// - Absent: for services, sessions and pods as such; for the `conmon` that watches a container of CRI-O or podman.
///
/// ```
/// let path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3c1c_9a.slice/\
///             cri-containerd-4f6d0e5b8f7c4a3b2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c.scope";
/// let container = gadget_signals::container_of(path).expect("a container");
/// assert_eq!(&*container.runtime, "containerd");
/// assert_eq!(container.pod.as_deref(), Some("3c1c-9a"));
/// ```
#[must_use]
pub fn container_of(path: &str) -> Option<Container> {
    let (mut pod, mut qos) = (None, None);
    let (mut parent, mut innermost) = ("", None);
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let colon_form = part.split_once(":cri-containerd:");
        if let Some(found) = pod_in(colon_form.map_or(part, |(slice, _)| slice)) {
            (pod, qos) = (Some(found.0), found.1.or(qos));
        } else if is_kube_root(part) {
            (pod, qos) = (None, Some(QosClass::Guaranteed));
        } else if let Some(class) = class_folder(part).filter(|_| qos.is_some()) {
            qos = Some(class);
        }
        let found = match colon_form {
            Some((_, id)) => is_id(id).then_some(("containerd", id)),
            None => container_in(part, parent, pod.is_some()),
        };
        if let Some((runtime, id)) = found {
            innermost = Some((runtime, id, pod.clone(), qos));
        }
        parent = part;
    }
    let (runtime, id, pod, qos) = innermost?;
    Some(Container {
        runtime: runtime.into(),
        id: id.into(),
        qos: qos.filter(|_| pod.is_some()),
        pod: pod.map(Arc::from),
    })
}

/// The runtime and id that one part of a path names.
fn container_in<'a>(part: &'a str, parent: &str, in_pod: bool) -> Option<(&'static str, &'a str)> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix)
            && is_id(id)
        {
            return Some((runtime, id));
        }
    }
    if !is_id(part) {
        return None;
    }
    // A bare id says who made it only by where it is.
    match parent {
        "docker" => Some(("docker", part)),
        "k8s.io" | "default" | "moby" => Some(("containerd", part)),
        "libpod_parent" => Some(("podman", part)),
        _ if in_pod => Some(("kubepods", part)),
        _ => None,
    }
}

/// Container ids are 64 hexadecimal digits, and an ECS task's have a `-` and a number behind 32 of them.
fn is_id(id: &str) -> bool {
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    hex(id, 64)
        || id.split_once('-').is_some_and(|(task, number)| {
            hex(task, 32)
                && (1..=10).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// `kubepods`, `kubepods.slice`, and both below a root of the kubelet's own: `kubelet-kubepods.slice`.
fn is_kube_root(part: &str) -> bool {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    name == "kubepods" || name.ends_with("-kubepods")
}

/// The folder of a quality of service: `burstable`, or `kubepods-burstable.slice`.
fn class_folder(part: &str) -> Option<QosClass> {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    match name.rsplit('-').next()? {
        "burstable" => Some(QosClass::Burstable),
        "besteffort" => Some(QosClass::BestEffort),
        _ => None,
    }
}

/// The pod's uid that `podUID` or `kubepods-burstable-podU_I_D.slice` names, with the class if the name says it.
fn pod_in(part: &str) -> Option<(String, Option<QosClass>)> {
    if let Some(name) = part.strip_suffix(".slice") {
        // systemd reserves the dash for nesting, so the kubelet writes the uid with underscores.
        let (before, uid) = name.rsplit_once("-pod")?;
        if !before.ends_with("kubepods") && class_folder(before).is_none() {
            return None;
        }
        let class = class_folder(before).unwrap_or(QosClass::Guaranteed);
        return is_uid(uid).then(|| (uid.replace('_', "-"), Some(class)));
    }
    let uid = part.strip_prefix("pod")?;
    is_uid(uid).then(|| (uid.to_owned(), None))
}

/// A pod's uid: hexadecimal digits and dashes or underscores; of a static pod 32 digits alone.
fn is_uid(uid: &str) -> bool {
    (4..=64).contains(&uid.len())
        && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
