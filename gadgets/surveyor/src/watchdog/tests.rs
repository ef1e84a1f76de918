//! Faults: what each does, and how the agent comes back from it.

mod acting;
mod any;

use gadget_core::{Bytes, Ending, TelemetryLevel, summary};
use gadget_envelope::State;

use super::*;

/// An agent of two parts that does at once what is proposed.
struct Rig {
    watchdog: Watchdog,
    base: Telemetry,
    in_force: Telemetry,
    open: Option<(Plan, Telemetry)>,
    next_id: u64,
    now: Timestamp,
    permitted: bool,
    events: Vec<AgentDiagEvent>,
    proposed: Vec<Plan>,
    assessed: Vec<Assessment>,
}

/// What the whole agent and its two parts use.
#[derive(Clone, Copy, Debug)]
struct Load {
    cpu: f64,
    memory_mb: u64,
    fds: u32,
    part_cpu: f64,
    part_fds: u32,
    silent: u64,
}

const CALM: Load = Load { cpu: 0.5, memory_mb: 20, fds: 50, part_cpu: 0.3, part_fds: 0, silent: 1 };
const HOG: Load = Load { cpu: 5.0, ..CALM };

fn used(module: &'static str, cpu: f64) -> ModuleUse {
    let over = Duration::from_secs(10);
    let cpu = over.mul_f64(cpu / 100.0);
    ModuleUse { module: module.into(), cpu, over, memory: None, fds: None, silent: None }
}

impl Load {
    fn readings(self) -> [ModuleUse; 3] {
        let memory = Some(Bytes::new(self.memory_mb * 1_000_000));
        [
            ModuleUse { memory, fds: Some(self.fds), ..used(ModuleUse::WHOLE, self.cpu) },
            ModuleUse { fds: Some(self.part_fds), ..used("census", self.part_cpu) },
            ModuleUse { silent: Some(Duration::from_secs(self.silent)), ..used("export", 0.1) },
        ]
    }
}

impl Rig {
    fn new() -> Self {
        Self::at(Telemetry::default())
    }

    fn at(base: Telemetry) -> Self {
        let mut rig = Self {
            watchdog: Watchdog::new(&settings::Watchdog::default()),
            base,
            in_force: base,
            open: None,
            next_id: 0,
            now: Timestamp::from_secs(1_000),
            permitted: true,
            events: Vec::new(),
            proposed: Vec::new(),
            assessed: Vec::new(),
        };
        rig.run(60, CALM);
        rig
    }

    fn tick(&mut self, load: Load) {
        self.now = self.now + Duration::from_secs(1);
        for reading in load.readings() {
            self.watchdog.observe(&reading, self.now);
        }
        let (mut plans, events) = (Plans::default(), &mut self.events);
        self.watchdog
            .plan(self.now, self.in_force, self.base, &mut plans, &mut |event| events.push(event));
        for id in plans.releases().to_vec() {
            self.put_back(id, Ending::Met);
        }
        self.assessed.extend_from_slice(plans.assessments());
        for plan in plans.proposals() {
            self.proposed.push(plan.clone());
            if let (Step::SetTelemetry { to }, None, true) =
                (&plan.step, &self.open, self.permitted)
            {
                self.next_id += 1;
                let plan = Plan { id: PlanId(self.next_id), ..plan.clone() };
                self.watchdog.done(&plan);
                self.open = Some((plan, self.in_force));
                self.in_force = *to;
            }
        }
    }

    fn put_back(&mut self, id: PlanId, ending: Ending) {
        if let Some((plan, before)) = self.open.take_if(|(plan, _)| plan.id == id) {
            self.in_force = before;
            self.watchdog.learn(&Outcome::of(&plan, ending, summary(format_args!("put back"))));
        }
    }

    fn run(&mut self, secs: u64, load: Load) -> TelemetryLevel {
        for _ in 0..secs {
            self.tick(load);
        }
        self.in_force.level
    }

