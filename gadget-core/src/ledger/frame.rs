//! The bytes of a ledger: one line of text per record, per start of a segment, and for the head.

use std::io::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Entry;
use crate::units::Timestamp;

/// A SHA-256 as 64 lower-case hexadecimal digits, the way `sha256sum` prints it.
pub(super) type Hash = [u8; 64];

/// What stands in the place of the hash before the first record.
pub(super) const GENESIS: Hash = [b'0'; 64];

/// Length, CRC and hash in hexadecimal, a space after each.
pub(super) const PREFIX: usize = 8 + 1 + 8 + 1 + 64 + 1;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The file ends before the line does.
    Torn,
    /// The line is there, but not as it was written.
    Broken(&'static str),
}

/// A record about to be written; serializes as [`Record`](super::Record) does.
#[derive(Serialize)]
pub(super) struct Draft<'a> {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) entry: &'a Entry<'a>,
}

/// `sha256(previous hash || payload)`, the previous hash as its digits.
pub(super) fn link(previous: &Hash, payload: &[u8]) -> Hash {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::new().chain_update(previous).chain_update(payload).finalize();
    let mut hash = GENESIS;
    for (pair, byte) in hash.chunks_exact_mut(2).zip(digest.iter()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hash
}

/// Adds a record's line to `out` and returns the record's hash.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    previous: &Hash,
    draft: &Draft<'_>,
) -> serde_json::Result<Hash> {
    let start = out.len();
    out.resize(start + PREFIX, b' ');
    serde_json::to_writer(&mut *out, draft)?;
    let payload = &out[start + PREFIX..];
    let hash = link(previous, payload);
    let (len, crc) = (payload.len(), crc32fast::hash(payload));
    // Writing into a slice that is long enough cannot fail.
    let _ = write!(&mut out[start..], "{len:08x} {crc:08x} ");
    out[start + 18..start + 82].copy_from_slice(&hash);
    out.push(b'\n');
    Ok(hash)
}

/// Takes a record's line apart: its hash and its payload. The chain is not checked here.
pub(super) fn parse_record(line: &[u8]) -> Result<(Hash, &[u8]), Flaw> {
    let Some(body) = line.strip_suffix(b"\n") else { return Err(Flaw::Torn) };
    let Some((prefix, payload)) = body.split_at_checked(PREFIX) else {
        return Err(Flaw::Broken("too short for a record"));
    };
    let (len, crc) = (payload.len(), crc32fast::hash(payload));
    let mut expected = [b' '; 18];
    let _ = write!(&mut expected[..], "{len:08x} {crc:08x} ");
    if prefix[..9] != expected[..9] {
        return Err(Flaw::Broken("the length is not that of the record"));
    }
    if prefix[9..18] != expected[9..] {
        return Err(Flaw::Broken("the CRC is not that of the record"));
    }
    if prefix[82] != b' ' {
        return Err(Flaw::Broken("no space before the record"));
    }
    let mut hash = GENESIS;
    hash.copy_from_slice(&prefix[18..82]);
    Ok((hash, payload))
}

/// Adds the first line of a segment to `out`.
pub(super) fn put_start(out: &mut Vec<u8>, first: u64, previous: &Hash) {
    let _ = write!(out, "gadget-ledger 1 {first:020} ");
    out.extend_from_slice(previous);
    out.push(b'\n');
}

/// Takes the first line of a segment apart: the hash before its first record.
pub(super) fn parse_start(line: &[u8], first: u64) -> Result<Hash, Flaw> {
    let Some(body) = line.strip_suffix(b"\n") else { return Err(Flaw::Torn) };
    let words = format!("gadget-ledger 1 {first:020} ");
    body.strip_prefix(words.as_bytes())
        .and_then(|hash| hash.try_into().ok())
        .ok_or(Flaw::Broken("not the start of this segment"))
}

/// The end of a ledger, as its head file states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last record.
    pub(super) seq: u64,
    /// The segment that it is in, named by that one's first record.
    pub(super) segment: u64,
    /// Where it ends in that segment.
    pub(super) offset: u64,
    /// The oldest segment that is kept.
    pub(super) oldest: u64,
    /// The record's hash.
    pub(super) hash: Hash,
}

impl Head {
    /// Replaces what is in `out` with the head's line, which always has the same length.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self { seq, segment, offset, oldest, hash } = self;
        out.clear();
        let _ = write!(out, "gadget-head 1 {seq:020} {segment:020} {offset:020} {oldest:020} ");
        out.extend_from_slice(hash);
        let crc = crc32fast::hash(out);
        let _ = writeln!(out, " {crc:08x}");
    }

    /// Reads a head back; what it accepts is exactly what [`put`](Self::put) writes.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut words = text.split([' ', '\n']).skip(2);
        let mut number = || words.next()?.parse().ok();
        let (seq, segment, offset, oldest) = (number()?, number()?, number()?, number()?);
        let hash = words.next()?.as_bytes().try_into().ok()?;
        let head = Self { seq, segment, offset, oldest, hash };
        let mut expected = Vec::with_capacity(line.len());
        head.put(&mut expected);
        (expected == line).then_some(head)
    }
}
