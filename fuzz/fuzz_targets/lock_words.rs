//! The memory around a futex: whatever is there, what is recognised is a lock that somebody can hold.

#![no_main]

use gadget_signals::parse::{FutexCall, FutexOperation, LockWords};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u32; 16], u32, u8)| {
    let (words, expected, flags) = input;
    let [b0, b1, b2, b3, at @ .., a0, a1] = words;
    let bit = |bit: u8| flags >> bit & 1 == 1;
    let words = LockWords {
        before: bit(0).then_some([b0, b1, b2, b3]),
        at,
        after: bit(1).then_some([a0, a1]),
    };
    let operation = match flags >> 6 {
        0 => FutexOperation::Wait,
        1 => FutexOperation::WaitBitset,
        2 => FutexOperation::LockPi,
        _ => FutexOperation::RequeuePi,
    };
    let expected =
        (operation != FutexOperation::LockPi).then_some(if bit(2) { at[0] } else { expected });
    let call = FutexCall { address: 4096, expected, operation, private: bit(3), timed: bit(4) };
    if let Some(shape) = words.recognise(&call) {
        assert!((1..=4 << 20).contains(&shape.owner));
        assert!(expected.is_none_or(|expected| expected == at[0]));
        // Some word names the owner.
        let all = words.before.iter().flatten().chain(&words.at);
        assert!(all.copied().any(|word| word & 0x3fff_ffff == shape.owner));
    }
});