    /// Seconds of `load` until the level is another one.
    fn until_it_moves(&mut self, load: Load) -> (u64, TelemetryLevel) {
        let before = self.in_force;
        for secs in 1..10_000 {
            self.tick(load);
            if self.in_force != before {
                self.tick(load); // It takes note.
                return (secs, self.in_force.level);
            }
        }
        panic!("nothing moved");
    }

    fn steps(&self) -> Vec<(State, State)> {
        self.events.iter().map(|event| (event.state_from(), event.state_to())).collect()
    }
}

use TelemetryLevel::{Bypass, Heartbeat, Raw, Sketches, Smart};

#[test]
fn a_burst_is_not_a_trip() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        rig.run(2, HOG);
        rig.run(1, CALM);
    }
    assert_eq!((rig.in_force, rig.proposed.len()), (Telemetry::default(), 0));
}

#[test]
fn what_uses_too_much_cpu_goes_down_step_by_step_and_says_each() {
    let mut rig = Rig::new();
    assert_eq!(rig.until_it_moves(HOG), (3, Smart), "three readings in a row");
    assert_eq!(rig.until_it_moves(HOG), (30, Raw), "each step has time to show");
    assert_eq!(rig.until_it_moves(HOG), (30, Raw));
    assert_eq!(rig.in_force.every, Duration::from_secs(10), "slower");
    assert_eq!(rig.until_it_moves(HOG), (30, Heartbeat));
    assert_eq!(rig.run(500, HOG), Heartbeat, "there is nothing below");
    let steps = [
        (State::Sketches, State::Smart),
        (State::Smart, State::Raw),
        (State::Raw, State::RawSlow),
        (State::RawSlow, State::Heartbeat),
    ];
    assert_eq!(rig.steps(), steps, "one event for each step");
    let event = &rig.events[0];
    assert_eq!((&*event.module, &*event.event_type), ("agent", "step_down"));
    assert_eq!(event.reason, "agent uses 5.00 % of a core, of at most 2");
    assert_eq!((event.value, event.threshold, &*event.unit), (Some(5.0), Some(2.0), "%"));
    assert_eq!(rig.events[3].severity(), Severity::Crit);
    assert_eq!(rig.watchdog.degradation(), 4);
}

#[test]
fn a_step_expects_the_limit_and_the_last_one_nothing() {
    let mut rig = Rig::new();
    rig.run(200, HOG);
    let changes: Vec<Change> = rig.proposed.iter().map(|plan| plan.expects.change).collect();
    let limit = Change::AtMost(Metric::AgentCpu, 2.0);
    assert_eq!(changes, [limit, limit, limit, Change::Nothing]);
    let within = rig.proposed[0].expects.within;
    assert!(within > rig.watchdog.limits.settle, "the ladder comes first: {within:?}");
    assert_eq!(
        rig.proposed[0].evidence.as_slice(),
        [("cpu_percent".into(), 5.0), ("limit".into(), 2.0)]
    );
}

#[test]
fn it_comes_back_one_step_at_a_time() {
    let mut rig = Rig::new();
    rig.run(200, HOG);
    rig.events.clear();
    assert_eq!(rig.until_it_moves(CALM), (61, Raw), "calm for 60 s, from its first reading on");
    assert_eq!(rig.until_it_moves(CALM).1, Raw);
    assert_eq!(rig.in_force.every, Duration::from_secs(2));
    assert_eq!(rig.until_it_moves(CALM).1, Smart);
    assert_eq!(rig.until_it_moves(CALM).1, Sketches);
    assert!(rig.open.is_none(), "what was asked for is in force by itself");
    assert_eq!(rig.run(1_000, CALM), Sketches);
    assert_eq!(rig.events.len(), 4);
    assert!(rig.events.iter().all(|event| event.event_type == "step_up"));
    assert_eq!(rig.events[3].severity(), Severity::Info);
    assert_eq!(rig.watchdog.degradation(), 0);
}

