//! Processes that crashed, containers whose process failed, and the kernel's OOM killer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Container, Evidence, Exit, Name, ProcessId, Reading, Signal, Subject, Timestamp, World,
};

use super::{Cause, Trigger};

/// Ends that wait to be named.
const MOST: usize = 256;

/// Signals that a process gets for what it did: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS on x86 and Arm.
const CRASHES: [u8; 7] = [4, 5, 6, 7, 8, 11, 31];
const SIGKILL: u8 = 9;

/// A container's process that fails sooner may be a probe or a job's step, which fails as a matter of course.
const SERVICE: Duration = Duration::from_secs(10);

/// How an end is told twice, by two sources.
const TWICE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum What {
    Exit(Exit),
    Victim,
    Killed(u64),
}

/// What ended of late.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    seen: Vec<(Timestamp, Subject, Option<Arc<str>>, What)>,
    told: VecDeque<(Timestamp, ProcessId)>,
    lost: u64,
}

impl Ends {
    pub(super) fn observe(&mut self, signal: &Signal) {
        match &signal.reading {
            Reading::Exited(exit) => {
                self.see(signal.at, signal.subject, None, What::Exit(*exit));
            }
            Reading::OomVictim => self.see(signal.at, signal.subject, None, What::Victim),
            Reading::OomKill(count) if *count > 0 => {
                self.see(signal.at, signal.subject, None, What::Killed(*count));
            }
            Reading::Exits(exits) => {
                for end in &exits.ends {
                    let name = Some(end.comm.to_string().into());
                    let what = if end.oom { What::Victim } else { What::Exit(end.exit) };
                    self.see(signal.at, Subject::Process(end.id), name, what);
                }
            }
            _ => {}
        }
    }

    fn see(&mut self, at: Timestamp, subject: Subject, name: Option<Arc<str>>, what: What) {
        let matters = match &what {
            What::Exit(exit) => exit.signal.is_some() || exit.code.is_some_and(|code| code != 0),
            What::Victim | What::Killed(_) => true,
        };
        if !matters {
            return;
        }
        if self.seen.len() < MOST {
            self.seen.push((at, subject, name, what));
        } else {
            self.lost += 1;
        }
    }

    /// Those that are a reason to send logs.
    pub(super) fn take(&mut self, world: &World) -> Vec<Trigger> {
        let mut found = Vec::new();
        for (at, subject, name, what) in std::mem::take(&mut self.seen) {
            while self.told.front().is_some_and(|(told, _)| at.since(*told) > TWICE)
                || self.told.len() >= MOST
            {
                self.told.pop_front();
            }
            if let Subject::Process(id) = subject
                && self.told.iter().any(|(_, told)| *told == id)
            {
                continue;
            }
            let Some(trigger) = judged(at, subject, name, &what, world) else { continue };
            if let Subject::Process(id) = subject {
                self.told.push_back((at, id));
            }
            found.push(trigger);
        }
        found
    }
}

fn judged(
    at: Timestamp,
    subject: Subject,
    name: Option<Arc<str>>,
    what: &What,
    world: &World,
) -> Option<Trigger> {
    let process = match subject {
        Subject::Process(id) => world.process(id),
        _ => None,
    };
    let about = name.unwrap_or_else(|| match subject {
        Subject::Process(id) => {
            process.map_or_else(|| id.pid.to_string().into(), |process| process.comm().into())
        }
        Subject::Cgroup(id) => world.cgroup(id).map_or("?", |cgroup| cgroup.path()).into(),
        _ => "host".into(),
    });
    let mut evidence = Evidence::new();
    let (cause, statement) = match what {
        What::Victim => (Cause::Oom, format!("the kernel's OOM killer chose {about}")),
        What::Killed(count) => {
            evidence.push((Name::Borrowed("killed"), *count as f64));
            (Cause::Oom, format!("the kernel's OOM killer killed {count} in {about}"))
        }
        What::Exit(exit) => {
            let crashed = exit.signal.is_some_and(|signal| CRASHES.contains(&signal));
            let failed = exit.signal == Some(SIGKILL) || exit.code.is_some_and(|code| code != 0);
            let container = || {
                let cgroup = process?.identity.as_ref()?.cgroup?;
                world.cgroup(cgroup)?.identity.as_ref()?.container.as_ref()
            };
            let container: Option<&Container> = container();
            let is_service = container.is_some() && exit.lifetime >= SERVICE;
            let counts = crashed || (failed && is_service);
            if !counts {
                return None;
            }
            let how = match (exit.signal, exit.code) {
                (Some(signal), _) => format!("ended by signal {signal}"),
                (None, code) => format!("exited with {}", code.unwrap_or_default()),
            };
            evidence.push((Name::Borrowed("lived"), exit.lifetime.as_secs_f64()));
            let within = container.map_or_else(String::new, |container| {
                let id: String = container.id.chars().take(12).collect();
                format!(" in container {id}")
            });
            (Cause::Crash, format!("{about}{within} {how}"))
        }
    };
    Some(Trigger { at, about, cause, statement: statement.into(), evidence })
}

