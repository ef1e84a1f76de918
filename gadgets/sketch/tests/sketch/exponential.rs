use gadget_sketch::{Buckets, ExponentialHistogram, Mapping, MappingError, Sketch};

use crate::data::{Random, sketch_of, worst_error};

/// As a receiver works quantiles out: the middle of the bucket that has the rank.
struct Receiver {
    /// From below, and how many values are there or before.
    buckets: Vec<(f64, u64)>,
    count: u64,
}

impl Receiver {
    fn of(it: &ExponentialHistogram) -> Self {
        let width = (-f64::from(it.scale)).exp2();
        let base = width.exp2();
        let middle = |index: usize, offset: i32| {
            (f64::from(offset + index as i32) * width).exp2() * 2.0 * base / (base + 1.0)
        };
        let negative = it.negative.counts.iter().enumerate().rev();
        let negative = negative.map(|(i, count)| (-middle(i, it.negative.offset), *count));
        let positive = it.positive.counts.iter().enumerate();
        let positive = positive.map(|(i, count)| (middle(i, it.positive.offset), *count));
        let all = negative.chain([(0.0, it.zero_count)]).chain(positive);
        let mut before = 0;
        let buckets = all.map(|(value, count)| {
            before += count;
            (value, before)
        });
        Self { buckets: buckets.collect(), count: it.count }
    }

    fn quantile(&self, q: f64) -> f64 {
        let rank = (q * (self.count - 1) as f64) as u64;
        self.buckets[self.buckets.partition_point(|bucket| bucket.1 <= rank)].0
    }
}

fn finer_quantiles() -> impl Iterator<Item = f64> {
    (1..=999).map(|i| f64::from(i) / 1_000.0)
}

/// The bucket by OpenTelemetry's definition, with powers that are exact at their ends.
fn belongs(value: f64, index: i32, scale: i32) -> bool {
    let bound = |index: i32| (f64::from(index) / f64::from(scale).exp2()).exp2();
    bound(index) * (1.0 - 1e-13) < value && value <= bound(index + 1) * (1.0 + 1e-13)
}

#[test]
fn base_2_converts_bin_for_bucket() {
    let mut random = Random(7);
    for _ in 0..20 {
        let values = random.distribution(2_000);
        let sketch = sketch_of(Mapping::BASE2, &values);
        let histogram = sketch.to_exponential_histogram(6).unwrap();
        assert_eq!((histogram.scale, histogram.count, histogram.sum), (6, 2_000, sketch.sum()));
        assert_eq!((histogram.min, histogram.max), (sketch.min(), sketch.max()));
        let mut expected = histogram.clone();
        for value in values {
            let buckets = match value {
                0.0 => {
                    expected.zero_count -= 1;
                    continue;
                }
                _ if value > 0.0 => &mut expected.positive,
                _ => &mut expected.negative,
            };
            let index = (value.abs().log2() * 64.0).ceil() as i32 - 1;
            assert!(belongs(value.abs(), index, 6), "{value}");
            buckets.counts[(index - buckets.offset) as usize] -= 1;
        }
        let left = expected.positive.counts.iter().chain(&expected.negative.counts);
        assert_eq!(left.sum::<u64>() + expected.zero_count, 0, "each value was in its bucket");
        let receiver = Receiver::of(&histogram);
        let error = |q| (receiver.quantile(q) - sketch.quantile(q).unwrap()).abs();
        for q in [0.01, 0.5, 0.9, 0.99] {
            assert!(error(q) <= 1e-9 * sketch.quantile(q).unwrap().abs(), "the same answer");
        }
    }
}

#[test]
fn exact_powers_are_in_the_bucket_that_ends_with_them() {
    for (value, scale, index) in [
        (1.0, 6, -1),
        (2.0, 6, 63),
        (0.5, 6, -65),
        (4.0, 0, 1),
        (4.1, 0, 2),
        (1.0, -10, -1),
        (1.5, -10, 0),
    ] {
        let sketch = sketch_of(Mapping::BASE2, &[value]);
        let histogram = sketch.to_exponential_histogram(scale).unwrap();
        let alone = Buckets { offset: index, counts: vec![1] };
        assert_eq!(histogram.positive, alone, "{value} at {scale}");
    }
}

#[test]
fn a_coarser_scale_is_as_if_it_had_been_inserted_at() {
    let values = Random(8).many(5_000, |it| (2.0 * it.normal()).exp());
    let sketch = sketch_of(Mapping::BASE2, &values);
    for scale in -10..=6 {
        let histogram = sketch.to_exponential_histogram(scale).unwrap();
        let Buckets { offset, mut counts } = histogram.positive;
        for value in &values {
            let index = (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1;
            counts[(index - offset) as usize] -= 1;
        }
        assert!(counts.iter().all(|count| *count == 0), "scale {scale}");
    }
}

#[test]
fn the_contract_s_mapping_converts_at_scale_8_within_1_percent() {
    let mut random = Random(9);
    let mut distributions: Vec<_> = (0..20).map(|_| random.distribution(5_000)).collect();
    distributions.push(random.many(20_000, |it| 10_f64.powf(it.between(0.0, 12.0))));
    distributions.push(random.many(20_000, |it| (3.0 * it.normal()).exp()));
    let mut overall = 0.0_f64;
    for values in distributions {
        let histogram = sketch_of(Mapping::CONTRACT, &values).to_exponential_histogram(8).unwrap();
        let receiver = Receiver::of(&histogram);
        let worst = worst_error(&values, finer_quantiles(), |q| receiver.quantile(q));
        assert!(worst <= 0.008_87, "{worst}");
        overall = overall.max(worst);
    }
    assert!(overall > 0.0075, "{overall}: the errors do add up, so this test sees them");
}

#[test]
fn a_finer_scale_than_the_bins_is_refused() {
    let (base2, contract) = (Sketch::with(Mapping::BASE2), Sketch::new());
    for (sketch, scale, finest) in
        [(&base2, 7, 6), (&base2, -11, 6), (&contract, 9, 8), (&contract, i32::MAX, 8)]
    {
        let gamma = sketch.mapping().gamma();
        let refused = Err(MappingError::Scale { gamma, finest, scale });
        assert_eq!(sketch.to_exponential_histogram(scale), refused);
    }
    let empty = contract.to_exponential_histogram(8).unwrap();
    assert_eq!((empty.count, empty.positive, empty.min), (0, Buckets::default(), None));
}

#[test]
fn the_widest_sketch_converts() {
    let sketch = sketch_of(Mapping::CONTRACT, &[f64::MAX, f64::MIN_POSITIVE, -1.0, -1e26, 0.0]);
    for scale in -10..=8 {
        let histogram = sketch.to_exponential_histogram(scale).unwrap();
        let both = histogram.positive.counts.iter().chain(&histogram.negative.counts);
        assert_eq!(both.sum::<u64>() + histogram.zero_count, 5);
        assert!(histogram.positive.counts.len() < 24_000);
    }
}
