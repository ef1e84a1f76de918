//! What the host really looks like, kept apart from what the signals told.

use std::collections::{BTreeSet, HashMap};

use gadget_core::*;

use crate::policy_support::*;

#[derive(Clone, Debug)]
struct Member {
    id: ProcessId,
    parent: u32,
    comm: &'static str,
    cgroup: u64,
}

/// Every process and group, in plain lists that are searched from end to end.
pub struct Truth {
    members: Vec<Member>,
    /// Group, the group above, the path, MiB in use.
    groups: Vec<(u64, u64, &'static str, u64)>,
    protect: settings::Protect,
    next_pid: u32,
    /// When all were seen, and which were told of since.
    seen: Timestamp,
    told: HashMap<Subject, Timestamp>,
}

const PROTECTED: [&str; 4] = ["systemd", "sshd", "runc", "systemd-udevd"];
const NAMES: [&str; 12] = [
    "systemd",
    "kthreadd",
    "sshd",
    "supervise",
    "agent",
    "leak",
    "helper",
    "postgres",
    "worker",
    "runc",
    "systemd-udevd",
    "?",
];

impl Truth {
    pub fn of(scene: &Scene, settings: &PolicySettings) -> Self {
        let mut members: Vec<Member> = scene
            .world
            .processes()
            .map(|(id, process)| {
                let identity = process.identity.as_ref().unwrap();
                let comm = NAMES.into_iter().find(|name| **name == *identity.comm).unwrap();
                Member { id, parent: identity.parent, comm, cgroup: identity.cgroup.unwrap().0 }
            })
            .collect();
        members.sort_by_key(|member| member.id);
        let groups = vec![
            (1, 0, "/", 0),
            (10, 1, "/system.slice", 0),
            (11, 10, "/system.slice/ssh.service", 0),
            (12, 10, "/system.slice/agent.service", 0),
            (20, 1, "/app", 1024),
            (21, 20, "/app/inner", 0),
            (30, 1, "/db", 512),
            (40, 1, "/crowd", 512),
        ];
        Self {
            members,
            groups,
            protect: settings.protect.clone(),
            next_pid: 5_000,
            seen: scene.now,
            told: HashMap::new(),
        }
    }

    pub fn all_seen(&mut self, now: Timestamp) {
        self.seen = now;
        self.told.clear();
    }

    /// Few targets, so that plans meet: mostly those of interest, some that are protected, some that are gone.
    pub fn aim(&self, number: usize) -> Aim {
        let of_pid = |pid: u32| Subject::Process(ProcessId { pid, start: pid.into() });
        match number {
            0..8 => Aim(of_pid(LEAK.pid), Reach::Alone),
            8..12 => tree(LEAK),
            12..16 => Aim(of_pid(HELPER.pid), Reach::Alone),
            16..20 => Aim(of_pid(POSTGRES.pid), Reach::Tree),
            20..32 => Aim(Subject::Cgroup(APP), Reach::Alone),
            32..36 => Aim(Subject::Cgroup(DB), Reach::Alone),
            36..40 => Aim(Subject::Cgroup(CgroupId([1, 10, 11, 12][number - 36])), Reach::Alone),
            40..42 => Aim(Subject::Cgroup(CgroupId(21)), Reach::Alone),
            42..44 => Aim(Subject::Cgroup(CgroupId(40)), Reach::Alone),
            44..49 => Aim(of_pid([1, 2, 40, 45, AGENT][number - 44]), Reach::Alone),
            49..52 => Aim(Subject::Host, Reach::Alone),
            52..56 => Aim(of_pid(5_000 + number as u32 - 52), Reach::Alone),
            _ => Aim(of_pid(1_000 + number as u32 - 56), Reach::Alone),
        }
    }

    pub fn spawn(&mut self, scene: &mut Scene, parent: usize, comm: &'static str, cgroup: u64) {
        let parent = self.members[parent % self.members.len()].id.pid;
        let id = scene.spawn(self.next_pid, parent, comm, cgroup);
        self.next_pid += 1;
        self.told.insert(Subject::Process(id), scene.now);
        self.members.push(Member { id, parent, comm, cgroup });
    }

    /// One that is neither the first process nor ours exits; its children go to the first process.
    pub fn exit(&mut self, scene: &mut Scene, which: usize) {
        let which = which % self.members.len();
        let gone = self.members[which].id;
        if gone.pid <= AGENT {
            return;
        }
        self.members.remove(which);
        scene.tell(Subject::Process(gone), Reading::Gone);
        for orphan in self.members.iter_mut().filter(|member| member.parent == gone.pid) {
            orphan.parent = 1;
            scene.change(orphan.id, |identity| identity.parent = 1);
            self.told.insert(Subject::Process(orphan.id), scene.now);
        }
    }

