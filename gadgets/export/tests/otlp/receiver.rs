//! A receiver of HTTP/1.1, that answers as it is told and then as it should.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
    pub(crate) message: ExportMetricsServiceRequest,
}

/// The bytes of an answer; none: the connection is cut.
pub(crate) type Answer = Option<Vec<u8>>;

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    got: Vec<Got>,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// An answer with a body.
pub(crate) fn answer(head: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    Some([head.as_bytes(), body].concat())
}

impl Receiver {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::at("127.0.0.1:0", answers, |stream| stream)
    }

    /// At an address, over streams that `wrap` makes of connections.
    pub(crate) fn at<S: Read + Write>(
        address: &str,
        answers: impl IntoIterator<Item = Answer>,
        wrap: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = State { answers: answers.into_iter().collect(), ..Default::default() };
        let it =
            Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let theirs = it.clone();
        // Ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut stream = BufReader::new(wrap(stream));
                while theirs.serve(&mut stream).unwrap_or(false) {}
            }
        });
        it
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// One request; whether there may be another.
    fn serve<S: Read + Write>(&self, stream: &mut BufReader<S>) -> std::io::Result<bool> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let header = |name: &str| {
            let found = lines.iter().find_map(|it| {
                let (key, value) = it.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then_some(value)
            });
            found.map(str::to_owned)
        };
        let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut body)?;
        if header("content-encoding").as_deref() == Some("gzip") {
            let mut plain = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
            body = plain;
        }
        let path = lines[0].split(' ').nth(1).unwrap().to_owned();
        let message = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
        let next = {
            let mut state = self.state.lock().unwrap();
            state.got.push(Got { path, headers: lines, message });
            state.answers.pop_front()
        };
        let good = answer("200 OK\r\ncontent-type: application/x-protobuf", b"");
        let Some(bytes) = next.unwrap_or(good) else { return Ok(false) };
        stream.get_mut().write_all(&bytes)?;
        stream.get_mut().flush()?;
        Ok(true)
    }
}
