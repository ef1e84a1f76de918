//! One thing to send, and how several follow one another in a file.

use std::fmt;

use prost::Message;

use crate::error::EnvelopeError;
use crate::generated::{AgentDiagEvent, ProcessEnvelope, ProcessEphemeralSummary, SketchEnvelope};

/// No envelope is longer, in bytes: 10,000 rows in full are 4 MB.
pub const MOST_BYTES: usize = 64 << 20;

/// Who sends: set once, when the agent begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AgentIdentity {
    /// Names the host for as long as it exists.
    pub entity_guid: String,
    /// The host's own name for itself, as in `/etc/machine-id`; may be empty.
    pub host_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: [u8; 16],
    /// Version of the program.
    pub agent_version: String,
}

/// One thing to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Envelope {
    /// The processes of one window.
    Process(Box<ProcessEnvelope>),
    /// The distribution of one metric.
    Sketch(Box<SketchEnvelope>),
    /// What befell the agent.
    Diag(Box<AgentDiagEvent>),
    /// Processes of one name that lived shortly.
    Ephemeral(Box<ProcessEphemeralSummary>),
}

/// Which message an [`Envelope`] holds; the number is its field's in [`EnvelopeStream`](crate::EnvelopeStream).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// [`ProcessEnvelope`].
    Process = 1,
    /// [`SketchEnvelope`].
    Sketch = 2,
    /// [`AgentDiagEvent`].
    Diag = 3,
    /// [`ProcessEphemeralSummary`].
    Ephemeral = 4,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Process, Self::Sketch, Self::Diag, Self::Ephemeral];

    /// The message's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "ProcessEnvelope",
            Self::Sketch => "SketchEnvelope",
            Self::Diag => "AgentDiagEvent",
            Self::Ephemeral => "ProcessEphemeralSummary",
        }
    }

    /// The key of its field: the number, and that a length follows.
    const fn key(self) -> u8 {
        (self as u8) << 3 | 2
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Envelope {
    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Process(_) => Kind::Process,
            Self::Sketch(_) => Kind::Sketch,
            Self::Diag(_) => Kind::Diag,
            Self::Ephemeral(_) => Kind::Ephemeral,
        }
    }

    /// Length of the message alone, in bytes.
    #[must_use]
    pub fn message_len(&self) -> usize {
        match self {
            Self::Process(it) => it.encoded_len(),
            Self::Sketch(it) => it.encoded_len(),
            Self::Diag(it) => it.encoded_len(),
            Self::Ephemeral(it) => it.encoded_len(),
        }
    }

    /// The message alone, as a request would carry it.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Process(it) => it.encode_to_vec(),
            Self::Sketch(it) => it.encode_to_vec(),
            Self::Diag(it) => it.encode_to_vec(),
            Self::Ephemeral(it) => it.encode_to_vec(),
        }
    }

    /// Appends it with its kind and its length, as one field of an [`EnvelopeStream`](crate::EnvelopeStream).
    pub fn encode_to(&self, to: &mut Vec<u8>) {
        to.push(self.kind().key());
        // A vector takes whatever it is given.
        let done = match self {
            Self::Process(it) => it.encode_length_delimited(to),
            Self::Sketch(it) => it.encode_length_delimited(to),
            Self::Diag(it) => it.encode_length_delimited(to),
            Self::Ephemeral(it) => it.encode_length_delimited(to),
        };
        debug_assert!(done.is_ok());
    }

    /// Takes the next envelope off the front of `bytes`. That it decodes does not mean that it is [valid](Self::validate).
    ///
    /// # Errors
    /// [`EnvelopeError::Truncated`] when more bytes are needed: nothing is taken then. [`EnvelopeError::Decode`] when it is
    /// broken: it is taken, so that the one after it can be read. Nothing can be read after any other error.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, EnvelopeError> {
        let mut rest = *bytes;
        let key = varint(&mut rest)?;
        let kind = Kind::ALL.into_iter().find(|kind| u64::from(kind.key()) == key);
        let kind = kind.ok_or(EnvelopeError::Key(key))?;
        let length = varint(&mut rest)?;
        let short = usize::try_from(length).ok().filter(|&length| length <= MOST_BYTES);
        let length = short.ok_or(EnvelopeError::TooLong(length))?;
        let (message, rest) = rest.split_at_checked(length).ok_or(EnvelopeError::Truncated)?;
        *bytes = rest;
        Self::from_message(kind, message)
    }

    /// A message of a kind that is known from elsewhere.
    ///
    /// # Errors
    /// [`EnvelopeError::Decode`] if it is not one.
    pub fn from_message(kind: Kind, message: &[u8]) -> Result<Self, EnvelopeError> {
        let decoded = match kind {
            Kind::Process => Message::decode(message).map(|it| Self::Process(Box::new(it))),
            Kind::Sketch => Message::decode(message).map(|it| Self::Sketch(Box::new(it))),
            Kind::Diag => Message::decode(message).map(|it| Self::Diag(Box::new(it))),
            Kind::Ephemeral => Message::decode(message).map(|it| Self::Ephemeral(Box::new(it))),
        };
        decoded.map_err(|source| EnvelopeError::Decode { kind, source })
    }
}

