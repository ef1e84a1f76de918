use gadget_sketch::{MAX_COUNT, Mapping, MergeError, Sketch};
use proptest::prelude::*;

use crate::data::sketch_of;

/// Numbers as measurements have them, and any at all: extremes, subnormals, what is not finite.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => -1e6..1e6_f64,
        2 => Just(0.0),
        1 => (-300..300).prop_map(|it| 10_f64.powi(it)),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(value(), 0..200)
}

fn merged<'a>(parts: impl IntoIterator<Item = &'a Sketch>) -> Sketch {
    let mut all = Sketch::new();
    for part in parts {
        all.merge(part).unwrap();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_as_inserting_all_in_any_order(
        parts in prop::collection::vec(values(), 1..6), seed: u64,
    ) {
        let mut all = parts.concat();
        let together = sketch_of(Mapping::CONTRACT, &all);
        // Another order of the values.
        let n = all.len();
        for i in 1..n {
            all.swap(i, (seed.wrapping_mul(i as u64 | 1) % (i as u64 + 1)) as usize);
        }
        prop_assert_eq!(&sketch_of(Mapping::CONTRACT, &all), &together);
        let sketches: Vec<_> = parts.iter().map(|it| sketch_of(Mapping::CONTRACT, it)).collect();
        prop_assert_eq!(&merged(&sketches), &together);
        prop_assert_eq!(&merged(sketches.iter().rev()), &together);
        let (left, right) = sketches.split_at(sketches.len() / 2);
        prop_assert_eq!(&merged([&merged(left), &merged(right)]), &together);
        // What was written and read merges as what was not.
        let copies: Vec<_> =
            sketches.iter().map(|it| Sketch::from_bytes(&it.to_bytes()).unwrap()).collect();
        prop_assert_eq!(&merged(&copies), &together);
        prop_assert_eq!(merged(&copies).to_bytes(), together.to_bytes());
    }

    #[test]
    fn inserting_many_is_inserting_one_by_one(pairs in prop::collection::vec((value(), 0..20_u64), 0..50)) {
        let (mut one, mut many) = (Sketch::new(), Sketch::new());
        for (value, times) in pairs {
            many.insert_many(value, times);
            (0..times).for_each(|_| one.insert(value));
        }
        prop_assert_eq!(one, many);
    }

    #[test]
    fn the_sum_is_that_of_the_integers(values: Vec<i32>) {
        let sketch: Sketch = values.iter().map(|it| f64::from(*it)).collect();
        let sum: i64 = values.iter().map(|it| i64::from(*it)).sum();
        prop_assert_eq!(sketch.sum(), sum as f64);
    }
}

#[test]
fn sketches_of_other_bins_do_not_merge() {
    let one = sketch_of(Mapping::CONTRACT, &[1.0]);
    for other in [Mapping::BASE2, Mapping::logarithmic(0.01).unwrap()] {
        let mut other = sketch_of(other, &[2.0]);
        let before = other.clone();
        let error = other.merge(&one);
        assert!(
            matches!(error, Err(MergeError::Mapping { theirs, .. }) if theirs == one.mapping().gamma())
        );
        assert_eq!(other, before);
    }
}

#[test]
fn more_than_can_be_counted_does_not_merge() {
    let mut full = Sketch::new();
    full.insert_many(1.0, MAX_COUNT - 1);
    let mut one = Sketch::new();
    one.insert(2.0);
    full.merge(&one).unwrap();
    assert_eq!(full.merge(&one), Err(MergeError::Count { ours: MAX_COUNT, theirs: 1 }));
    assert_eq!((full.count(), full.max()), (MAX_COUNT, Some(2.0)));
}

#[test]
fn bins_far_apart_collapse_alike_from_either_side() {
    let parts = [[1e-300, 2e-300], [1.0, -1e300], [1e200, -1e-300], [1e-10, 1e250]];
    let sketches = parts.map(|it| sketch_of(Mapping::CONTRACT, &it));
    let together = sketch_of(Mapping::CONTRACT, &parts.concat());
    assert_eq!(together.collapsed(), 6);
    assert_eq!(merged(&sketches), together);
    assert_eq!(merged(sketches.iter().rev()), together);
}
