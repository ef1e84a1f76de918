//! Reads forests: any bytes as a file, and the forest that ships with any bytes in their place.
#![no_main]

use gadget_oracle::{FEATURES, Forest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let Some((place, text)) = bytes.split_first_chunk::<4>() else { return };
    let Some(shipped) = Forest::shipped() else { return };
    let mut changed = shipped.to_bytes();
    let place = u32::from_le_bytes(*place) as usize % changed.len();
    let end = (place + text.len()).min(changed.len());
    changed[place..end].copy_from_slice(&text[..end - place]);
    read(&changed);
});

/// What was accepted is written as it was, and every walk through it ends.
fn read(bytes: &[u8]) {
    let Ok(forest) = Forest::read(bytes) else { return };
    assert_eq!(forest.to_bytes(), bytes);
    for value in [f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1e9, f64::NAN] {
        let row = [value; FEATURES];
        let votes: usize = forest.votes(&row).iter().map(|votes| usize::from(*votes)).sum();
        assert_eq!(votes, forest.trees());
        assert!((0.0..=1.0).contains(&forest.probability(&row)));
    }
}