macro_rules! from_message {
    ($($message:ident => $kind:ident),*) => {$(
        impl From<$message> for Envelope {
            fn from(message: $message) -> Self {
                Self::$kind(Box::new(message))
            }
        }
    )*};
}
from_message!(ProcessEnvelope => Process, SketchEnvelope => Sketch, AgentDiagEvent => Diag, ProcessEphemeralSummary => Ephemeral);

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, EnvelopeError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(EnvelopeError::Truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(EnvelopeError::Key(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::EnvelopeStream;

    fn diag(seq: u64) -> AgentDiagEvent {
        AgentDiagEvent { module: "scanner".into(), seq, ..Default::default() }
    }

    #[test]
    fn a_file_of_envelopes_is_one_message() {
        let mut bytes = Vec::new();
        let process = ProcessEnvelope { seq: 7, ..Default::default() };
        let all: [Envelope; 5] = [
            diag(1).into(),
            process.clone().into(),
            SketchEnvelope { seq: 3, ..Default::default() }.into(),
            diag(2).into(),
            ProcessEphemeralSummary { seq: 4, ..Default::default() }.into(),
        ];
        for envelope in &all {
            envelope.encode_to(&mut bytes);
        }
        let stream = EnvelopeStream::decode(bytes.as_slice()).unwrap();
        assert_eq!(stream.process, [process]);
        assert_eq!(stream.diag, [diag(1), diag(2)]);
        assert_eq!((stream.sketch[0].seq, stream.ephemeral[0].seq), (3, 4));
        let mut rest = bytes.as_slice();
        for envelope in all {
            assert_eq!(Envelope::decode(&mut rest), Ok(envelope));
        }
        assert_eq!(Envelope::decode(&mut rest), Err(EnvelopeError::Truncated));
    }

    #[test]
    fn a_part_of_an_envelope_takes_nothing() {
        let mut bytes = Vec::new();
        Envelope::from(diag(1)).encode_to(&mut bytes);
        for end in 0..bytes.len() {
            let mut part = &bytes[..end];
            assert_eq!(Envelope::decode(&mut part), Err(EnvelopeError::Truncated), "{end}");
            assert_eq!(part.len(), end);
        }
    }

    #[test]
    fn a_broken_envelope_does_not_hide_the_next() {
        let mut bytes = vec![Kind::Sketch.key(), 2, 0xff, 0xff];
        Envelope::from(diag(9)).encode_to(&mut bytes);
        let mut rest = bytes.as_slice();
        let broken = Envelope::decode(&mut rest);
        assert!(matches!(broken, Err(EnvelopeError::Decode { kind: Kind::Sketch, .. })));
        assert_eq!(Envelope::decode(&mut rest), Ok(diag(9).into()));
    }

    #[test]
    fn what_begins_no_envelope_is_told() {
        assert_eq!(Envelope::decode(&mut &[0x2a, 0][..]), Err(EnvelopeError::Key(0x2a)));
        let long = [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f];
        let error = Envelope::decode(&mut &long[..]);
        assert_eq!(error, Err(EnvelopeError::TooLong(u64::from(u32::MAX))));
        assert!(matches!(Envelope::decode(&mut &[0xff; 12][..]), Err(EnvelopeError::Key(_))));
    }
}
