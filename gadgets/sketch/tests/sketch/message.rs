use gadget_sketch::proto::{DdSketch, IndexMapping, Store};
use gadget_sketch::{DecodeError, Keys, MAX_BINS, MAX_COUNT, Mapping, Sketch, Summary};
use prost::Message as _;

use crate::data::{Random, sketch_of, thousandths};

/// One value in bin 0, as it can be changed.
fn plain() -> DdSketch {
    let mapping =
        IndexMapping { gamma: Mapping::CONTRACT.gamma(), index_offset: 0.0, interpolation: 0 };
    let bins = Store { bin_counts: [(0, 1.0)].into(), ..Store::default() };
    DdSketch {
        mapping: Some(mapping),
        positive_values: Some(bins),
        negative_values: None,
        zero_count: 0.0,
    }
}

fn changed(change: impl FnOnce(&mut DdSketch)) -> DdSketch {
    let mut message = plain();
    change(&mut message);
    message
}

fn bins(message: &mut DdSketch) -> &mut Store {
    message.positive_values.as_mut().unwrap()
}

#[test]
fn what_was_sent_comes_back_by_either_rule_of_keys() {
    let mut random = Random(10);
    for i in 0..30 {
        let values = random.distribution(1 + i * i);
        for mapping in [Mapping::CONTRACT, Mapping::BASE2, Mapping::logarithmic(0.01).unwrap()] {
            let sketch = sketch_of(mapping, &values);
            for keys in [Keys::Floor, Keys::Ceiling] {
                let bytes = sketch.to_proto_by(keys).encode_to_vec();
                let message = DdSketch::decode(&bytes[..]).unwrap();
                let read = Sketch::from_proto_by(keys, &message, Some(sketch.summary())).unwrap();
                assert_eq!(read.mapping(), mapping);
                assert!(thousandths().all(|q| read.quantile(q) == sketch.quantile(q)));
                assert_eq!(read.summary(), sketch.summary());
                // As it was but for the sum's digits that do not fit a number; so it merges.
                let mut twice = sketch.clone();
                twice.merge(&read).unwrap();
                assert_eq!(twice.count(), 2 * sketch.count());
                assert_eq!(read.to_proto_by(keys), message);
            }
        }
    }
}

#[test]
fn the_shorter_form_is_sent() {
    let sparse = sketch_of(Mapping::CONTRACT, &[1.0, 1e3, 1e9]).to_proto();
    let store = sparse.positive_values.as_ref().unwrap();
    assert_eq!((store.bin_counts.len(), store.contiguous_bin_counts.len()), (3, 0));
    let dense: Sketch = (1_000..2_000).map(f64::from).collect();
    let store = dense.to_proto().positive_values.unwrap();
    assert_eq!((store.bin_counts.len(), store.contiguous_bin_counts.len()), (0, 47));
    let python = sketch_of(Mapping::CONTRACT, &[1.0, 1e3, 1e9]).to_proto_by(Keys::Ceiling);
    let store = python.positive_values.unwrap();
    assert_eq!(store.bin_counts.len(), 0, "it reads consecutive bins alone");
    assert_eq!(store.contiguous_bin_index_offset, 1, "what begins with 1 ends with gamma^1");
}

#[test]
fn both_forms_of_bins_add_up_and_empty_ones_do_not_count() {
    let message = changed(|it| {
        *bins(it) = Store {
            bin_counts: [(-1, 2.0), (1, 3.0), (i32::MAX, 0.0)].into(),
            contiguous_bin_counts: vec![0.0, 1.0, 4.0, 0.0],
            contiguous_bin_index_offset: 0,
        };
        it.negative_values = Some(Store { bin_counts: [(5, 7.0)].into(), ..Store::default() });
        it.zero_count = 11.0;
    });
    let sketch = Sketch::from_proto(&message, None).unwrap();
    assert_eq!((sketch.count(), sketch.zero_count()), (28, 11));
    let own = sketch.to_proto();
    let counts = own.positive_values.unwrap();
    assert_eq!(counts.contiguous_bin_index_offset, -1);
    assert_eq!(counts.contiguous_bin_counts, [2.0, 0.0, 4.0, 4.0]);
    assert_eq!(own.negative_values.unwrap().bin_counts.get(&5), None, "one bin is consecutive");
}

#[test]
fn without_a_summary_it_is_that_of_the_bins() {
    let values: Vec<f64> = (-50..=1_000).map(f64::from).collect();
    let sketch = sketch_of(Mapping::CONTRACT, &values);
    let read = Sketch::from_proto(&sketch.to_proto(), None).unwrap();
    let near = |ours: f64, exact: f64| (ours / exact - 1.0).abs() <= 0.0076;
    assert!(near(read.min().unwrap(), -50.0) && near(read.max().unwrap(), 1_000.0));
    assert!(near(read.sum(), sketch.sum()), "{}", read.sum());
    let empty = Sketch::from_proto(&Sketch::new().to_proto(), None).unwrap();
    assert_eq!(empty, Sketch::new());
    assert_eq!(Sketch::from_proto(&Sketch::new().to_proto(), Some(Summary::default())), Ok(empty));
    let extreme = sketch_of(Mapping::CONTRACT, &[f64::MAX, f64::MIN, f64::MIN_POSITIVE]);
    let read = Sketch::from_proto(&extreme.to_proto(), None).unwrap();
    assert!(read.max().unwrap().is_finite() && read.sum().is_finite());
}

