//! Section `[export]`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::spool::SpoolOptions;

/// How OTLP is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Protobuf in HTTP requests; port 4318 by convention.
    #[default]
    Http,
    /// gRPC; port 4317 by convention.
    Grpc,
}

/// Where envelopes go, and how. A section of TOML, whose keys are the fields; others are refused.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportSettings {
    /// The receiver: `https://host:port`, with a path before `/v1/metrics` if it has one. Default empty: nothing is sent.
    pub endpoint: String,
    /// `http` or `grpc`. Default `http`.
    pub protocol: Protocol,
    /// Sent with each request, for example a key of access. Default none; their values are never printed.
    pub headers: BTreeMap<String, String>,
    /// Allows `http://`, and that to 127.0.0.0/8, ::1 and localhost alone, for a collector on this host. Default false.
    pub insecure: bool,
    /// PEM file of the authorities that receivers are checked against, in place of those that come with the program. Default none.
    pub ca_file: Option<PathBuf>,
    /// Whether requests are compressed. Default true; false costs less CPU where a collector is on this host.
    pub gzip: bool,
    /// Milliseconds that one request may take, from 100 to 60,000. Default 10,000; the watchdog has to allow for more.
    pub timeout_ms: u64,
    /// Envelopes in a request at most, from 1 to 10,000. Default 256.
    pub batch_envelopes: usize,
    /// Bytes of envelopes in a request at most, from 1,024 to 64 MiB. Default 512 KiB, which is about 1 MiB of OTLP before it is
    /// compressed; a single envelope that is longer goes alone.
    pub batch_bytes: usize,
    /// Milliseconds that an envelope waits for others to go with it, up to 60,000. Default 1,000; 0 sends at once.
    pub batch_ms: u64,
    /// Milliseconds to wait after the first failure, from 10 to 60,000; doubled with each. Default 1,000.
    pub retry_first_ms: u64,
    /// Milliseconds to wait at most, no less than that, up to an hour. Default 60,000; a receiver may ask for up to 15 minutes.
    pub retry_most_ms: u64,
    /// The folder of what could not be sent yet. Default none: in memory, and lost with the process.
    pub spool_directory: Option<PathBuf>,
    /// Bytes in it at most, from 64 KiB to 1 TiB. Default 256 MiB; the oldest goes first.
    pub spool_bytes: u64,
    /// Seconds that anything stays in it, from 60 to a year. Default 3 days.
    pub spool_seconds: u64,
    /// Bytes in memory at most, where there is no folder or it takes nothing, from 64 KiB to 4 GiB. Default 16 MiB.
    pub memory_bytes: usize,
}

impl Default for ExportSettings {
    fn default() -> Self {
        let spool = SpoolOptions::default();
        Self {
            endpoint: String::new(),
            protocol: Protocol::Http,
            headers: BTreeMap::new(),
            insecure: false,
            ca_file: None,
            gzip: true,
            timeout_ms: 10_000,
            batch_envelopes: 256,
            batch_bytes: 512 << 10,
            batch_ms: 1000,
            retry_first_ms: 1000,
            retry_most_ms: 60_000,
            spool_directory: None,
            spool_bytes: spool.bytes,
            spool_seconds: spool.age.as_secs(),
            memory_bytes: spool.memory_bytes,
        }
    }
}

/// Why settings are refused, or a receiver cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A number is out of its range.
    #[error("export.{name} has to be from {least} to {most}, not {found}")]
    Range {
        /// The setting.
        name: &'static str,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
        /// What it is.
        found: u64,
    },
    /// The endpoint is none.
    #[error("export.endpoint has to be https://host:port, not {found:?}")]
    Endpoint {
        /// What it is.
        found: String,
    },
    /// The endpoint is not encrypted.
    #[error(
        "export.endpoint {found:?} is not encrypted: that needs export.insecure and a loopback address"
    )]
    Plaintext {
        /// What it is.
        found: String,
    },
    /// The name or the value of a header cannot be sent.
    #[error("export.headers has one that cannot be sent: {name:?}")]
    Header {
        /// Its name.
        name: String,
    },
    /// The authorities cannot be read.
    #[error("cannot use export.ca_file {path}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What carries requests cannot be made.
    #[error("cannot begin to export")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ExportSettings {
    /// Checks every field.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn validate(&self) -> Result<(), ExportError> {
        let (timeout, first) = (self.timeout_ms, self.retry_first_ms);
        for (name, found, least, most) in [
            ("timeout_ms", timeout, 100, 60_000),
            ("batch_envelopes", self.batch_envelopes as u64, 1, 10_000),
            ("batch_bytes", self.batch_bytes as u64, 1024, 64 << 20),
            ("batch_ms", self.batch_ms, 0, 60_000),
            ("retry_first_ms", first, 10, 60_000),
            ("retry_most_ms", self.retry_most_ms, first, 3_600_000),
            ("spool_bytes", self.spool_bytes, 64 << 10, 1 << 40),
            ("spool_seconds", self.spool_seconds, 60, 366 * 86_400),
            ("memory_bytes", self.memory_bytes as u64, 64 << 10, 4 << 30),
        ] {
            if !(least..=most).contains(&found) {
                return Err(ExportError::Range { name, least, most, found });
            }
        }
        for (name, value) in &self.headers {
            let token =
                |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_.".contains(&it);
            let named = !name.is_empty() && name.bytes().all(token) && !name.ends_with("-bin");
            // What frames a request is not for settings.
            let ours = ["host", "content-length", "content-type", "content-encoding", "te"];
            let ours = ours.contains(&name.as_str()) || name == "transfer-encoding";
            if !named || ours || !value.bytes().all(|it| (0x20..0x7f).contains(&it)) {
                return Err(ExportError::Header { name: name.clone() });
            }
        }
        if self.endpoint.is_empty() { Ok(()) } else { self.check_endpoint() }
    }

    fn check_endpoint(&self) -> Result<(), ExportError> {
        let found = || self.endpoint.clone();
        let plain = match self.endpoint.split_once("://") {
            Some(("https", _)) => false,
            Some(("http", _)) => true,
            _ => return Err(ExportError::Endpoint { found: found() }),
        };
        let rest = self.endpoint.split_once("://").map_or("", |it| it.1);
        let authority = rest.split('/').next().unwrap_or_default();
        // No user, query or fragment; nothing that two readers could take for two hosts.
        let odd = |it: char| !(it.is_ascii_alphanumeric() || "-._:/[]".contains(it));
        let host = host(authority).filter(|_| !rest.contains(odd));
        let Some(host) = host else { return Err(ExportError::Endpoint { found: found() }) };
        if plain && !(self.insecure && is_loopback(host)) {
            return Err(ExportError::Plaintext { found: found() });
        }
        Ok(())
    }

    /// How long one request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn spool(&self) -> SpoolOptions {
        SpoolOptions {
            directory: self.spool_directory.clone(),
            bytes: self.spool_bytes,
            age: Duration::from_secs(self.spool_seconds),
            memory_bytes: self.memory_bytes,
        }
    }
}

