//! Whatever happens.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Load(Load, u64),
    Permit(bool),
    /// The agent puts back what is in place.
    PutBack(bool),
    Asks(TelemetryLevel),
}

fn event() -> impl Strategy<Value = Event> {
    let load = (0.0..4.0_f64, 10..130_u64, 0..2_000_u32, 0.0..2.0_f64, 0..60_u64, 1..100_u64);
    let load = load.prop_map(|(cpu, memory_mb, fds, part_cpu, silent, secs)| {
        Event::Load(Load { cpu, memory_mb, fds, part_cpu, part_fds: 0, silent }, secs)
    });
    prop_oneof![
        6 => load,
        2 => (1..400_u64).prop_map(|secs| Event::Load(CALM, secs)),
        2 => (1..200_u64).prop_map(|secs| Event::Load(HOG, secs)),
        1 => any::<bool>().prop_map(Event::Permit),
        1 => any::<bool>().prop_map(Event::PutBack),
        1 => prop::sample::select(&TelemetryLevel::ALL[..]).prop_map(Event::Asks),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_never_sends_more_than_was_asked_for_and_comes_back_to_all_of_it(
        events in prop::collection::vec(event(), 1..20),
    ) {
        let mut rig = Rig::new();
        for event in events {
            match event {
                Event::Load(load, secs) => {
                    for _ in 0..secs {
                        let (before, said) = (rig.in_force, rig.events.len());
                        rig.tick(load);
                        let ladder = Ladder::below(rig.base);
                        prop_assert!(ladder.find(rig.in_force).is_some(), "{:?}", rig.in_force);
                        prop_assert_eq!(rig.open.is_some(), rig.in_force != rig.base);
                        // A step is said when it is seen to be in force, which is one look later.
                        prop_assert!(rig.events.len() <= said + 1);
                        if before == rig.in_force {
                            let rung = ladder.find(rig.in_force);
                            prop_assert_eq!(rung, Some(rig.watchdog.degradation()));
                        }
                    }
                }
                Event::Permit(permitted) => rig.permitted = permitted,
                Event::PutBack(met) => {
                    let open = rig.open.as_ref().map(|(plan, _)| plan.id);
                    let ending = if met { Ending::Met } else { Ending::Unmet };
                    open.into_iter().for_each(|id| rig.put_back(id, ending));
                }
                Event::Asks(level) => {
                    let before = rig.base;
                    rig.base = Telemetry { level, ..before };
                    rig.tick(CALM);
                    if rig.open.is_none() && rig.in_force == before {
                        rig.in_force = rig.base;
                    }
                    rig.tick(CALM);
                }
            }
        }
        rig.permitted = true;
        // The longest wait between two tries is an hour, and there are four steps.
        let mut left = 4 * 3_700;
        while left > 0 && (rig.in_force, rig.watchdog.degradation()) != (rig.base, 0) {
            rig.tick(CALM);
            left -= 1;
        }
        prop_assert_eq!((rig.in_force, rig.watchdog.degradation()), (rig.base, 0));
    }
}
