//! DataDog's message, of any bytes and beside any summary: what is read is a sketch in all ways.

#![no_main]

use gadget_sketch::proto::DdSketch;
use gadget_sketch::{Keys, Sketch, Summary};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = DdSketch::decode(bytes) else { return };
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 8)?;
        Some(f64::from_le_bytes(bytes.try_into().ok()?))
    };
    let summary = number(0).zip(number(8)).zip(number(16));
    let summary = summary.map(|((sum, min), max)| Summary { sum, min, max });
    for keys in [Keys::Floor, Keys::Ceiling] {
        for summary in [None, summary] {
            let Ok(sketch) = Sketch::from_proto_by(keys, &message, summary) else { continue };
            if let Some((min, max)) = sketch.min().zip(sketch.max()) {
                let median = sketch.quantile(0.5).expect("there are values");
                assert!(min <= median && median <= max);
            }
            let own = sketch.to_proto_by(keys);
            let again = Sketch::from_proto_by(keys, &own, Some(sketch.summary()));
            let again = again.expect("what was written is read");
            assert_eq!((again.count(), again.to_proto_by(keys)), (sketch.count(), own));
            let _ = sketch.to_exponential_histogram(6).expect("scale 6 is open to all");
            if summary.is_none() {
                assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
            }
        }
    }
});
