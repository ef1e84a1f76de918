//! Stories of memory, and what the Oracle makes of them.

mod sim;

use std::time::Duration;

use gadget_core::{CgroupId, CgroupVersion, Reach, StepKind, Subject};
use gadget_oracle::{Class, Oracle};
use sim::{Actor, GROUP, Sim, Story, identity};

const LEAKER: u32 = 500;

fn oracle() -> Oracle {
    Oracle::builder().build().expect("the defaults are valid")
}

/// A quiet service, a large one, and `actors`; 55 % of the limit is in use.
fn beside(actors: Vec<Actor>) -> Sim {
    let mut all =
        vec![Actor::new(100, "checkout-api", |_| 40.0), Actor::new(101, "search-index", |_| 150.0)];
    all.extend(actors);
    Sim::new(oracle(), all)
}

/// Starts to leak after ten seconds, from 20 MiB on, at `rate` MiB per second, in uneven steps as a program does.
fn leak(rate: f64) -> Actor {
    Actor::new(LEAKER, "report-worker", move |lived| {
        let step = (((lived - 10.0).max(0.0) * 20.0).floor()) / 20.0;
        20.0 + rate * step
    })
}

fn assert_saved(story: &Story) {
    assert_eq!((story.oom, story.harmed()), (None, vec![LEAKER]), "stopped: {:?}", story.stopped);
}

fn assert_left_alone(story: &Story) {
    assert_eq!(story.oom, None, "the story itself must fit");
    assert!(story.ended.is_empty(), "{:?}", story.ended);
    let irreversible = story
        .proposed
        .iter()
        .find(|plan| !plan.step.kind().reversible() && plan.step.kind() != StepKind::Reclaim);
    assert_eq!(irreversible.map(ToString::to_string), None);
}

#[test]
fn leaks_of_one_to_thirty_percent_a_second_are_ended_before_the_limit() {
    for percent in [1.0, 2.0, 4.0, 8.0, 15.0, 30.0] {
        let story = beside(vec![leak(percent * 4.0)]).run(200.0);
        assert_eq!((story.oom, story.harmed()), (None, vec![LEAKER]), "{percent} % a second");
    }
}

#[test]
fn a_leak_of_minutes_is_held_first_and_ended_when_it_goes_on() {
    let story = beside(vec![leak(0.8)]).run(500.0);
    assert_saved(&story);
    assert_eq!(
        (story.stopped.len(), story.released.len()),
        (1, 1),
        "{:?} {:?}",
        story.stopped,
        story.released
    );
    let held = story.released[0] - story.stopped[0].0;
    assert!((59.0..62.0).contains(&held), "{held}");
}

#[test]
fn an_accelerating_leak_is_ended() {
    let grows = |lived: f64| {
        20.0 + 185.0 * ((3.5 * (lived - 10.0).max(0.0) / 40.0).exp() - 1.0) / (3.5_f64.exp() - 1.0)
    };
    let story = beside(vec![Actor::new(LEAKER, "report-worker", grows)]).run(200.0);
    assert_saved(&story);
}

#[test]
fn bursts_to_nine_tenths_that_are_freed_are_left_alone() {
    for ramp in [1.0, 4.0, 9.0, 30.0] {
        let burst = move |lived: f64| match (lived - 10.0).rem_euclid(ramp + 6.0) {
            _ if lived < 10.0 => 20.0,
            within if within < ramp + 3.0 => 20.0 + 150.0 * (within / ramp).min(1.0),
            _ => 20.0,
        };
        let story = beside(vec![Actor::new(LEAKER, "image-batch", burst)]).run(100.0);
        assert_left_alone(&story);
    }
}

#[test]
fn a_sawtooth_that_peaks_at_nine_tenths_is_left_alone_and_named() {
    let tooth = |lived: f64| {
        if lived < 10.0 { 60.0 } else { 60.0 + 110.0 * (lived - 10.0).rem_euclid(7.0) / 7.0 }
    };
    let story = beside(vec![Actor::new(LEAKER, "session-store", tooth)]).run(100.0);
    assert_left_alone(&story);
    assert!(
        story
            .forecasts
            .iter()
            .any(|(time, forecast)| *time > 40.0 && forecast.class == Class::Sawtooth)
    );
}

