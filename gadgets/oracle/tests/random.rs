//! Whatever the readings are: no panic, no number that is none, no plan without growth.

use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupMemory, CgroupMemoryStat, Gadget, HostFacts, HostMemory, MemoryLimit,
    Percent, Plans, Pressure, ProcessId, ProcessUsage, Reading, Resource, Signal, Stall, Subject,
    Timestamp, World,
};
use gadget_oracle::Oracle;
use proptest::prelude::*;

/// A reading and the time since the one before, in milliseconds.
type Told = (u64, Signal);

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(0), Just(u64::MAX), 0_u64..1 << 30, any::<u64>()].prop_map(Bytes::new)
}

fn cgroup_memory() -> impl Strategy<Value = Reading> {
    let limit = prop_oneof![Just(MemoryLimit::Unlimited), bytes().prop_map(MemoryLimit::At)];
    let stat =
        (bytes(), bytes(), bytes(), proptest::option::of(bytes())).prop_map(|(a, b, c, d)| {
            CgroupMemoryStat {
                anon: a,
                inactive_file: b,
                active_file: c,
                slab_reclaimable: d,
                swap: d,
                ..Default::default()
            }
        });
    (bytes(), limit, proptest::option::of(stat)).prop_map(|(current, max, stat)| {
        Reading::CgroupMemory(CgroupMemory {
            current,
            max,
            high: MemoryLimit::Unlimited,
            stat,
            events: None,
        })
    })
}

fn host_memory() -> impl Strategy<Value = Reading> {
    (bytes(), bytes(), bytes(), bytes()).prop_map(|(total, free, inactive_file, swap_total)| {
        Reading::HostMemory(HostMemory {
            total,
            free,
            inactive_file,
            swap_total,
            ..Default::default()
        })
    })
}

fn told() -> impl Strategy<Value = Told> {
    let usage = (bytes(), proptest::option::of(bytes())).prop_map(|(rss, shared)| {
        Reading::ProcessUsage(ProcessUsage { rss, shared, state: 'R', ..Default::default() })
    });
    let pressure = (0.0..100.0_f64).prop_map(|share| {
        let stall = Stall { avg10: Percent::new(share).unwrap_or_default(), ..Default::default() };
        Reading::Pressure(Resource::Memory, Pressure { some: stall, full: Some(stall) })
    });
    let group = (1_u64..4).prop_map(|id| Subject::Cgroup(CgroupId(id)));
    let process =
        (0_u32..6, 0_u64..3).prop_map(|(pid, start)| Subject::Process(ProcessId { pid, start }));
    let seen = prop_oneof![
        6 => (group.clone(), cgroup_memory()),
        2 => (Just(Subject::Host), host_memory()),
        4 => (process.clone(), usage),
        1 => (group, pressure),
        1 => (process, Just(Reading::Gone)),
        1 => (Just(Subject::Host), Just(Reading::StallTrigger(Resource::Memory))),
    ];
    let gap = prop_oneof![Just(0), 1_u64..200, 200_u64..5_000, Just(10_000_000)];
    (gap, seen).prop_map(|(gap, (subject, reading))| {
        (gap, Signal { at: Timestamp::EPOCH, subject, reading })
    })
}

fn live(told: &[Told], mut check: impl FnMut(&Oracle, &Plans)) -> String {
    let facts = HostFacts { boot_id: "b".into(), kernel: "6.1".into(), agent_pid: 4, cpus: 2 };
    let (mut world, mut plans) = (World::new(facts), Plans::default());
    let mut oracle = Oracle::builder().build().expect("the defaults are valid");
    let mut now = Timestamp::from_secs(1_700_000_000);
    let mut said = String::new();
    for (gap, signal) in told {
        now = now + Duration::from_millis(*gap);
        let signal = Signal { at: now, ..signal.clone() };
        world.observe(&signal);
        oracle.observe(&signal);
        plans.clear();
        oracle.plan(now, &world, &mut plans);
        check(&oracle, &plans);
        said += &format!("{:?}{:?}", plans.proposals(), plans.watches());
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_readings_give_numbers_and_the_same_ones_twice(told in proptest::collection::vec(told(), 1..120)) {
        let mut failure = None;
        let first = live(&told, |oracle, plans| {
            for forecast in oracle.forecasts() {
                let numbers = forecast.features.iter().chain([&forecast.velocity, &forecast.acceleration]);
                if !numbers.clone().all(|number| number.is_finite()) {
                    failure = Some(format!("{forecast:?}"));
                }
            }
            for plan in plans.proposals() {
                let grows = oracle.forecasts().any(|forecast| forecast.eta.is_some() && forecast.velocity > 0.0);
                if !grows || !plan.evidence.iter().all(|(_, value)| value.is_finite()) || !plan.merit.is_finite() {
                    failure = Some(plan.to_string());
                }
            }
        });
        prop_assert_eq!(failure, None);
        prop_assert_eq!(first, live(&told, |_, _| {}));
    }

    #[test]
    fn without_growth_nothing_is_proposed(
        level in 1_u64..400,
        noise in proptest::collection::vec(0_u64..1 << 20, 60..200),
        pace in 20_u64..2_000,
    ) {
        let limit = Bytes::from_mib(400);
        let told: Vec<Told> = noise.iter().map(|noise| {
            // Never more than one mebibyte above the lowest level, and falling at the end of each series of ten.
            let current = Bytes::new((level << 20).saturating_sub(*noise));
            let stat = Some(CgroupMemoryStat { anon: current, ..Default::default() });
            let memory = CgroupMemory { current, max: MemoryLimit::At(limit), high: MemoryLimit::Unlimited, stat, events: None };
            (pace, Signal { at: Timestamp::EPOCH, subject: Subject::Cgroup(CgroupId(1)), reading: Reading::CgroupMemory(memory) })
        }).collect();
        let mut proposed = 0;
        live(&told, |_, plans| proposed += plans.proposals().len());
        prop_assert_eq!(proposed, 0);
    }
}
