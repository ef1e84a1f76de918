//! OTLP over HTTP.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use gadget_envelope::AgentIdentity;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::{MOST_ANSWER, accepted, request, words};
use crate::pipeline::{Batch, ExportError, ExportSettings, Outcome, Sender};

/// Sends batches as requests to `/v1/metrics`.
///
/// - Again: 429, 502, 503 and 504, with what `Retry-After` asks for, and whatever fails on the way. 413: in parts.
/// - Never again: every other status, redirects among them.
/// - A status of success counts whatever the answer holds; what is no answer is counted.
#[derive(Debug)]
pub struct OtlpHttp {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    gzip: bool,
    identity: AgentIdentity,
}

impl OtlpHttp {
    /// To the endpoint of the settings.
    ///
    /// # Errors
    /// What [`ExportSettings::validate`] says; an endpoint that is empty; authorities that cannot be read.
    pub fn new(settings: &ExportSettings, identity: AgentIdentity) -> Result<Self, ExportError> {
        settings.validate()?;
        if settings.endpoint.is_empty() {
            return Err(ExportError::Endpoint { found: String::new() });
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &settings.ca_file {
            let failed = |source| ExportError::Authorities { path: path.clone(), source };
            let bytes = fs::read(path).map_err(|error| failed(error.into()))?;
            let mut certificates = Vec::new();
            for item in parse_pem(&bytes) {
                if let PemItem::Certificate(it) = item.map_err(|error| failed(error.into()))? {
                    certificates.push(it);
                }
            }
            if certificates.is_empty() {
                return Err(failed("it holds no certificate".into()));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Else what is sent could be led anywhere, in plaintext too.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(!settings.insecure)
            .proxy(None)
            .user_agent(concat!("gadget-export/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build();
        let headers = settings.headers.iter().map(|(name, it)| (name.clone(), it.clone()));
        Ok(Self {
            agent: config.into(),
            url: format!("{}/v1/metrics", settings.endpoint.trim_end_matches('/')),
            headers: headers.collect(),
            gzip: settings.gzip,
            identity,
        })
    }

    fn post(&self, body: &[u8], within: Duration) -> Result<Outcome, ureq::Error> {
        let mut request = self.agent.post(&self.url).content_type("application/x-protobuf");
        if self.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.config().timeout_global(Some(within)).build();
        let mut response = request.send(body)?;
        let status = response.status();
        let after = retry_after(response.headers(), SystemTime::now());
        let answer = response.body_mut().with_config().limit(MOST_ANSWER as u64).read_to_vec();
        if status.is_success() {
            let answer = answer.ok().and_then(|it| ExportMetricsServiceResponse::decode(&*it).ok());
            return Ok(answer.map_or(
                Outcome::Accepted { rejected_points: 0, message: None, understood: false },
                accepted,
            ));
        }
        let reason = format!("HTTP {}", status.as_u16());
        Ok(match status.as_u16() {
            429 | 502 | 503 | 504 => Outcome::Retry { after, reason },
            413 => Outcome::TooLong,
            _ => {
                let said = answer.map(|it| said(&it)).unwrap_or_default();
                Outcome::Refused { reason: format!("{reason} {said}").trim_end().to_owned() }
            }
        })
    }
}

impl Sender for OtlpHttp {
    fn send(&mut self, batch: &Batch<'_>) -> Outcome {
        let mut body = request(batch, &self.identity).encode_to_vec();
        if self.gzip {
            let mut to = GzEncoder::new(Vec::new(), Compression::fast());
            // A vector takes whatever it is given.
            match to.write_all(&body).and_then(|()| to.finish()) {
                Ok(compressed) => body = compressed,
                Err(error) => return Outcome::Refused { reason: words(&error.to_string()) },
            }
        }
        self.post(&body, batch.within).unwrap_or_else(|error| Outcome::Retry {
            after: None,
            reason: words(&error.to_string()),
        })
    }
}

/// What an answer of failure says: a `google.rpc.Status`, or text.
fn said(answer: &[u8]) -> String {
    super::Status::decode(answer)
        .map(|it| words(&it.message))
        .unwrap_or_else(|_| words(&String::from_utf8_lossy(answer)))
}

/// `Retry-After`: seconds, or a date as RFC 9110 prefers it.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date(value)?))?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, text) = text.split_once(", ")?;
    let mut parts = text.strip_suffix(" GMT")?.split([' ', ':']);
    let mut number =
        |most: u64| -> Option<u64> { parts.next()?.parse().ok().filter(|&it: &u64| it <= most) };
    let day = number(31)?;
    let month = parts.next().filter(|it| it.len() == 3)?;
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let mut number =
        |most: u64| -> Option<u64> { parts.next()?.parse().ok().filter(|&it: &u64| it <= most) };
    let (year, hour, minute, second) = (number(9999)?, number(23)?, number(59)?, number(60)?);
    if parts.next().is_some() || day == 0 {
        return None;
    }
    // Years that begin in March, so that a leap day is the last.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // From 1 March of year 0 to 1970.
    Some(days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_nothing_else_is() {
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(date("Fri, 27 Nov 2026 00:00:00 GMT"), Some(1_795_737_600));
        for text in [
            "",
            "Sun, 06 Nov 1994",
            "Sun, 06 ovD 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37:1 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            retry_after(&headers, now).map(|it| it.as_secs())
        };
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
