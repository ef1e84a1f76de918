//! Envelopes as JSON, one object a line, for people and for programs without protobuf.
//!
//! A line is `{"process": {...}}`, or `sketch`, `diag`, `ephemeral`; what is in it follows the JSON form of protobuf with the names of
//! the `.proto` file. Otherwise than there, 64-bit numbers are numbers. What is zero, empty or absent is left out; enums are names;
//! bytes are base64; numbers that are not finite are the texts `"NaN"`, `"Infinity"` and `"-Infinity"`.

use std::io::{self, Write};
use std::sync::LazyLock;

use gadget_envelope::{DESCRIPTOR, Envelope, EnvelopeError, Kind};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::DeserializeSeed as _;
use serde_json::Value;

/// Why a line is no envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is not JSON, or not with the fields and types of the message.
    #[error("not the JSON of an envelope")]
    Syntax(#[from] serde_json::Error),
    /// It is not an object with one of the kinds.
    #[error("expected an object with one of process, sketch, diag and ephemeral")]
    Kind,
    /// The message does not hold what it says.
    #[error("not an envelope")]
    Envelope(#[from] EnvelopeError),
}

/// Writes envelopes to a file or a stream.
///
/// ```
/// use gadget_envelope::{AgentDiagEvent, Severity};
/// use gadget_export::JsonLines;
///
/// let severity = Severity::Warn.into();
/// let event = AgentDiagEvent { module: "scanner".into(), ts_ns: 7, severity, ..Default::default() };
/// let mut lines = JsonLines::new(Vec::new());
/// lines.write(&event.into())?;
/// let text = String::from_utf8(lines.into_inner()).unwrap();
/// assert_eq!(text, "{\"diag\":{\"module\":\"scanner\",\"ts_ns\":7,\"severity\":\"SEVERITY_WARN\"}}\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines<W> {
    to: W,
    /// The line that is being made.
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `to`, a whole line at a time.
    pub const fn new(to: W) -> Self {
        Self { to, line: Vec::new() }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&mut self, envelope: &Envelope) -> io::Result<()> {
        let kind = envelope.kind();
        let bytes = envelope.message();
        let message = DynamicMessage::decode(FORMS[at(kind)].clone(), bytes.as_slice())
            .map_err(io::Error::other)?;
        self.line.clear();
        write!(self.line, "{{\"{}\":", NAMES[at(kind)])?;
        let options =
            SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let mut json = serde_json::Serializer::new(&mut self.line);
        message.serialize_with_options(&mut json, &options)?;
        self.line.extend_from_slice(b"}\n");
        self.to.write_all(&self.line)
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// Reads one line. A field that the message does not have is an error.
///
/// # Errors
/// As [`JsonError`] says.
pub fn parse(line: &str) -> Result<Envelope, JsonError> {
    let Value::Object(object) = serde_json::from_str(line)? else { return Err(JsonError::Kind) };
    let mut fields = object.into_iter();
    let (Some((name, value)), None) = (fields.next(), fields.next()) else {
        return Err(JsonError::Kind);
    };
    let kind = Kind::ALL.into_iter().find(|kind| NAMES[at(*kind)] == name);
    let kind = kind.ok_or(JsonError::Kind)?;
    let message = FORMS[at(kind)].clone().deserialize(value)?;
    Ok(Envelope::from_message(kind, &message.encode_to_vec())?)
}

/// The fields of `EnvelopeStream`.
const NAMES: [&str; Kind::ALL.len()] = ["process", "sketch", "diag", "ephemeral"];

/// The position of a kind in [`NAMES`] and [`FORMS`].
const fn at(kind: Kind) -> usize {
    kind as usize - 1
}

static FORMS: LazyLock<[MessageDescriptor; Kind::ALL.len()]> = LazyLock::new(|| {
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(DESCRIPTOR).expect("the descriptor was checked in the tests");
    Kind::ALL.map(|kind| {
        let form = pool.get_message_by_name(&format!("gadget.surveyor.v1.{kind}"));
        form.expect("the descriptor has every kind")
    })
});

#[cfg(test)]
mod tests {
    use gadget_envelope::{
        AgentDiagEvent, HostTotals, Mode, ProcessEnvelope, ProcessEphemeralSummary, ProcessRow,
        SketchEnvelope, State, TopNBatch,
    };
    use gadget_sketch::proto::{DdSketch, IndexMapping, Store};

    use super::*;

    fn line(envelope: &Envelope) -> String {
        let mut lines = JsonLines::new(Vec::new());
        lines.write(envelope).unwrap();
        String::from_utf8(lines.into_inner()).unwrap()
    }

    fn process() -> ProcessEnvelope {
        ProcessEnvelope {
            entity_guid: "g\"\n".into(),
            boot_id: vec![0, 0xff, 16],
            mode: Mode::Smart.into(),
            clock_offset_ns: i64::MIN,
            window_end_ns: u64::MAX,
            payload: Some(TopNBatch {
                rows: vec![ProcessRow {
                    process_id: 7,
                    process_display_name: r"a\xffb".into(),
                    cpu_percent: 0.1 + 0.2,
                    fd_count: Some(0),
                    rss_bytes: (1 << 53) + 1,
                    ..Default::default()
                }],
                totals: Some(HostTotals::default()),
                capture_cpu: Some(0.0),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn names_are_those_of_the_proto_and_numbers_are_numbers() {
        let text = line(&process().into());
        let value: Value = serde_json::from_str(&text).unwrap();
        let process = &value["process"];
        assert_eq!(process["window_end_ns"], u64::MAX);
        assert_eq!(process["clock_offset_ns"], i64::MIN);
        assert_eq!(process["mode"], "MODE_SMART");
        assert_eq!(process["payload"]["rows"][0]["rss_bytes"], (1_u64 << 53) + 1);
        // Present and zero is told from absent.
        assert_eq!(process["payload"]["rows"][0]["fd_count"], 0);
        assert_eq!(process["payload"]["capture_cpu"], 0.0);
        assert_eq!(process["payload"].get("capture_rss"), None);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with("}}\n"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let histogram = DdSketch {
            mapping: Some(IndexMapping { gamma: 1.0075 / 0.9925, ..Default::default() }),
            positive_values: Some(Store {
                bin_counts: [(-3, 2.0)].into_iter().collect(),
                contiguous_bin_counts: vec![1.0, 1.0 / 3.0],
                contiguous_bin_index_offset: -9,
            }),
            ..Default::default()
        };
        let all: [Envelope; 4] = [
            process().into(),
            SketchEnvelope {
                histogram: Some(histogram.clone()),
                sum: 1e-300,
                ..Default::default()
            }
            .into(),
            AgentDiagEvent {
                value: Some(f64::NEG_INFINITY),
                state_to: State::HalfOpen.into(),
                attributes: [("k\u{1}".to_owned(), "v\u{7f}".to_owned())].into(),
                // Of a form that has more states than this one.
                state_from: 99,
                ..Default::default()
            }
            .into(),
            ProcessEphemeralSummary {
                signal_exit: [(9, u64::MAX)].into(),
                lifetime: Some(histogram),
                ..Default::default()
            }
            .into(),
        ];
        for envelope in all {
            let text = line(&envelope);
            assert_eq!(parse(&text).unwrap(), envelope, "{text}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_an_error() {
        for text in ["", "[]", "{}", r#"{"diag":{},"sketch":{}}"#, r#"{"other":{}}"#] {
            assert!(matches!(parse(text), Err(JsonError::Kind | JsonError::Syntax(_))), "{text}");
        }
        for text in [r#"{"diag":{"modul":"x"}}"#, r#"{"diag":{"ts_ns":-1}}"#, r#"{"diag":7}"#] {
            assert!(matches!(parse(text), Err(JsonError::Syntax(_))), "{text}");
        }
    }
}
