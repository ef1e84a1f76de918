use gadget_forest::train::smartcore::linalg::basic::matrix::DenseMatrix;

use super::*;
use crate::features::FEATURES;
use crate::forecast::Class;

/// The same numbers each time, each of them an `f32`.
fn numbers() -> impl FnMut() -> f64 {
    let mut state = 9_u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
    }
}

fn random_examples(count: usize) -> Vec<Example> {
    let mut next = numbers();
    (0..count)
        .map(|at| {
            let mut row = [0.0; FEATURES];
            row.iter_mut().for_each(|value| *value = next());
            let kind = (row[0] > 0.2) as usize + 2 * (row[7] + 0.3 * next() > 0.0) as usize;
            let scenario = format!("s{}", at % 5);
            Example {
                run: scenario.clone(),
                scenario,
                row,
                class: Class::ALL[kind + 1],
                left: None,
            }
        })
        .collect()
}

#[test]
fn the_flat_forest_gives_the_classes_of_smartcore() {
    let growth = Growth { trees: 24, depth: 8, leaf: 2, seed: 3 };
    let (trained, forest) = grow(&random_examples(800), growth).unwrap();
    let probes = random_examples(3_000);
    let rows: Vec<Vec<f64>> = probes.iter().map(|probe| probe.row.to_vec()).collect();
    let theirs = trained.predict(&DenseMatrix::from_2d_vec(&rows).unwrap()).unwrap();
    let mut seen = [0; Class::ALL.len()];
    for (probe, theirs) in probes.iter().zip(theirs) {
        assert_eq!(forest.class(&probe.row) as u32, theirs, "{:?}", probe.row);
        seen[theirs as usize] += 1;
    }
    assert!(seen.iter().filter(|count| **count > 100).count() >= 3, "{seen:?}");
}

#[test]
fn a_forest_reads_back_from_its_bytes_and_from_no_others() {
    let (_, forest) =
        grow(&random_examples(200), Growth { trees: 8, ..Growth::default() }).unwrap();
    let bytes = forest.to_bytes();
    assert_eq!(Forest::read(&bytes).unwrap(), forest);
    for cut in 0..bytes.len() {
        assert!(Forest::read(&bytes[..cut]).is_err(), "{cut}");
    }
    // Whatever a byte is changed to, reading and walking do not panic.
    let mut next = numbers();
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 1 << (at % 8);
        if let Ok(forest) = Forest::read(&broken) {
            let row = std::array::from_fn(|_| next());
            assert!((0.0..=1.0).contains(&forest.probability(&row)));
        }
    }
}

#[test]
fn calibration_makes_scores_into_what_happened() {
    let scores: Vec<f64> = (0..1_000).map(|at| f64::from(at % 9) / 8.0).collect();
    let happened: Vec<bool> =
        (0..1_000_u32).map(|at| (at * 7_919) % 64 < (at % 9) * (at % 9)).collect();
    let table = isotonic(&scores, &happened, &[1.0; 1_000]);
    assert!(table.windows(2).all(|pair| pair[0] <= pair[1]), "{table:?}");
    assert!((table[16] - 0.25).abs() < 0.1 && table[32] > 0.9, "{table:?}");
    let said: Vec<f64> =
        scores.iter().map(|score| f64::from(table[(score * 32.0) as usize])).collect();
    let (coin, even) = (vec![0.5; 1_000], vec![1.0; 1_000]);
    assert!(brier(&said, &happened, &even) < brier(&coin, &happened, &even));
    for bin in reliability(&said, &happened, &even).iter().filter(|bin| bin.rows > 50) {
        assert!((bin.said - bin.happened).abs() < 0.1, "{bin:?}");
    }
}

#[test]
fn a_scenario_is_judged_by_trees_that_have_not_seen_it() {
    let mut examples = random_examples(300);
    // A scenario whose truth is the opposite of all others is only got wrong if it was held out.
    for example in &mut examples {
        let odd = example.scenario == "s0";
        example.class = if (example.row[0] > 0.0) == odd { Class::Burst } else { Class::Leak };
    }
    let (forest, said) =
        train(&examples, Growth { trees: 16, leaf: 5, ..Growth::default() }).unwrap();
    // What is said of the fatal ones less what is said of the others, on the mean.
    let gap = |held: bool| {
        let mean = |fatal: bool| {
            let chosen = examples.iter().zip(&said).filter(|(example, _)| {
                (example.scenario == "s0") == held && example.class.is_fatal() == fatal
            });
            chosen.clone().map(|(_, said)| said).sum::<f64>() / chosen.count() as f64
        };
        mean(true) - mean(false)
    };
    assert!(gap(true) < -0.05 && gap(false) > 0.05, "{} {}", gap(true), gap(false));
    assert_eq!(forest.trees(), 16);
}
