//! Reads envelopes: any bytes as several one after another, and as each message alone.
#![no_main]

use gadget_envelope::{Envelope, EnvelopeError, Kind, escape, unescape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        let before = rest.len();
        match Envelope::decode(&mut rest) {
            Ok(envelope) => again(&envelope),
            Err(EnvelopeError::Decode { .. }) => {}
            Err(_) => {
                assert_eq!(rest.len(), before, "an error takes nothing");
                break;
            }
        }
        assert!(rest.len() < before, "it goes on");
    }
    for kind in Kind::ALL {
        if let Ok(envelope) = Envelope::from_message(kind, bytes) {
            again(&envelope);
        }
    }
    let text = escape(bytes);
    assert_eq!(unescape(&text).as_deref(), Some(bytes));
    if let Some(original) = str::from_utf8(bytes).ok().and_then(unescape) {
        assert_eq!(unescape(&escape(&original)), Some(original));
    }
});

/// What was read is written and read back the same. Bytes are compared: NaN is not equal to itself.
fn again(envelope: &Envelope) {
    let mut bytes = Vec::new();
    envelope.encode_to(&mut bytes);
    let mut rest = bytes.as_slice();
    let back = Envelope::decode(&mut rest).expect("what was written can be read");
    assert!(rest.is_empty());
    assert_eq!(back.message(), envelope.message());
    assert_eq!(back.validate().is_ok(), envelope.validate().is_ok());
}
