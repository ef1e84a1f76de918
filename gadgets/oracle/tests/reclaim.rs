//! What tasks do when memory runs short wakes the Oracle before its next reading is due.

use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupMemoryStat, CgroupVersion, Gadget as _,
    HostFacts, MemoryLimit, Plans, Reading, Reclaim, Signal, Subject, Timestamp, World,
};
use gadget_oracle::Oracle;

const LIMITED: CgroupId = CgroupId(7);
const BELOW: CgroupId = CgroupId(8);

struct Scene {
    oracle: Oracle,
    world: World,
}

impl Scene {
    /// A group at rest, far below its limit, and one without a limit below it.
    fn at_rest() -> Self {
        let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 9, cpus: 2 };
        let mut scene = Self {
            oracle: Oracle::builder().build().expect("the defaults are valid"),
            world: World::new(facts),
        };
        for (id, path, parent) in [(LIMITED, "/a", None), (BELOW, "/a/b", Some(LIMITED))] {
            let identity = CgroupIdentity {
                path: path.into(),
                parent,
                version: CgroupVersion::V2,
                container: None,
                oom_group: false,
            };
            scene.tell(0, id, Reading::CgroupIdentity(Box::new(identity)));
        }
        for second in 0..5 {
            let memory = CgroupMemory {
                current: Bytes::from_mib(100),
                max: MemoryLimit::At(Bytes::from_mib(1000)),
                high: MemoryLimit::Unlimited,
                stat: Some(CgroupMemoryStat::default()),
                events: None,
            };
            scene.tell(second * 3, LIMITED, Reading::CgroupMemory(memory));
            scene.asked(second * 3);
        }
        scene
    }

    fn tell(&mut self, second: u64, id: CgroupId, reading: Reading) {
        let at = Timestamp::from_secs(1_000 + second);
        let signal = Signal { at, subject: Subject::Cgroup(id), reading };
        self.world.observe(&signal);
        self.oracle.observe(&signal);
    }

    /// The pace that is asked for the limited group.
    fn asked(&mut self, second: u64) -> Option<Duration> {
        let mut plans = Plans::default();
        self.oracle.plan(Timestamp::from_secs(1_000 + second), &self.world, &mut plans);
        let latest = plans.watches().iter().rfind(|it| it.0 == Subject::Cgroup(LIMITED));
        latest.and_then(|(_, pace)| *pace)
    }
}

fn reclaim() -> Reading {
    Reading::Reclaim(Reclaim { begun: 1, ..Reclaim::default() })
}

#[test]
fn reclaim_below_a_limit_has_the_limited_group_read_at_once() {
    for id in [LIMITED, BELOW] {
        let mut scene = Scene::at_rest();
        assert_eq!(scene.asked(13), None);
        scene.tell(13, id, reclaim());
        let pace = scene.asked(13).expect("a faster pace");
        assert!(pace <= Duration::from_millis(100), "{pace:?}");
    }
}

#[test]
fn reclaim_that_goes_on_is_no_news() {
    let mut scene = Scene::at_rest();
    scene.tell(13, LIMITED, reclaim());
    scene.asked(13);
    let later: Vec<_> = (14..60)
        .filter_map(|second| {
            scene.tell(second, LIMITED, reclaim());
            scene.asked(second)
        })
        .collect();
    assert_eq!(later, []);
}

#[test]
fn reclaim_of_a_stranger_wakes_nobody() {
    let mut scene = Scene::at_rest();
    scene.tell(13, CgroupId(99), reclaim());
    assert_eq!(scene.asked(13), None);
}
