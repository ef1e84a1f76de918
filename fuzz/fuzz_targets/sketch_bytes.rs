//! The compact form of a sketch: of any bytes, and of a sketch of them as numbers, in which one byte is then another. What is read
//! writes the same bytes, answers, merges and converts.

#![no_main]

use gadget_sketch::{Keys, Mapping, Sketch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let [mapping, at, byte, numbers @ ..] = bytes else { return };
    let mapping = if mapping % 2 == 0 { Mapping::CONTRACT } else { Mapping::BASE2 };
    let numbers = numbers.as_chunks().0.iter().map(|it| f64::from_le_bytes(*it));
    let (mut sketch, mut backwards) = (Sketch::with(mapping), Sketch::with(mapping));
    sketch.extend(numbers.clone());
    backwards.extend(numbers.rev());
    assert_eq!(sketch, backwards);
    let mut written = sketch.to_bytes();
    assert_eq!(Sketch::from_bytes(&written), Ok(sketch));
    let at = usize::from(*at) % written.len();
    written[at] = *byte;
    read(&written);
});

fn read(bytes: &[u8]) {
    let Ok(sketch) = Sketch::from_bytes(bytes) else { return };
    assert_eq!(sketch.to_bytes(), bytes);
    let extremes = sketch.min().zip(sketch.max());
    for q in [0.0, 0.5, 0.99, 1.0] {
        let within =
            sketch.quantile(q).zip(extremes).map(|(it, (min, max))| min <= it && it <= max);
        assert_eq!(within, (!sketch.is_empty()).then_some(true));
    }
    let mut twice = sketch.clone();
    if twice.merge(&sketch).is_ok() {
        assert_eq!(Sketch::from_bytes(&twice.to_bytes()).as_ref(), Ok(&twice));
    }
    let histogram =
        sketch.to_exponential_histogram(-10).expect("the coarsest scale is open to all");
    let buckets = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    assert_eq!(buckets.sum::<u64>() + histogram.zero_count, sketch.count());
    for keys in [Keys::Floor, Keys::Ceiling] {
        let message = sketch.to_proto_by(keys);
        let read = Sketch::from_proto_by(keys, &message, None).expect("what was written is read");
        assert_eq!((read.count(), read.to_proto_by(keys)), (sketch.count(), message));
    }
}
