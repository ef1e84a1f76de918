//! An incident as log records of OpenTelemetry, over HTTP.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use ureq::Agent;

use super::{Sink, Summary};
use crate::ring::Entry;

/// A request is sent when it has this many records...
const RECORDS: usize = 4096;
/// ...or this much text.
const BYTES: usize = 1 << 20;
/// How long a request may take.
const WITHIN: Duration = Duration::from_secs(10);
/// What waits before a request is sent again, each time; then it has failed.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Sends each incident to a receiver of OTLP, as requests to `/v1/logs` in protobuf: a resource for each service, with its name as
/// `service.name`. A record has the line as its body, and as attributes the incident, why it is sent, and its novelty if it is news.
/// Lines that are news come first, in the first requests.
///
/// A request that the receiver puts off (429, 502, 503, 504) or that does not get through is sent three times more. An incident of
/// which one fails has failed: what was taken before stays with the receiver.
#[derive(Debug)]
pub struct OtlpSink {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    incident: Vec<KeyValue>,
    services: HashMap<String, Vec<LogRecord>>,
    records: usize,
    bytes: usize,
}

impl OtlpSink {
    /// To the receiver at `endpoint`, `https://HOST:PORT`, with these headers in each request. `http://` is plaintext, as it says.
    #[must_use]
    pub fn new(endpoint: &str, headers: Vec<(String, String)>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Else what is sent could be led anywhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(WITHIN))
            .user_agent(concat!("gadget-archivist/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            url: format!("{}/v1/logs", endpoint.trim_end_matches('/')),
            headers,
            incident: Vec::new(),
            services: HashMap::new(),
            records: 0,
            bytes: 0,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let mut services: Vec<_> = self.services.drain().collect();
        services.sort_by(|a, b| a.0.cmp(&b.0));
        let of = |(service, log_records): (String, Vec<LogRecord>)| ResourceLogs {
            resource: Some(Resource {
                attributes: vec![text("service.name", service)],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope.clone()),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        };
        let request =
            ExportLogsServiceRequest { resource_logs: services.into_iter().map(of).collect() };
        (self.records, self.bytes) = (0, 0);
        self.post(&request.encode_to_vec())
    }

    fn post(&self, body: &[u8]) -> io::Result<()> {
        let mut waits = AGAIN.into_iter();
        loop {
            let failed = match self.post_once(body) {
                Ok(200..=299) => return Ok(()),
                Ok(status @ (429 | 502 | 503 | 504)) => format!("HTTP {status}"),
                Ok(status) => return Err(io::Error::other(format!("HTTP {status}"))),
                Err(error) => error.to_string(),
            };
            match waits.next() {
                Some(wait) => thread::sleep(wait),
                None => return Err(io::Error::other(failed)),
            }
        }
    }

    fn post_once(&self, body: &[u8]) -> Result<u16, ureq::Error> {
        let mut request = self.agent.post(&self.url).content_type("application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request.send(body)?.status().as_u16())
    }
}

impl Sink for OtlpSink {
    fn begin(&mut self, summary: &Summary) -> io::Result<()> {
        let request = &summary.request;
        self.services.clear();
        (self.records, self.bytes) = (0, 0);
        self.incident = vec![
            text("incident.id", request.plan.0.to_string()),
            text("incident.reason", request.reason.to_string()),
            text("incident.about", request.about.to_string()),
        ];
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()> {
        let mut attributes = self.incident.clone();
        attributes
            .extend(novelty.map(|it| attribute("novelty", any_value::Value::DoubleValue(it))));
        let body = any_value::Value::StringValue(String::from_utf8_lossy(entry.text).into_owned());
        let record = LogRecord {
            time_unix_nano: entry.at.as_nanos(),
            observed_time_unix_nano: entry.at.as_nanos(),
            severity_number: entry.severity.map_or(0, |severity| severity.number().into()),
            severity_text: entry.severity.map(|it| it.name().to_owned()).unwrap_or_default(),
            body: Some(AnyValue { value: Some(body) }),
            attributes,
            ..LogRecord::default()
        };
        match self.services.get_mut(entry.service) {
            Some(records) => records.push(record),
            None => {
                self.services.insert(entry.service.to_owned(), vec![record]);
            }
        }
        self.records += 1;
        self.bytes += entry.text.len();
        if self.records >= RECORDS || self.bytes >= BYTES { self.send() } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        self.send()
    }
}

fn text(key: &str, value: String) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use gadget_core::{FlushRequest, LogFlags, PlanId, Severity, Timestamp};

    use super::*;

    /// Answers requests with these statuses, one after the other, and gives back their bodies.
    fn receiver(statuses: Vec<u16>) -> (String, thread::JoinHandle<Vec<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = thread::spawn(move || {
            let mut bodies = Vec::new();
            for status in statuses {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut length, mut line) = (0, String::new());
                reader.read_line(&mut line).unwrap();
                assert!(line.starts_with("POST /v1/logs "), "{line}");
                loop {
                    line.clear();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim_end().to_ascii_lowercase();
                    if line.is_empty() {
                        break;
                    }
                    length = line
                        .strip_prefix("content-length: ")
                        .map_or(length, |it| it.parse().unwrap());
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                bodies.push(body);
                let head = format!(
                    "HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
            }
            bodies
        });
        (endpoint, answers)
    }

    fn summary() -> Summary {
        let (from, until) = (Timestamp::from_secs(1), Timestamp::from_secs(121));
        let (reason, about) = ("never seen before".into(), "db".into());
        let request = FlushRequest { plan: PlanId(7), from, until, reason, about };
        Summary { request, lines: 2, bytes: 9, services: Vec::new(), news: Vec::new() }
    }

    fn entry(service: &'static str, text: &'static str) -> Entry<'static> {
        let (severity, flags) = (Some(Severity::Error), LogFlags::default());
        let at = Timestamp::from_secs(9);
        Entry { service, at, severity, flags, template: None, text: text.as_bytes() }
    }

    fn send(endpoint: &str) -> io::Result<()> {
        let mut sink = OtlpSink::new(endpoint, vec![("x-tenant".into(), "a".into())]);
        sink.begin(&summary())?;
        sink.line(&entry("db", "gone"), Some(5.5))?;
        sink.line(&entry("api", "hello"), None)?;
        sink.end()
    }

    #[test]
    fn an_incident_arrives_by_service_also_when_the_receiver_was_busy() {
        let (endpoint, answers) = receiver(vec![503, 200]);
        send(&endpoint).unwrap();
        let bodies = answers.join().unwrap();
        assert_eq!(bodies[0], bodies[1]);
        let request = ExportLogsServiceRequest::decode(&*bodies[1]).unwrap();
        let [api, db] = request.resource_logs.as_slice() else { panic!("{request:?}") };
        let name =
            |logs: &ResourceLogs| format!("{:?}", logs.resource.as_ref().unwrap().attributes);
        assert!(name(api).contains("\"api\"") && name(db).contains("\"db\""));
        let record = &db.scope_logs[0].log_records[0];
        assert_eq!((record.time_unix_nano, record.severity_number), (9_000_000_000, 17));
        let attributes = format!("{:?}", record.attributes);
        assert!(attributes.contains("5.5") && attributes.contains("never seen before"));
        assert!(!format!("{:?}", api.scope_logs[0].log_records[0]).contains("novelty"));
    }

    #[test]
    fn what_the_receiver_refuses_has_failed() {
        let (endpoint, answers) = receiver(vec![400]);
        assert_eq!(send(&endpoint).unwrap_err().to_string(), "HTTP 400");
        answers.join().unwrap();
    }
}
