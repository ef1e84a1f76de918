use gadget_sketch::{MAX_BINS, MAX_COUNT, Mapping, Sketch};

use crate::data::{Random, sketch_of, thousandths, worst_error};

const CONTRACT: [f64; 4] = [0.5, 0.95, 0.99, 0.999];
/// Beyond alpha, for the rounding of the sketch's own arithmetic and of this test's.
const ROUNDING: f64 = 1e-12;

/// Every thousandth and the contract's quantiles, to within what the mapping says.
fn assert_accurate(name: &str, mapping: Mapping, values: &[f64]) {
    let sketch = sketch_of(mapping, values);
    assert_eq!(sketch.count(), values.len() as u64, "{name}");
    assert_eq!(sketch.collapsed() + sketch.rejected(), 0, "{name}");
    let worst = worst_error(values, thousandths().chain(CONTRACT), |q| sketch.quantile(q).unwrap());
    assert!(worst <= mapping.alpha() + ROUNDING, "{name}: {worst}");
    let extreme = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
    assert_eq!((sketch.min(), sketch.max()), (extreme(f64::min), extreme(f64::max)), "{name}");
    assert_eq!(sketch.quantile(0.0).map(|it| it >= sketch.min().unwrap()), Some(true), "{name}");
}

#[test]
fn a_hundred_random_distributions_are_within_alpha() {
    let mut random = Random(1);
    for i in 0..100 {
        let n = 1 + random.next() as usize % 5_000;
        let values = random.distribution(n);
        for mapping in [Mapping::CONTRACT, Mapping::BASE2] {
            assert_accurate(&format!("distribution {i} of {n}"), mapping, &values);
        }
    }
}

#[test]
fn wide_distributions_are_within_alpha() {
    let mut random = Random(2);
    let wide = [
        ("1 to 1e12", random.many(20_000, |it| 10_f64.powf(it.between(0.0, 12.0)))),
        (
            "90 % zeros",
            random.many(20_000, |it| {
                if it.uniform() < 0.9 { 0.0 } else { 10_f64.powf(it.between(0.0, 12.0)) }
            }),
        ),
        ("lognormal of sigma 3", random.many(20_000, |it| (3.0 * it.normal()).exp())),
        (
            "both signs",
            random.many(20_000, |it| {
                let magnitude = 10_f64.powf(it.between(-6.0, 6.0));
                if it.uniform() < 0.5 { -magnitude } else { magnitude }
            }),
        ),
        ("at the low end", random.many(10_000, |it| f64::MIN_POSITIVE * it.between(1.0, 1e9))),
        ("at the high end", random.many(10_000, |it| f64::MAX / it.between(1.0, 1e9))),
    ];
    for (name, values) in wide {
        assert_accurate(name, Mapping::CONTRACT, &values);
        assert_accurate(name, Mapping::BASE2, &values);
    }
}

#[test]
fn a_single_value_and_alike_values_are_exact() {
    for value in [0.0, -0.0, 1.0, -3.25, 1e-300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 4096.0] {
        for times in [1, 2, 1_000_000] {
            let mut sketch = Sketch::new();
            sketch.insert_many(value, times);
            for q in [0.0, 0.3, 1.0] {
                assert_eq!(sketch.quantile(q), Some(value), "{value}");
            }
            assert_eq!(
                (sketch.count(), sketch.min(), sketch.max()),
                (times, Some(value), Some(value))
            );
        }
    }
}

#[test]
fn what_is_not_finite_is_refused_and_counted() {
    let mut sketch = sketch_of(Mapping::CONTRACT, &[1.0, -2.0, 0.0]);
    let before = sketch.clone();
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        sketch.insert(value);
    }
    sketch.insert_many(f64::NAN, 6);
    assert_eq!(sketch.rejected(), 10);
    assert_ne!(sketch, before);
    assert_eq!(
        (sketch.count(), sketch.sum(), sketch.min(), sketch.max()),
        (3, -1.0, Some(-2.0), Some(1.0))
    );
    assert!(thousandths().all(|q| sketch.quantile(q) == before.quantile(q)));
}

#[test]
fn what_is_under_the_least_normal_number_counts_as_zero() {
    let sketch =
        sketch_of(Mapping::CONTRACT, &[5e-324, -5e-324, f64::MIN_POSITIVE / 2.0, 0.0, -0.0, 1.0]);
    assert_eq!((sketch.zero_count(), sketch.count(), sketch.sum()), (5, 6, 1.0));
    assert_eq!((sketch.min(), sketch.max()), (Some(-5e-324), Some(1.0)));
    assert_eq!(sketch.quantile(0.5), Some(0.0));
}

#[test]
fn an_empty_sketch_has_no_quantile_and_a_full_one_none_beyond_0_to_1() {
    let mut sketch = Sketch::new();
    assert_eq!((sketch.quantile(0.5), sketch.min(), sketch.max()), (None, None, None));
    assert_eq!((sketch.count(), sketch.sum(), sketch.is_empty()), (0, 0.0, true));
    sketch.insert(1.0);
    for q in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(sketch.quantile(q), None);
    }
    sketch.clear();
    assert_eq!(sketch, Sketch::new());
    sketch.extend([0.0, 5.0, -5.0]);
    assert_eq!(
        sketch,
        sketch_of(Mapping::CONTRACT, &[-5.0, 5.0, 0.0]),
        "what was cleared is as new"
    );
}

#[test]
fn beyond_the_bins_the_lowest_collapse_and_are_counted() {
    let mut sketch = Sketch::new();
    sketch.extend([1e-200, 1e-100, 1.0, 2.0, 1e100]);
    assert_eq!((sketch.count(), sketch.collapsed()), (5, 4));
    let p100 = sketch.quantile(1.0).unwrap();
    assert!((p100 / 1e100 - 1.0).abs() <= 0.0075, "the highest stays what it is");
    assert_eq!(sketch.min(), Some(1e-200));
    sketch.insert(1e-300);
    sketch.insert(-1e-300);
    assert_eq!((sketch.count(), sketch.collapsed()), (7, 5), "each sign has bins of its own");

    let widest = Mapping::CONTRACT.gamma().powi(MAX_BINS as i32 - 2);
    assert_eq!(
        sketch_of(Mapping::CONTRACT, &[1.0, widest]).collapsed(),
        0,
        "{widest} is 26 decades"
    );
    assert!(widest > 1e26);
}

#[test]
fn more_than_can_be_counted_is_refused_whole() {
    let mut sketch = Sketch::new();
    sketch.insert_many(1.0, MAX_COUNT);
    sketch.insert_many(2.0, 1);
    sketch.insert_many(2.0, u64::MAX);
    sketch.insert_many(2.0, 0);
    assert_eq!((sketch.count(), sketch.rejected()), (MAX_COUNT, u64::MAX));
    assert_eq!(sketch.max(), Some(1.0));
}