#[cfg(test)]
mod tests {
    use gadget_core::{
        CgroupId, CgroupIdentity, CgroupVersion, HostFacts, ProcessIdentity, Runtime,
    };

    use super::*;

    const API: ProcessId = ProcessId { pid: 40, start: 1 };

    /// A host with a process of the name `api`, in a container if asked for.
    fn world(contained: bool) -> World {
        let facts = HostFacts { boot_id: "b".into(), kernel: "6.1".into(), agent_pid: 9, cpus: 2 };
        let mut world = World::new(facts);
        let group = CgroupId(5);
        let container = contained.then(|| Container {
            runtime: "docker".into(),
            id: "0123456789abcdef".into(),
            pod: None,
            qos: None,
        });
        let path: Arc<str> = "/x".into();
        let cgroup = CgroupIdentity {
            path: Arc::clone(&path),
            parent: None,
            version: CgroupVersion::V2,
            container,
            oom_group: false,
        };
        let process = ProcessIdentity {
            parent: 1,
            comm: "api".into(),
            exe: None,
            uid: 0,
            cgroup: Some(group),
            cgroup_path: Some(path),
            oom_score_adj: None,
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        let at = Timestamp::from_secs(1);
        for (subject, reading) in [
            (Subject::Cgroup(group), Reading::CgroupIdentity(cgroup.into())),
            (Subject::Process(API), Reading::ProcessIdentity(process.into())),
        ] {
            world.observe(&Signal { at, subject, reading });
        }
        world
    }

    fn told(world: &World, readings: &[Reading]) -> Vec<String> {
        let mut ends = Ends::default();
        for reading in readings {
            let (at, subject) = (Timestamp::from_secs(2), Subject::Process(API));
            ends.observe(&Signal { at, subject, reading: reading.clone() });
        }
        ends.take(world).iter().map(|trigger| trigger.statement.to_string()).collect()
    }

    fn exited(code: Option<u8>, signal: Option<u8>) -> Reading {
        let lifetime = Duration::from_secs(60);
        Reading::Exited(Exit { code, signal, lifetime, peak_rss: None })
    }

    #[test]
    fn a_crash_counts_anywhere_and_a_failure_in_a_container() {
        assert_eq!(told(&world(false), &[exited(None, Some(11))]), ["api ended by signal 11"]);
        assert!(told(&world(false), &[exited(Some(1), None)]).is_empty());
        let failed = told(&world(true), &[exited(Some(137), None)]);
        assert_eq!(failed, ["api in container 0123456789ab exited with 137"]);
        assert!(told(&world(true), &[exited(None, Some(15))]).is_empty(), "it was asked to end");
        assert!(told(&world(true), &[exited(Some(0), None)]).is_empty());
    }

    #[test]
    fn one_end_told_twice_is_one() {
        let both = [exited(None, Some(6)), Reading::OomVictim, exited(None, Some(6))];
        assert_eq!(told(&world(false), &both).len(), 1);
    }

    #[test]
    fn the_oom_killer_counts_always() {
        assert_eq!(
            told(&world(false), &[Reading::OomVictim]),
            ["the kernel's OOM killer chose api"]
        );
        assert!(told(&world(false), &[Reading::OomKill(0)]).is_empty());
        assert_eq!(told(&world(false), &[Reading::OomKill(2)]).len(), 1);
    }
}