#[test]
fn keys_may_be_shifted_by_whole_bins() {
    let shifted = changed(|it| {
        it.mapping.as_mut().unwrap().index_offset = -7.0;
        bins(it).bin_counts = [(-7, 1.0)].into();
    });
    let read = Sketch::from_proto(&shifted, None);
    assert_eq!(read, Sketch::from_proto(&plain(), None));
    for offset in [0.5, f64::NAN, f64::INFINITY, 1e300] {
        let message = changed(|it| it.mapping.as_mut().unwrap().index_offset = offset);
        let refused = Sketch::from_proto(&message, None);
        assert!(matches!(refused, Err(DecodeError::IndexOffset(_))), "{offset}");
    }
}

#[test]
fn garbage_is_refused_for_what_it_is() {
    let refused = |message: &DdSketch| Sketch::from_proto(message, None).unwrap_err();
    assert_eq!(refused(&DdSketch::default()), DecodeError::Gamma(0.0));
    for gamma in [1.0, 0.99, -1.0, 0.0, f64::INFINITY, 1e6] {
        let message = changed(|it| it.mapping.as_mut().unwrap().gamma = gamma);
        assert_eq!(refused(&message), DecodeError::Gamma(gamma));
    }
    for rule in [1, 2, 3, -1, i32::MAX] {
        let message = changed(|it| it.mapping.as_mut().unwrap().interpolation = rule);
        assert_eq!(refused(&message), DecodeError::Interpolation(rule));
    }
    for count in [-1.0, 0.5, f64::INFINITY, 1e300, MAX_COUNT as f64 * 2.0] {
        assert_eq!(refused(&changed(|it| it.zero_count = count)), DecodeError::Count(count));
        let sparse = changed(|it| bins(it).bin_counts = [(0, count)].into());
        assert_eq!(refused(&sparse), DecodeError::Count(count));
        let dense = changed(|it| bins(it).contiguous_bin_counts = vec![count]);
        assert_eq!(refused(&dense), DecodeError::Count(count));
    }
    let nan = changed(|it| bins(it).contiguous_bin_counts = vec![1.0, f64::NAN]);
    assert!(matches!(refused(&nan), DecodeError::Count(_)));
    for half in [
        |it: &mut DdSketch| it.zero_count = MAX_COUNT as f64,
        |it: &mut DdSketch| {
            bins(it).contiguous_bin_counts = vec![MAX_COUNT as f64];
        },
    ] {
        assert_eq!(refused(&changed(half)), DecodeError::Count((MAX_COUNT + 1) as f64));
    }
    for key in [i32::MIN, -48_000, 48_000, i32::MAX] {
        let sparse = changed(|it| bins(it).bin_counts = [(key, 1.0)].into());
        assert_eq!(refused(&sparse), DecodeError::Index(i64::from(key)));
    }
    let beyond = changed(|it| {
        bins(it).contiguous_bin_index_offset = i32::MAX;
        bins(it).contiguous_bin_counts = vec![0.0, 0.0, 1.0];
    });
    assert_eq!(refused(&beyond), DecodeError::Index(i64::from(i32::MAX) + 2));
}

#[test]
fn a_summary_that_cannot_be_is_refused() {
    let with = |sum: f64, min: f64, max: f64| {
        Sketch::from_proto(&plain(), Some(Summary { sum, min, max })).map(|_| ())
    };
    assert_eq!(with(1.0, 1.0, 1.0), Ok(()));
    assert_eq!(with(1.0, 1.01, 1.01), Ok(()));
    for (sum, min, max) in [
        (f64::NAN, 1.0, 1.0),
        (f64::INFINITY, 1.0, 1.0),
        (1.0, f64::NAN, 1.0),
        (1.0, 1.0, f64::INFINITY),
        (1.0, 1.01, 1.0),
        (1.0, 0.5, 1.0),
        (1.0, 1.0, 2.0),
        (1.0, 0.0, 1.0),
        (1.0, -1.0, 1.0),
    ] {
        assert!(matches!(with(sum, min, max), Err(DecodeError::Summary(_))), "{sum} {min} {max}");
    }
}

#[test]
fn a_hostile_message_takes_no_more_than_its_own_memory() {
    let (low, high) = (-47_000, 47_000);
    let message = changed(|it| {
        bins(it).bin_counts = (low..=high).map(|key| (key, 1.0)).collect();
        it.negative_values = Some(Store {
            contiguous_bin_counts: vec![1.0; 94_001],
            contiguous_bin_index_offset: low,
            ..Store::default()
        });
    });
    let sketch = Sketch::from_proto(&message, None).unwrap();
    assert_eq!(sketch.count(), 2 * 94_001);
    assert_eq!(sketch.collapsed(), 2 * (94_001 - MAX_BINS as u64));
    let own = sketch.to_proto().positive_values.unwrap();
    assert_eq!(own.contiguous_bin_counts.len(), MAX_BINS);
    assert_eq!(own.contiguous_bin_counts[0], (94_001 - MAX_BINS + 1) as f64);
    assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
}