    pub fn rename(&mut self, scene: &mut Scene, which: usize, comm: &'static str) {
        let which = which % self.members.len();
        let member = &mut self.members[which];
        if member.id.pid > AGENT {
            member.comm = comm;
            self.told.insert(Subject::Process(member.id), scene.now);
            scene.change(member.id, |identity| {
                identity.comm = comm.into();
                identity.exe = Some(format!("/usr/bin/{comm}").into());
            });
        }
    }

    fn under(&self, mut group: u64, above: u64) -> bool {
        while group != 0 {
            if group == above {
                return true;
            }
            group = self
                .groups
                .iter()
                .find(|(id, ..)| *id == group)
                .map_or(0, |(_, parent, ..)| *parent);
        }
        false
    }

    fn descends(&self, member: &Member, ancestor: u32) -> bool {
        let mut pid = member.id.pid;
        while pid != 0 {
            if pid == ancestor {
                return true;
            }
            pid = self
                .members
                .iter()
                .find(|other| other.id.pid == pid)
                .map_or(0, |other| other.parent);
        }
        false
    }

    fn inside(&self, target: &Target) -> Vec<&Member> {
        self.members
            .iter()
            .filter(|member| match target.subject {
                Subject::Host => false,
                Subject::Cgroup(group) => self.under(member.cgroup, group.0),
                Subject::Process(id) if target.reach == Reach::Tree => {
                    self.descends(member, id.pid)
                }
                Subject::Process(id) => member.id == id,
                _ => false,
            })
            .collect()
    }

    fn protects(&self, member: &Member) -> bool {
        let path = self
            .groups
            .iter()
            .find(|(id, ..)| *id == member.cgroup)
            .map_or("", |(_, _, path, _)| *path);
        PROTECTED.contains(&member.comm)
            || [1, 2, 45, AGENT].contains(&member.id.pid)
            || self.protect.uid.contains(&1000)
            || (!self.protect.comm.is_empty() && member.comm == "helper")
            || (!self.protect.exe.is_empty() && member.comm == "leak")
            || (!self.protect.cgroup.is_empty() && path == "/db")
    }

    /// What of the target itself speaks against a plan.
    pub fn objection(
        &self,
        plan: &Plan,
        now: Timestamp,
        settings: &PolicySettings,
    ) -> Option<String> {
        let (target, risk) = (&plan.target, plan.step.kind().risk());
        let inside = self.inside(target);
        if let Some(member) = inside.iter().find(|member| self.protects(member)) {
            return Some(format!("{} is protected", member.comm));
        }
        let group = match target.subject {
            Subject::Cgroup(id) => self.groups.iter().find(|(group, ..)| *group == id.0),
            _ => None,
        };
        match (target.subject, group) {
            (Subject::Cgroup(CgroupId(1 | 10 | 11)), _) => {
                return Some("a protected group".to_owned());
            }
            (Subject::Cgroup(CgroupId(30)), _) if !self.protect.cgroup.is_empty() => {
                return Some("a group that the operator protects".to_owned());
            }
            (Subject::Host, _) if !matches!(plan.step, Step::Reclaim { .. }) => {
                return Some("the host".to_owned());
            }
            (Subject::Process(_), _) if inside.is_empty() => return Some("gone".to_owned()),
            _ => {}
        }
        let seen = *self.told.get(&target.subject).unwrap_or(&self.seen);
        if now.since(seen) > settings.stale.unseen {
            return Some("stale".to_owned());
        }
        if risk == Risk::Low {
            return None;
        }
        let programs: BTreeSet<_> = inside.iter().map(|member| member.comm).collect();
        let touched = if target.reach == Reach::Tree { programs.len() } else { inside.len() };
        let of_all = |share: f64, all: usize| (share * all as f64).max(3.0);
        let kernel = self.members.iter().filter(|member| member.comm == "kthreadd").count();
        if touched as f64 > of_all(settings.blast_radius.processes, self.members.len() - kernel) {
            return Some(format!("{touched} processes"));
        }
        let (id, .., mib) = group?;
        let groups = self.groups.iter().filter(|(inner, ..)| self.under(*inner, *id)).count();
        if groups as f64 > of_all(settings.blast_radius.cgroups, self.groups.len()) {
            return Some(format!("{groups} groups"));
        }
        (inside.len() > 1 && *mib as f64 > settings.blast_radius.memory * 4096.0)
            .then(|| format!("{mib} MiB"))
    }
}
