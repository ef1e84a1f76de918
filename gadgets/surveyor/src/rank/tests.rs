use std::cmp::Reverse;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::usage::Place;

/// A process of this CPU time, memory and IO.
fn usage(at: usize, alive: bool, (cpu, rss, io): (u64, u64, u64)) -> Usage {
    Usage {
        place: if alive { Place::Alive(at as u32) } else { Place::Ended(at as u32) },
        user: cpu,
        system: 0,
        rss: if alive { rss } else { 0 },
        vms: 0,
        minor: 0,
        major: 0,
        voluntary: None,
        involuntary: None,
        io: Some((io, 0)),
        new: false,
        changed: false,
        eligible: true,
        score: 0.0,
    }
}

fn usages(values: &[(u64, u64, u64)], alive: usize) -> Vec<Usage> {
    let each = values.iter().enumerate();
    each.map(|(at, &values)| usage(at, at < alive, values)).collect()
}

/// Those alive have even ids and those that ended odd ones.
fn id(usage: &Usage) -> ProcessId {
    let pid = match usage.place {
        Place::Alive(at) => 2 * at,
        Place::Ended(at) => 2 * at + 1,
    };
    ProcessId { pid, start: 1 }
}

/// Judges each window by itself.
fn plain(capture: f64, most: u32) -> Top {
    Top { most, capture, half_life: 0.0, hysteresis: 0.0, residency: 0, ..Top::default() }
}

fn chosen(ranking: &Ranking, usages: &[Usage]) -> BTreeSet<ProcessId> {
    ranking.chosen().iter().map(|&at| id(&usages[at as usize])).collect()
}

/// Few different values, so that there are ties.
fn values() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let value = prop_oneof![0_u64..4, 0_u64..1_000_000_000_000];
    proptest::collection::vec((value.clone(), value.clone(), value), 0..120)
}

proptest! {
    #[test]
    fn the_chosen_are_those_that_a_full_sort_puts_first(
        windows in proptest::collection::vec(values(), 1..4),
        least in 1_u32..30,
        ended in 0_usize..10,
    ) {
        let (mut ranking, top) = (Ranking::default(), plain(0.0, 1));
        for values in windows {
            let mut all = usages(&values, values.len().saturating_sub(ended));
            ranking.score(&mut all, id, 1, &top);
            let choice = ranking.choose(&all, id, least, &top);
            let mut sorted: Vec<_> = all.iter().collect();
            sorted.sort_by(|a, b| b.score.total_cmp(&a.score).then(id(a).cmp(&id(b))));
            let n = if 4 * all.len() <= 5 * least as usize { all.len() } else { least as usize };
            prop_assert_eq!(choice.bypassed, n == all.len() && 4 * n <= 5 * least as usize);
            let order: Vec<_> = ranking.chosen().iter().map(|&at| id(&all[at as usize])).collect();
            let expected: Vec<_> = sorted[..n].iter().map(|usage| id(usage)).collect();
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn enough_is_held_or_as_many_as_may_be(
        windows in proptest::collection::vec(values(), 1..4),
        least in 1_u32..10,
        more in 0_u32..40,
        capture in 0.0..1.0_f64,
        stays in any::<bool>(),
    ) {
        let most = least + more;
        let top = if stays { Top { most, capture, ..Top::default() } } else { plain(capture, most) };
        let mut ranking = Ranking::default();
        for values in windows {
            let mut all = usages(&values, values.len());
            ranking.score(&mut all, id, 1, &top);
            let choice = ranking.choose(&all, id, least, &top);
            let held = Captured::of(&all, ranking.chosen());
            let enough = Part::ALL.into_iter().all(|part| held.reaches(part, capture));
            let n = ranking.chosen().len();
            prop_assert!(enough || n == most as usize, "{held:?} of {n}");
            prop_assert!(choice.bypassed || n <= most as usize);
            prop_assert!(choice.n >= least && choice.n <= most);
        }
    }

    #[test]
    fn scores_are_shares_and_a_half_life_halves_them(cpu in 1_u64..1_000, rest in 1_u64..1_000) {
        let top = Top { weights: [1.0, 0.0, 0.0], half_life: 4.0, ..Top::default() };
        let mut ranking = Ranking::default();
        let mut all = usages(&[(cpu, 1, 0), (rest, 1, 0)], 2);
        ranking.score(&mut all, id, 1, &top);
        let share = cpu as f64 / (cpu + rest) as f64;
        prop_assert!((all[0].score - share).abs() < 1e-12);
        let mut idle = usages(&[(0, 1, 0), (0, 1, 0)], 2);
        ranking.score(&mut idle, id, 4, &top);
        prop_assert!((idle[0].score - share / 2.0).abs() < 1e-12);
    }
}

#[test]
fn the_boundary_of_a_bypass_is_exact() {
    for n in 1..2_000_usize {
        let most = n + n / 4;
        assert!(is_bypass(most, n) && !is_bypass(most + 1, n), "{n}");
    }
}

#[test]
fn of_equals_the_smaller_identity_is_chosen() {
    let mut all = usages(&[(1, 1, 1); 10], 10);
    let (mut ranking, top) = (Ranking::default(), plain(0.0, 1));
    ranking.score(&mut all, id, 1, &top);
    ranking.choose(&all, id, 3, &top);
    let ids: Vec<_> = chosen(&ranking, &all).iter().map(|id| id.pid).collect();
    assert_eq!(ids, [0, 2, 4]);
}

#[test]
fn who_may_have_no_row_is_not_chosen_and_counts_in_what_is_held() {
    let mut all = usages(&[(90, 0, 0), (6, 0, 0), (4, 0, 0), (0, 0, 0)], 4);
    all[0].eligible = false;
    let (mut ranking, top) = (Ranking::default(), plain(0.95, 2));
    ranking.score(&mut all, id, 1, &top);
    ranking.choose(&all, id, 1, &top);
    assert_eq!(chosen(&ranking, &all).iter().map(|id| id.pid).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(Captured::of(&all, ranking.chosen()).cpu(), Some(0.1));
}

#[test]
fn more_scores_than_are_remembered_are_counted() {
    let mut all = usages(&vec![(1, 1, 1); MAX_SCORES + 5], MAX_SCORES + 5);
    let mut ranking = Ranking::default();
    ranking.score(&mut all, id, 1, &Top::default());
    assert_eq!((ranking.forgotten, ranking.scores.len()), (5, MAX_SCORES));
}

#[test]
fn the_order_is_by_score_then_by_identity() {
    let mut all = usages(&[(1, 0, 0), (3, 0, 0), (1, 0, 0), (2, 0, 0)], 4);
    let mut ranking = Ranking::default();
    ranking.score(&mut all, id, 1, &plain(0.0, 1));
    let mut places = [3, 2, 1, 0];
    Ranking::by_score(&all, id, &mut places);
    let mut sorted = [0_u32, 1, 2, 3];
    sorted.sort_by_key(|&at| (Reverse(all[at as usize].user), at));
    assert_eq!(places, sorted);
}
