use super::*;
use QosClass::{BestEffort, Burstable, Guaranteed};

const ID: &str = "4f6d0e5b8f7c4a3b2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c";
const INNER: &str = "aa6d0e5b8f7c4a3b2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0bbb";
const UID: &str = "6f1b2c3d-0a1b-4c2d-8e3f-a1b2c3d4e5f6";
const STATIC: &str = "8f4b0c1d2e3f4a5b6c7d8e9f0a1b2c3d";

/// `ID` and `UID` (`U_I_D` with underscores) stand for themselves in the paths below.
fn path(form: &str) -> String {
    form.replace("U_I_D", &UID.replace('-', "_"))
        .replace("STATIC", STATIC)
        .replace("UID", UID)
        .replace("INNER", INNER)
        .replace("ID", ID)
}

#[test]
fn the_forms_of_every_runtime_name_their_container() {
    let none: Option<(&str, QosClass)> = None;
    let guaranteed = Some((UID, Guaranteed));
    let burstable = Some((UID, Burstable));
    let best_effort = Some((UID, BestEffort));
    let cases = [
        ("/docker/ID", "docker", none),
        ("/system.slice/docker-ID.scope", "docker", none),
        ("/system.slice/docker-ID.scope/init", "docker", none),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
            "docker",
            none,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/docker.service/docker/ID",
            "docker",
            none,
        ),
        ("/my-parent.slice/docker-ID.scope", "docker", none),
        ("/default/ID", "containerd", none),
        ("/k8s.io/ID", "containerd", none),
        ("/system.slice/nerdctl-ID.scope", "containerd", none),
        ("/system.slice/cri-containerd-ID.scope", "containerd", none),
        ("/machine.slice/libpod-ID.scope", "podman", none),
        ("/machine.slice/libpod-ID.scope/container", "podman", none),
        ("/machine.slice/machine-libpod_pod_INNER.slice/libpod-ID.scope", "podman", none),
        ("/machine.slice/libpod-payload-ID", "podman", none),
        ("/libpod_parent/libpod-ID", "podman", none),
        ("/libpod_parent/ID", "podman", none),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            "podman",
            none,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_INNER.slice/libpod-ID.scope/container",
            "podman",
            none,
        ),
        ("/kubepods/podUID/ID", "kubepods", guaranteed),
        ("/kubepods/burstable/podUID/ID", "kubepods", burstable),
        ("/kubepods/besteffort/podUID/ID", "kubepods", best_effort),
        ("/kubepods/burstable/podUID/crio-ID", "cri-o", burstable),
        ("/kubepods/burstable/podSTATIC/ID", "kubepods", Some((STATIC, Burstable))),
        ("/kubelet/kubepods/besteffort/podUID/ID", "kubepods", best_effort),
        (
            "/kubepods.slice/kubepods-podU_I_D.slice/cri-containerd-ID.scope",
            "containerd",
            guaranteed,
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/cri-containerd-ID.scope",
            "containerd",
            burstable,
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_I_D.slice/crio-ID.scope",
            "cri-o",
            best_effort,
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_I_D.slice/crio-ID.scope/container",
            "cri-o",
            best_effort,
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/docker-ID.scope",
            "docker",
            burstable,
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSTATIC.slice/cri-containerd-ID.scope",
            "containerd",
            Some((STATIC, Burstable)),
        ),
        (
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podU_I_D.slice/cri-containerd-ID.scope",
            "containerd",
            burstable,
        ),
        (
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_I_D.slice/cri-containerd-ID.scope",
            "containerd",
            guaranteed,
        ),
        (
            "/system.slice/containerd.service/kubepods-burstable-podU_I_D.slice:cri-containerd:ID",
            "containerd",
            burstable,
        ),
        ("/docker/INNER/kubelet/kubepods/burstable/podUID/ID", "kubepods", burstable),
        ("/docker/INNER/docker/ID", "docker", none),
        ("/../../docker/ID", "docker", none),
        ("/docker/ID/system.slice/nginx.service", "docker", none),
    ];
    for (form, runtime, pod) in cases {
        let found = container_of(&path(form)).unwrap_or_else(|| panic!("{form}: no container"));
        assert_eq!(&*found.id, ID, "{form}");
        assert_eq!(&*found.runtime, runtime, "{form}");
        assert_eq!(found.pod.as_deref().zip(found.qos), pod, "{form}");
        assert_eq!(found.pod.is_some(), found.qos.is_some(), "{form}");
    }
}

#[test]
fn an_ecs_task_is_a_docker_container_by_its_scope() {
    let task = "0123456789abcdef0123456789abcdef-1234567890";
    let found = container_of(&format!("/ecs/cluster/docker-{task}.scope")).unwrap();
    assert_eq!(&*found.id, task);
}

#[test]
fn what_is_no_container_is_none() {
    for form in [
        "/",
        "",
        "/system.slice/nginx.service",
        "/system.slice/docker.service",
        "/system.slice/docker.socket",
        "/system.slice/containerd.service",
        "/system.slice/crio.service",
        "/user.slice/user-1000.slice/session-1.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/podman.service",
        "/init.scope",
        "/kubepods.slice",
        "/kubepods.slice/kubepods-burstable.slice",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice",
        "/kubepods/burstable/podUID",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/crio-conmon-ID.scope",
        "/machine.slice/libpod-conmon-ID.scope",
        "/machine.slice/machine-qemu.scope",
        "/system.slice/docker-volume-plugin.scope",
        "/system.slice/docker-abc.scope",
        "/builds/ID",
        "/podium/ID",
        "/process_api/c317ac4bac51d75f05d50a6d60190eca",
    ] {
        assert_eq!(container_of(&path(form)), None, "{form}");
    }
}