#[test]
fn a_step_up_that_fails_goes_back_at_once_and_the_next_waits_twice_as_long() {
    let mut rig = Rig::new();
    rig.until_it_moves(HOG);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let (wait, level) = rig.until_it_moves(CALM);
        assert_eq!(level, Sketches);
        waits.push(wait);
        assert_eq!(rig.until_it_moves(HOG), (1, Smart), "no second reading is waited for");
    }
    assert!((59..=61).contains(&waits[0]), "{waits:?}");
    assert!((119..=121).contains(&waits[1]) && (239..=241).contains(&waits[2]), "{waits:?}");
    assert_eq!(rig.watchdog.degradation(), 1, "and not further down for it");
}

#[test]
fn between_its_limit_and_well_below_it_stays_where_it_is() {
    let mut rig = Rig::new();
    rig.until_it_moves(HOG);
    assert_eq!(rig.run(2_000, Load { cpu: 1.8, ..CALM }), Smart);
    assert_eq!(rig.steps().len(), 1);
}

#[test]
fn memory_that_grows_is_a_trip_and_so_is_each_step_that_does_not_stop_it() {
    let mut rig = Rig::new();
    for memory_mb in 20..=102 {
        rig.tick(Load { memory_mb, ..CALM });
    }
    assert_eq!(rig.in_force.level, Sketches, "the third reading above is yet to come");
    rig.run(2, Load { memory_mb: 103, ..CALM });
    assert_eq!(rig.in_force.level, Smart);
    assert_eq!(rig.proposed[0].reason, "agent keeps 103.0 MB, of at most 100");
    assert_eq!(rig.proposed[0].expects.change, Change::AtMost(Metric::AgentMemory, 100e6));
    assert_eq!(rig.run(35, Load { memory_mb: 103, ..CALM }), Raw);
    assert_eq!(rig.run(400, CALM), Sketches);
}

#[test]
fn files_that_leak_are_a_trip_but_not_those_that_a_part_accounts_for() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(100, Load { fds: 5_050, part_fds: 5_000, ..CALM }), Sketches);
    let leak = Load { fds: 5_050, part_fds: 2_000, ..CALM };
    assert_eq!(rig.until_it_moves(leak), (4, Smart), "the part tells after the whole");
    assert_eq!(rig.events[0].reason, "agent keeps 3050 files open, of at most 1024");
    assert_eq!(rig.proposed[0].expects.change, Change::Nothing, "no metric tells of files");
    assert_eq!(rig.run(400, CALM), Sketches);
}

#[test]
fn a_silent_part_is_given_less_to_do_once() {
    let mut rig = Rig::new();
    let silent = Load { silent: 31, ..CALM };
    assert_eq!(rig.until_it_moves(silent), (3, Smart));
    assert_eq!((&*rig.events[0].module, &*rig.events[0].unit), ("export", "s"));
    assert_eq!(rig.run(2_000, silent), Smart, "more steps would not wake it");
    assert_eq!(rig.run(200, CALM), Sketches);
}

#[test]
fn a_part_that_has_little_to_do_is_not_silent() {
    let base = Telemetry { every: Duration::from_secs(60), ..Telemetry::default() };
    let mut rig = Rig::at(base);
    assert_eq!(rig.run(100, Load { silent: 61, ..CALM }), Sketches);
    assert_eq!(rig.run(3, Load { silent: 181, ..CALM }), Smart);
}

#[test]
fn one_part_alone_may_trip_and_is_named() {
    let mut rig = Rig::new();
    assert_eq!(rig.until_it_moves(Load { part_cpu: 1.7, ..CALM }), (3, Smart));
    assert_eq!(rig.events[0].reason, "census uses 1.70 % of a core, of at most 1.5");
    assert_eq!(rig.run(200, CALM), Sketches);
}

#[test]
fn what_is_not_permitted_is_proposed_as_long_as_it_holds_and_said() {
    let mut rig = Rig::new();
    rig.permitted = false;
    rig.run(100, HOG);
    assert_eq!((rig.in_force.level, rig.proposed.len()), (Sketches, 98));
    assert!(rig.events.is_empty(), "no step was made");
    let said = rig.assessed.last().unwrap();
    assert_eq!((&*said.class, said.subject), ("over-cpu", Subject::Agent));
    assert_eq!(said.statement.as_deref(), Some("agent uses 5.00 % of a core, of at most 2"));
    rig.proposed.clear();
    rig.permitted = true;
    assert_eq!(rig.run(500, CALM), Sketches);
    assert!(rig.proposed.is_empty(), "it passed");
    assert_eq!(rig.until_it_moves(HOG), (3, Smart), "and may come again");
}

