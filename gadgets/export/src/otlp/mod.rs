//! Envelopes as OTLP metrics, and what carries them to a receiver.

mod convert;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
mod points;

pub use convert::request;
#[cfg(feature = "grpc")]
pub use grpc::OtlpGrpc;
#[cfg(feature = "http")]
pub use http::OtlpHttp;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;

use crate::pipeline::Outcome;

/// No answer is read further, in bytes.
const MOST_ANSWER: usize = 64 << 10;
/// Characters that are kept of what a receiver says.
const MOST_WORDS: usize = 200;

/// What an answer of success says.
fn accepted(answer: ExportMetricsServiceResponse) -> Outcome {
    match answer.partial_success {
        Some(partial) => Outcome::Accepted {
            rejected_points: u64::try_from(partial.rejected_data_points).unwrap_or_default(),
            message: (!partial.error_message.is_empty()).then(|| words(&partial.error_message)),
            understood: true,
        },
        None => Outcome::Accepted { rejected_points: 0, message: None, understood: true },
    }
}

/// What somebody else wrote, fit for a line of a log.
fn words(text: &str) -> String {
    text.chars().take(MOST_WORDS).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// `google.rpc.Status`: what failures carry.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}