#[test]
fn a_flood_of_file_cache_up_to_the_limit_is_no_leak() {
    let mut sim = beside(vec![Actor::new(LEAKER, "log-indexer", |_| 8.0)]);
    sim.cache = Box::new(|time| if time < 10.0 { 4.0 } else { (time - 10.0) * 100.0 });
    let story = sim.run(60.0);
    assert_left_alone(&story);
    assert!(story.highest() < 0.3, "{}", story.highest());
    assert_eq!(story.forecasts.last().map(|(_, forecast)| forecast.class), Some(Class::Cache));
}

#[test]
fn steady_use_of_nine_tenths_with_noise_is_left_alone() {
    let store = |lived: f64| {
        let filled = 170.0 * (1.0 - (-3.0 * (lived - 10.0).clamp(0.0, 12.0) / 12.0).exp());
        filled + if ((lived * 2.0) as u64).is_multiple_of(2) { 4.0 } else { 0.0 }
    };
    let story = beside(vec![Actor::new(LEAKER, "column-store", store)]).run(80.0);
    assert_left_alone(&story);
}

#[test]
fn one_leaker_among_many_of_its_kind_is_found() {
    let mut actors: Vec<Actor> = (0..10)
        .map(|index| {
            Actor::new(200 + index, "mail-worker", move |lived| {
                14.0 + if ((lived * 2.0 + f64::from(index)) as u64).is_multiple_of(2) {
                    1.5
                } else {
                    0.0
                }
            })
        })
        .collect();
    actors.insert(4, leak(4.0));
    let mut sim = Sim::new(oracle(), actors);
    sim.limit = Box::new(|_| 280.0);
    let story = sim.run(60.0);
    assert!(
        story
            .stopped
            .iter()
            .all(|(_, target)| matches!(target, Subject::Process(id) if id.pid == LEAKER))
    );
    assert!(story.ended.iter().all(|(_, pid)| *pid == LEAKER));
    assert!(story.oom.is_none() && !(story.ended.is_empty() && story.stopped.is_empty()));
}

#[test]
fn a_fork_storm_is_one_culprit() {
    let mut actors = vec![Actor::new(LEAKER, "export-job", |_| 1.0)];
    actors.extend((0..80).map(|index| {
        Actor::new(600 + index, "export-job", |lived| 5.0_f64.min(lived * 100.0))
            .child_of(LEAKER, 10.0 + 0.3 * f64::from(index))
    }));
    let story = beside(actors).run(45.0);
    assert_eq!(story.oom, None);
    let end = story
        .proposed
        .iter()
        .find(|plan| plan.step.kind() == StepKind::Terminate || plan.step.kind() == StepKind::Kill)
        .unwrap();
    assert_eq!((end.target.reach, end.target.name.as_ref()), (Reach::Tree, "export-job"));
    assert!(story.ended.iter().all(|(_, pid)| *pid == LEAKER || *pid >= 600), "{:?}", story.ended);
}

#[test]
fn a_storm_whose_root_has_innocents_below_it_is_stopped_at_its_source() {
    let mut actors = vec![Actor::new(LEAKER, "supervisor", |_| 1.0)];
    actors
        .extend([700, 701].map(|pid| Actor::new(pid, "billing", |_| 60.0).child_of(LEAKER, -50.0)));
    actors.extend((0..80).map(|index| {
        let born = 10.0 + 0.3 * f64::from(index);
        Actor::new(600 + index, "worker", |lived| 5.0_f64.min(lived * 100.0)).child_of(LEAKER, born)
    }));
    let mut sim = Sim::new(oracle(), actors);
    sim.acts = false;
    let story = sim.run(60.0);
    assert!(story.oom.is_some(), "the story must be a storm");
    let steps: Vec<_> = story
        .proposed
        .iter()
        .map(|plan| (plan.step.kind(), plan.target.reach, plan.target.name.as_ref()))
        .collect();
    assert!(!steps.is_empty());
    assert!(
        steps.iter().all(|step| *step == (StepKind::Pause, Reach::Alone, "supervisor")),
        "{:?}",
        steps.last()
    );
}

#[test]
fn a_process_that_the_operator_exempted_is_never_the_culprit() {
    let story = beside(vec![leak(8.0).adjusted(-1000)]).run(60.0);
    assert!(story.ended.is_empty() && story.stopped.is_empty(), "{:?}", story.ended);
}