#[test]
fn what_the_operator_asked_for_is_the_most_that_is_sent() {
    let mut rig = Rig::at(Telemetry { level: Bypass, ..Telemetry::default() });
    assert_eq!(rig.until_it_moves(HOG), (3, Raw));
    assert_eq!(rig.until_it_moves(CALM).1, Bypass);
    assert_eq!(rig.run(1_000, CALM), Bypass);
}

#[test]
fn when_the_operator_asks_for_something_else_what_is_in_place_is_let_go() {
    let mut rig = Rig::new();
    rig.until_it_moves(HOG);
    let before = rig.base;
    rig.base = Telemetry { level: Bypass, ..before };
    rig.run(2, HOG);
    assert_eq!((rig.in_force, rig.open.is_none()), (before, true), "for the operator to change");
    rig.in_force = rig.base;
    assert_eq!(rig.run(31, HOG), Raw, "and the ladder begins anew");
    assert_eq!(rig.watchdog.degradation(), 1);
}

#[test]
fn what_somebody_else_has_set_is_left_to_them() {
    let mut rig = Rig::new();
    rig.in_force = Telemetry { top: 99, ..rig.base };
    rig.run(500, HOG);
    assert!(rig.proposed.is_empty());
}

#[test]
fn what_the_agent_put_back_too_early_is_done_again_at_once() {
    for ending in [Ending::Unmet, Ending::Met] {
        let mut rig = Rig::new();
        rig.run(40, HOG);
        assert_eq!(rig.in_force.level, Raw);
        let id = rig.open.as_ref().unwrap().0.id;
        rig.put_back(id, ending);
        assert_eq!(rig.run(2, HOG), Raw, "{ending:?}");
        let up = &rig.events[2];
        assert_eq!((&*up.event_type, &*up.reason), ("step_up", "the step down was put back"));
    }
}

#[test]
fn a_step_that_was_yielded_is_not_tried_again_at_once() {
    let mut rig = Rig::new();
    rig.permitted = false;
    rig.run(3, HOG);
    let plan = Plan { id: PlanId(77), ..rig.proposed.pop().unwrap() };
    rig.watchdog.learn(&Outcome::of(&plan, Ending::Yielded, summary(format_args!("theirs"))));
    rig.proposed.clear();
    rig.run(28, HOG);
    assert!(rig.proposed.is_empty());
    rig.run(3, HOG);
    assert!(!rig.proposed.is_empty());
}

#[test]
fn parts_are_bounded_and_those_that_are_gone_are_forgotten() {
    let mut rig = Rig::new();
    for n in 0..100 {
        let module = format!("part {n}").into();
        rig.watchdog.observe(&ModuleUse { module, ..used("", 9.0) }, rig.now);
    }
    assert_eq!((rig.watchdog.parts.len(), rig.watchdog.unwatched()), (MAX_PARTS, 39));
    rig.run(121, CALM);
    assert_eq!(rig.watchdog.parts.len(), 3, "one reading above the limit was no trip either");
    assert!(rig.proposed.is_empty());
}

#[test]
fn other_limits_hold_at_once() {
    let mut rig = Rig::new();
    let limits = settings::Watchdog { cpu_percent: 10.0, ..settings::Watchdog::default() };
    rig.watchdog.set_limits(&limits);
    assert_eq!(rig.run(100, HOG), Sketches);
}

#[test]
fn numbers_that_mean_nothing_trip_nothing() {
    let mut rig = Rig::new();
    for _ in 0..100 {
        rig.now = rig.now + Duration::from_secs(1);
        let nothing = ModuleUse { over: Duration::ZERO, ..used(ModuleUse::WHOLE, 9.0) };
        rig.watchdog.observe(&nothing, rig.now);
    }
    assert_eq!(rig.run(1, CALM), Sketches);
    assert!(rig.proposed.is_empty());
}
