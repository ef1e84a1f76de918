//! gRPC.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gadget_envelope::Outbox;
use gadget_export::{
    Batch, ExportError, ExportSettings, OtlpGrpc, Outcome, Pipeline, Protocol, Sender as _,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::sample::{event, events, identity, odd, settings, until};

type Given = Result<ExportMetricsServiceResponse, Status>;

#[derive(Default)]
struct State {
    /// The next is the last.
    answers: Vec<Given>,
    got: Vec<(Vec<String>, ExportMetricsServiceRequest)>,
}

#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<State>>);

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let header = |it: &str| {
            request.metadata().get(it).and_then(|it| it.to_str().ok()).map(str::to_owned)
        };
        let headers = ["grpc-encoding", "api-key"].into_iter().filter_map(header).collect();
        let mut state = self.0.lock().unwrap();
        state.got.push((headers, request.into_inner()));
        state.answers.pop().unwrap_or_else(|| Ok(Default::default())).map(Response::new)
    }
}

impl Receiver {
    fn answering(answers: impl IntoIterator<Item = Given>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self(Arc::new(Mutex::new(State { answers, ..Default::default() })))
    }

    pub(crate) fn got(&self) -> Vec<Vec<u64>> {
        self.0.lock().unwrap().got.iter().map(|it| events(&it.1)).collect()
    }

    /// Serves until it is dropped.
    pub(crate) fn serve(&self, address: SocketAddr, tls: Option<ServerTlsConfig>) -> Serving {
        let service = MetricsServiceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address_of) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming = TcpIncoming::bind(address).unwrap();
                bound.send(incoming.local_addr().unwrap()).unwrap();
                let mut server = Server::builder();
                if let Some(tls) = tls {
                    server = server.tls_config(tls).unwrap();
                }
                let serving = server.add_service(service).serve_with_incoming(incoming);
                tokio::select! {
                    done = serving => done.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let address = address_of.recv().unwrap();
        Serving { address, stop: Some(stop), thread: Some(thread) }
    }
}

pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(thread::JoinHandle::join);
    }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn grpc(serving: &Serving) -> ExportSettings {
    ExportSettings { protocol: Protocol::Grpc, ..settings(format!("http://{}", serving.address)) }
}

pub(crate) fn once(sender: &mut OtlpGrpc, within: Duration) -> Outcome {
    let envelopes = [event(1)];
    sender.send(&Batch { envelopes: &envelopes, agent: &[], began_ns: 1, now_ns: 2, within })
}

/// What becomes of a batch that is answered so.
fn outcome(given: Given) -> Outcome {
    let receiver = Receiver::answering([given]);
    let serving = receiver.serve(loopback(), None);
    let mut sender = OtlpGrpc::new(&grpc(&serving), identity()).unwrap();
    once(&mut sender, Duration::from_secs(5))
}

/// `google.rpc.Status` with a `RetryInfo` of so many seconds.
fn retry_info(seconds: u8) -> Vec<u8> {
    let info = [0x0a, 2, 0x08, seconds];
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let any = [&[0x0a, url.len() as u8][..], url, &[0x12, info.len() as u8], &info].concat();
    [&[0x1a, any.len() as u8][..], &any].concat()
}

#[test]
fn everything_arrives_once_compressed_or_not() {
    for gzip in [true, false] {
        let receiver = Receiver::default();
        let serving = receiver.serve(loopback(), None);
        let headers = [("api-key".to_owned(), "s3cret".to_owned())].into();
        let settings = ExportSettings { gzip, headers, ..grpc(&serving) };
        let outbox = Outbox::new(1000);
        let sender = OtlpGrpc::new(&settings, identity()).unwrap();
        let pipeline = Pipeline::new(outbox.clone(), settings).unwrap().sender(sender);
        let handle = pipeline.spawn().unwrap();
        let all = odd();
        let count = all.len() as u64 + 20;
        all.into_iter().chain((10..30).map(event)).for_each(|it| outbox.push(it));
        let stats = until(&handle, |it| it.sent == count);
        assert!(receiver.got().concat().into_iter().eq([3].into_iter().chain(10..30)));
        assert_eq!((stats.retried, stats.odd_answers), (0, 0));
        let expected: &[&str] = if gzip { &["gzip", "s3cret"] } else { &["s3cret"] };
        assert!(receiver.0.lock().unwrap().got.iter().all(|it| it.0 == expected));
    }
}

#[test]
fn every_status_is_of_one_of_the_kinds() {
    for code in 1..=16 {
        let code = Code::from_i32(code);
        let again = matches!(
            code,
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        );
        let outcome = outcome(Err(Status::new(code, "x")));
        assert_eq!(matches!(outcome, Outcome::Retry { after: None, .. }), again, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Refused { .. }), !again, "{outcome:?}");
    }
}

#[test]
fn a_receiver_that_has_no_room_says_whether_it_will_have() {
    for (code, after) in [(Code::ResourceExhausted, 3), (Code::Unavailable, 0)] {
        let status = Status::with_details(code, "x", retry_info(after).into());
        let Outcome::Retry { after: found, .. } = outcome(Err(status)) else { panic!("{code:?}") };
        assert_eq!(found, Some(Duration::from_secs(after.into())));
    }
    let status = Status::with_details(Code::ResourceExhausted, "x", vec![0xff; 9].into());
    assert!(matches!(outcome(Err(status)), Outcome::Refused { .. }));
    let status = Status::with_details(Code::InvalidArgument, "x", retry_info(3).into());
    assert!(matches!(outcome(Err(status)), Outcome::Refused { .. }));
}

#[test]
fn part_of_a_request_may_be_rejected_and_a_long_answer_is_not_read() {
    let partial = |error_message: String| {
        let partial = ExportMetricsPartialSuccess { rejected_data_points: 3, error_message };
        Ok(ExportMetricsServiceResponse { partial_success: Some(partial) })
    };
    let message = Some("too many".to_owned());
    let expected = Outcome::Accepted { rejected_points: 3, message, understood: true };
    assert_eq!(outcome(partial("too many".into())), expected);
    let long = outcome(partial("x".repeat(1 << 20)));
    assert_eq!(long, Outcome::TooLong);
}

#[test]
fn a_backend_that_goes_and_comes_back_loses_nothing() {
    let receiver = Receiver::default();
    let serving = receiver.serve(loopback(), None);
    let (settings, address) = (grpc(&serving), serving.address);
    let outbox = Outbox::new(1000);
    let sender = OtlpGrpc::new(&settings, identity()).unwrap();
    let handle = Pipeline::new(outbox.clone(), settings).unwrap().sender(sender).spawn().unwrap();
    (1..=10).for_each(|seq| outbox.push(event(seq)));
    until(&handle, |it| it.sent == 10);
    drop(serving);
    (11..=40).for_each(|seq| outbox.push(event(seq)));
    until(&handle, |it| it.taken == 40 && it.retried >= 3);
    let _serving = receiver.serve(address, None);
    until(&handle, |it| it.sent == 40);
    assert!(receiver.got().concat().into_iter().eq(1..=40));
}

#[test]
fn a_receiver_that_says_nothing_is_left_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = settings(format!("http://{}", listener.local_addr().unwrap()));
    let mut sender = OtlpGrpc::new(&settings, identity()).unwrap();
    let began = Instant::now();
    let outcome = once(&mut sender, Duration::from_millis(200));
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn plaintext_to_anybody_else_is_refused() {
    let error = OtlpGrpc::new(&settings("http://192.0.2.1:4317".into()), identity()).unwrap_err();
    assert!(matches!(error, ExportError::Plaintext { .. }), "{error}");
}