#[test]
fn a_suspend_makes_no_forecast() {
    let mut sim =
        beside(vec![Actor::new(LEAKER, "quiet", |lived| if lived < 30.0 { 20.0 } else { 120.0 })]);
    sim.leap = Box::new(|time| if time < 30.0 { 0.0 } else { 3_600.0 });
    let story = sim.run(60.0);
    assert_left_alone(&story);
    let after = story.forecasts.iter().filter(|(time, _)| (30.0..31.0).contains(time));
    assert!(
        after.clone().all(|(_, forecast)| forecast.eta.is_none()),
        "{:?}",
        after.collect::<Vec<_>>()
    );
}

#[test]
fn without_memory_stat_nothing_is_foretold() {
    let mut sim = beside(vec![leak(8.0)]);
    sim.stat = false;
    sim.acts = false;
    let story = sim.run(30.0);
    assert!(story.forecasts.is_empty() && story.proposed.is_empty());
}

#[test]
fn a_limit_that_is_raised_in_time_calls_the_step_off() {
    let mut sim = beside(vec![leak(4.0)]);
    sim.limit = Box::new(|time| if time < 40.0 { 400.0 } else { 4_000.0 });
    let story = sim.run(80.0);
    assert!(story.ended.is_empty(), "{:?}", story.ended);
    let (_, last) = story.forecasts.last().unwrap();
    assert!(last.probability.get() < 0.5, "{last:?}");
}

#[test]
fn a_leaker_in_a_group_of_its_own_is_held_there() {
    let own = CgroupId(78);
    let mut sim = beside(vec![leak(2.0).inside(own)]);
    sim.groups.push((own, identity("/app/reports", Some(GROUP), CgroupVersion::V2)));
    let story = sim.run(110.0);
    let held = story.proposed.iter().find(|plan| plan.step.kind().reversible()).unwrap();
    assert_eq!(
        (held.target.subject, held.target.name.as_ref()),
        (Subject::Cgroup(own), "/app/reports")
    );
}

#[test]
fn the_time_left_is_inside_its_interval_nine_times_in_ten() {
    let (mut inside, mut all) = (0, 0);
    for rate in [2.0, 4.0, 12.0, 30.0] {
        let mut sim = beside(vec![leak(rate)]);
        sim.acts = false;
        let story = sim.run(200.0);
        let met = story.oom.unwrap();
        for (time, forecast) in story.forecasts.iter().filter(|(time, _)| *time > 12.0) {
            let Some(eta) = forecast.eta else { continue };
            let truth = met - time;
            all += 1;
            inside += u32::from(eta.low.as_secs_f64() <= truth && truth <= eta.high.as_secs_f64());
        }
    }
    assert!(all > 100 && f64::from(inside) / f64::from(all) > 0.9, "{inside} of {all}");
}

#[test]
fn a_host_at_rest_is_read_at_the_providers_pace() {
    let mut sim = beside(vec![Actor::new(LEAKER, "quiet", |_| 2.0)]);
    sim.limit = Box::new(|_| 1_000.0);
    let story = sim.run(300.0);
    assert!(story.readings <= 45, "{} readings in 300 s", story.readings);
}

#[test]
fn without_a_model_the_statistics_tell_a_leak_from_a_burst() {
    let plain = || Oracle::builder().statistics_only().build().expect("the defaults are valid");
    let mut sim = beside(vec![leak(8.0)]);
    sim.oracle = plain();
    assert_saved(&sim.run(60.0));
    let burst = |lived: f64| {
        if (12.0..20.0).contains(&lived) { 20.0 + 18.0 * (lived - 12.0) } else { 20.0 }
    };
    let mut sim = beside(vec![Actor::new(LEAKER, "image-batch", burst)]);
    sim.oracle = plain();
    assert_left_alone(&sim.run(40.0));
}

#[test]
fn the_same_story_is_told_the_same_way() {
    let tell = || {
        let story = beside(vec![leak(12.0)]).run(40.0);
        format!("{:?} {:?}", story.proposed, story.ended)
    };
    assert_eq!(tell(), tell());
    assert!(tell().len() > 100);
}

#[test]
fn the_horizon_bounds_what_is_proposed() {
    let short =
        Oracle::builder().statistics_only().horizon(Duration::from_secs(10)).build().unwrap();
    let mut sim = beside(vec![leak(0.8)]);
    sim.oracle = short;
    sim.acts = false;
    let story = sim.run(240.0);
    assert!(story.proposed.iter().all(|plan| plan.deadline.unwrap() <= Duration::from_secs(10)));
    assert!(!story.proposed.is_empty());
}