/// The host of `host`, `host:port` or `[address]:port`.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let at = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(at);
            (!host.contains(['[', ']'])).then_some((host, port))?
        }
    };
    let port = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok_and(|it| it > 0);
    (port && !host.is_empty()).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    // As written: what resolvers make of other forms, such as 127.1, is not for us to guess.
    let literal = host.parse::<Ipv4Addr>().map(IpAddr::from).or_else(|_| host.parse());
    host == "localhost" || literal.is_ok_and(|it: IpAddr| it.is_loopback())
}

impl fmt::Debug for ExportSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportSettings")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("headers", &self.headers.keys())
            .field("spool_directory", &self.spool_directory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, insecure: bool) -> Result<(), ExportError> {
        let endpoint = endpoint.into();
        ExportSettings { endpoint, insecure, ..Default::default() }.validate()
    }

    #[test]
    fn plaintext_goes_to_loopback_alone_and_when_asked_for() {
        for endpoint in ["http://127.0.0.1:4318", "http://[::1]:4318/x", "http://localhost"] {
            assert!(
                matches!(of(endpoint, false), Err(ExportError::Plaintext { .. })),
                "{endpoint}"
            );
            of(endpoint, true).unwrap();
        }
        for endpoint in [
            "http://192.0.2.1:4318",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://[2001:db8::1]:4318",
            "http://0.0.0.0:4318",
        ] {
            assert!(matches!(of(endpoint, true), Err(ExportError::Plaintext { .. })), "{endpoint}");
        }
    }

    #[test]
    fn endpoints_have_a_host_and_nothing_that_hides_it() {
        for endpoint in
            ["https://example.com", "https://[2001:db8::1]:1/a/b", "https://192.0.2.1:9"]
        {
            of(endpoint, false).unwrap();
        }
        for endpoint in [
            "example.com:4317",
            "ftp://example.com",
            "https://",
            "https://:1",
            "https://a:b",
            "https://a:0",
            "https://a:70000",
            "https://[::1",
            "https://[x]:1",
            "http://127.0.0.1@example.com",
            "http://127.0.0.1\\@example.com",
            "https://a?b",
            "https://a#b",
            "https://a b",
        ] {
            assert!(matches!(of(endpoint, true), Err(ExportError::Endpoint { .. })), "{endpoint}");
        }
    }

    #[test]
    fn numbers_are_within_their_ranges() {
        ExportSettings::default().validate().unwrap();
        let settings = ExportSettings { timeout_ms: 99, ..Default::default() };
        let error = settings.validate().unwrap_err().to_string();
        assert_eq!(error, "export.timeout_ms has to be from 100 to 60000, not 99");
        let settings = ExportSettings { retry_most_ms: 999, ..Default::default() };
        assert!(settings.validate().unwrap_err().to_string().contains("from 1000"));
    }

    #[test]
    fn headers_are_sendable_and_not_printed() {
        let with = |name: &str, value: &str| ExportSettings {
            headers: [(name.to_owned(), value.to_owned())].into(),
            ..Default::default()
        };
        with("api-key", "s3cret").validate().unwrap();
        assert!(!format!("{:?}", with("api-key", "s3cret")).contains("s3cret"));
        for (name, value) in [("", ""), ("a b", ""), ("A", ""), ("a", "b\r\nc"), ("host", "x")] {
            assert!(matches!(with(name, value).validate(), Err(ExportError::Header { .. })));
        }
    }
}
