//! One batch of signals as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::signal::{Reading, Signal};
use crate::subject::Subject;
use crate::units::Timestamp;

/// The longest frame. A sweep over 100,000 processes with their identities takes a third of it.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// The most signals of one frame: bounds what a small hostile frame can make of itself in memory (about 90 MiB).
pub(super) const MAX_SIGNALS: usize = 1 << 18;

/// What stands before the signals.
type Head = (u32, Timestamp);
/// One signal: nanoseconds from the head's time, wrapping, and the rest.
type Item<R> = (i64, Subject, R);

/// Appends `batch` to `out`; the error says how long it was when it became too long.
pub(super) fn encode(batch: &[Signal], out: &mut Vec<u8>) -> Result<(), usize> {
    let first = batch.first().map_or(Timestamp::EPOCH, |signal| signal.at);
    let count = u32::try_from(batch.len()).map_err(|_| 0_usize)?;
    if batch.len() > MAX_SIGNALS {
        return Err(0);
    }
    push::<Head>(&(count, first), out)?;
    for signal in batch {
        let offset = signal.at.as_nanos().wrapping_sub(first.as_nanos()).cast_signed();
        push::<Item<&Reading>>(&(offset, signal.subject, &signal.reading), out)?;
        if out.len() > MAX_BYTES {
            return Err(out.len());
        }
    }
    Ok(())
}

fn push<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), usize> {
    let length = out.len();
    match postcard::to_extend(value, std::mem::take(out)) {
        Ok(extended) => *out = extended,
        Err(_) => return Err(length),
    }
    Ok(())
}

/// Reads a batch into `batch`, which it empties first; the error says what is wrong.
pub(super) fn decode(mut bytes: &[u8], batch: &mut Vec<Signal>) -> Result<(), &'static str> {
    batch.clear();
    let (count, first) = take::<Head>(&mut bytes)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > MAX_SIGNALS {
        return Err("more signals than a frame may have");
    }
    for _ in 0..count {
        let (offset, subject, reading) = take::<Item<Reading>>(&mut bytes)?;
        let at = Timestamp::from_nanos(first.as_nanos().wrapping_add(offset.cast_unsigned()));
        batch.push(Signal { at, subject, reading });
    }
    if bytes.is_empty() { Ok(()) } else { Err("bytes behind the last signal") }
}

fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, &'static str> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| "not a signal")?;
    *bytes = rest;
    Ok(value)
}
