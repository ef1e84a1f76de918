//! Reads models of the labeller: any bytes as a file, and the model that ships with any bytes in their place; what is accepted labels
//! any line.
#![no_main]

use std::sync::{LazyLock, Mutex};

use gadget_curator::{Labeller, Span};
use libfuzzer_sys::fuzz_target;

const SHIPPED: &[u8] = include_bytes!("../../gadgets/curator/src/label/model.bin");
/// Where the check sum is.
const SUM: std::ops::Range<usize> = 60..64;

static LABELLER: LazyLock<Mutex<Labeller>> = LazyLock::new(|| Mutex::new(Labeller::shipped()));

fuzz_target!(|bytes: &[u8]| {
    assert!(Labeller::from_bytes(bytes).is_err(), "so few bytes are no model");
    label(&mut LABELLER.lock().unwrap(), bytes);
    let Some((head, text)) = bytes.split_first_chunk::<5>() else { return };
    // One of eight: the table is long.
    if head[4] % 8 != 0 {
        return;
    }
    let mut changed = SHIPPED.to_vec();
    let place = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize % changed.len();
    // Rather the header and the transitions than the table.
    let place = if head[4] & 8 == 0 { place % 1024 } else { place };
    let end = (place + text.len()).min(changed.len());
    changed[place..end].copy_from_slice(&text[..end - place]);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&changed[..SUM.start]);
    hasher.update(&changed[SUM.end..]);
    changed[SUM].copy_from_slice(&hasher.finalize().to_le_bytes());
    if let Ok(mut labeller) = Labeller::from_bytes(&changed) {
        label(&mut labeller, text);
    }
});

/// Values lie in the line, in order, and none overlaps another.
fn label(labeller: &mut Labeller, line: &[u8]) {
    let mut spans: Vec<Span> = Vec::new();
    labeller.label(line, &mut spans);
    let mut end = 0;
    for span in spans {
        assert!(end <= span.start && span.start < span.end && span.end as usize <= line.len());
        end = span.end;
    }
}
