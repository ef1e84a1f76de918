//! OTLP over gRPC.

use std::fs;
use std::time::Duration;

use gadget_envelope::AgentIdentity;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

use super::{MOST_ANSWER, Status, accepted, request, words};
use crate::pipeline::{Batch, ExportError, ExportSettings, Outcome, Sender};

/// Sends batches as calls of `MetricsService/Export`.
///
/// - Again: CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS, with what a `RetryInfo` asks for;
///   RESOURCE_EXHAUSTED if there is one; whatever fails on the way. What is too long: in parts.
/// - Never again: every other status.
///
/// It has a runtime of its own, that runs in whatever thread calls [`Sender::send`], for as long as that takes.
#[derive(Debug)]
pub struct OtlpGrpc {
    client: MetricsServiceClient<Channel>,
    metadata: MetadataMap,
    identity: AgentIdentity,
    // Dropped last: what the client has runs on it.
    runtime: Runtime,
}

impl OtlpGrpc {
    /// To the endpoint of the settings. It is connected to with the first batch.
    ///
    /// # Errors
    /// What [`ExportSettings::validate`] says; an endpoint that is empty or has a path; authorities that cannot be read.
    pub fn new(settings: &ExportSettings, identity: AgentIdentity) -> Result<Self, ExportError> {
        settings.validate()?;
        let wrong = || ExportError::Endpoint { found: settings.endpoint.clone() };
        let endpoint = Endpoint::from_shared(settings.endpoint.clone()).map_err(|_| wrong())?;
        if settings.endpoint.is_empty() || endpoint.uri().path() != "/" {
            return Err(wrong());
        }
        let encrypted = endpoint.uri().scheme_str() == Some("https");
        let mut endpoint = endpoint.connect_timeout(settings.timeout());
        if encrypted {
            let mut tls = ClientTlsConfig::new();
            tls = match &settings.ca_file {
                None => tls.with_webpki_roots(),
                Some(path) => {
                    let bytes = fs::read(path).map_err(|error| ExportError::Authorities {
                        path: path.clone(),
                        source: error.into(),
                    })?;
                    tls.ca_certificate(Certificate::from_pem(bytes))
                }
            };
            endpoint =
                endpoint.tls_config(tls).map_err(|error| ExportError::Start(error.into()))?;
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ExportError::Start(error.into()))?;
        let mut metadata = MetadataMap::new();
        for (name, value) in &settings.headers {
            let refused = || ExportError::Header { name: name.clone() };
            let key: MetadataKey<Ascii> = name.parse().map_err(|_| refused())?;
            let value: MetadataValue<Ascii> = value.parse().map_err(|_| refused())?;
            metadata.insert(key, value);
        }
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        let mut client = MetricsServiceClient::new(channel)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MOST_ANSWER);
        if settings.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        Ok(Self { client, metadata, identity, runtime })
    }
}

impl Sender for OtlpGrpc {
    fn send(&mut self, batch: &Batch<'_>) -> Outcome {
        let mut call = Request::new(request(batch, &self.identity));
        *call.metadata_mut() = self.metadata.clone();
        call.set_timeout(batch.within);
        let client = &mut self.client;
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(batch.within, client.export(call)).await });
        match answer {
            Ok(Ok(answer)) => accepted(answer.into_inner()),
            Ok(Err(status)) => failed(&status),
            Err(_) => Outcome::Retry { after: None, reason: "no answer in time".into() },
        }
    }
}

fn failed(status: &tonic::Status) -> Outcome {
    let reason = words(&format!("gRPC {:?} {}", status.code(), status.message()));
    let after = retry_info(status.details());
    if is_too_long(status) {
        return Outcome::TooLong;
    }
    // One that was made here, of what failed on the way.
    if std::error::Error::source(status).is_some() {
        return Outcome::Retry { after: None, reason };
    }
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Outcome::Retry { after, reason },
        Code::ResourceExhausted if after.is_some() => Outcome::Retry { after, reason },
        _ => Outcome::Refused { reason },
    }
}

/// Whether a message was too long for either side. There is no code for that: libraries take one that stands for something else, which
/// would be sent again for ever.
fn is_too_long(status: &tonic::Status) -> bool {
    matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted)
        && ["too large", "larger than max", "size limit"]
            .iter()
            .any(|words| status.message().contains(words))
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The wait that a status asks for in its details; of less than nothing none at all.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = Status::decode(details).ok()?;
    let info = status.details.iter().find(|it| it.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or_default();
    let nanos = u32::try_from(delay.nanos).unwrap_or_default().min(999_999_999);
    Some(Duration::new(seconds, nanos))
}
