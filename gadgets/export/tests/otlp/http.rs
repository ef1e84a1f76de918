//! HTTP.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use gadget_envelope::Outbox;
use gadget_export::{Batch, ExportError, ExportSettings, OtlpHttp, Outcome, Pipeline, Sender as _};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message as _;

use crate::receiver::{Answer, Receiver, answer};
use crate::sample::{event, events, identity, odd, settings, until};

/// What becomes of one batch, sent to a receiver that answers so.
fn outcome(given: Answer) -> Outcome {
    let receiver = Receiver::new([given]);
    let settings = ExportSettings { timeout_ms: 500, ..settings(receiver.endpoint()) };
    let mut sender = OtlpHttp::new(&settings, identity()).unwrap();
    once(&mut sender, Duration::from_millis(500))
}

fn once(sender: &mut OtlpHttp, within: Duration) -> Outcome {
    let envelopes = [event(1)];
    let batch = Batch { envelopes: &envelopes, agent: &[], began_ns: 1, now_ns: 2, within };
    sender.send(&batch)
}

fn accepted(understood: bool) -> Outcome {
    Outcome::Accepted { rejected_points: 0, message: None, understood }
}

#[test]
fn everything_arrives_once_compressed_or_not() {
    for gzip in [true, false] {
        let receiver = Receiver::new([]);
        let endpoint = format!("{}/base/", receiver.endpoint());
        let headers = [("api-key".to_owned(), "s3cret".to_owned())].into();
        let settings = ExportSettings { gzip, headers, ..settings(endpoint) };
        let outbox = Outbox::new(1000);
        let sender = OtlpHttp::new(&settings, identity()).unwrap();
        let handle = Pipeline::new(outbox.clone(), settings).unwrap().sender(sender);
        let handle = handle.spawn().unwrap();
        let all = odd();
        let count = all.len() as u64 + 20;
        all.into_iter().chain((10..30).map(event)).for_each(|it| outbox.push(it));
        let stats = until(&handle, |it| it.sent == count);
        let got = receiver.got();
        let found: Vec<_> = got.iter().flat_map(|it| events(&it.message)).collect();
        assert!(found.iter().copied().eq([3].into_iter().chain(10..30)));
        assert_eq!((stats.odd_answers, stats.retried, stats.requests), (0, 0, got.len() as u64));
        for it in got {
            assert_eq!(it.path, "/base/v1/metrics");
            let has = |line: &str| it.headers.iter().any(|it| it.eq_ignore_ascii_case(line));
            assert!(has("content-type: application/x-protobuf") && has("api-key: s3cret"));
            assert_eq!(has("content-encoding: gzip"), gzip);
        }
    }
}

#[test]
fn a_receiver_that_is_busy_gets_it_later_and_not_sooner_than_it_asks_for() {
    let busy = answer("503 Service Unavailable\r\nretry-after: 1", b"");
    let receiver = Receiver::new([busy, answer("429 Too Many Requests", b"")]);
    let settings = settings(receiver.endpoint());
    let outbox = Outbox::new(10);
    outbox.push(event(1));
    let began = Instant::now();
    let sender = OtlpHttp::new(&settings, identity()).unwrap();
    let handle = Pipeline::new(outbox, settings).unwrap().sender(sender).spawn().unwrap();
    let stats = until(&handle, |it| it.sent == 1);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!((stats.retried, stats.refused), (2, 0));
    assert_eq!(receiver.got().len(), 3);
}

#[test]
fn what_is_refused_is_not_sent_again() {
    let bad = answer("400 Bad Request", b"no\nsuch thing");
    let receiver = Receiver::new([bad]);
    let settings = settings(receiver.endpoint());
    let outbox = Outbox::new(10);
    outbox.push(event(1));
    let sender = OtlpHttp::new(&settings, identity()).unwrap();
    let handle = Pipeline::new(outbox.clone(), settings).unwrap().sender(sender).spawn().unwrap();
    let stats = until(&handle, |it| it.refused == 1);
    assert_eq!(stats.last_error.as_deref(), Some("HTTP 400 no such thing"));
    outbox.push(event(2));
    until(&handle, |it| it.sent == 1);
    assert_eq!(receiver.got().iter().map(|it| events(&it.message)).collect::<Vec<_>>(), [[1], [2]]);
}

#[test]
fn part_of_a_request_may_be_rejected() {
    let partial = ExportMetricsPartialSuccess {
        rejected_data_points: 3,
        error_message: "too many attributes".into(),
    };
    let body = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let message = Some("too many attributes".into());
    let expected = Outcome::Accepted { rejected_points: 3, message, understood: true };
    assert_eq!(outcome(answer("200 OK", &body)), expected);
}

#[test]
fn every_status_is_of_one_of_the_kinds() {
    for status in [429, 502, 503, 504] {
        let given = answer(&format!("{status} x\r\nretry-after: 7"), b"");
        let Outcome::Retry { after, .. } = outcome(given) else { panic!("{status}") };
        assert_eq!(after, Some(Duration::from_secs(7)), "{status}");
    }
    for status in [301, 307, 308, 400, 401, 403, 404, 500, 501, 505] {
        let given = answer(&format!("{status} x\r\nlocation: http://127.0.0.1:1/"), b"");
        assert!(matches!(outcome(given), Outcome::Refused { .. }), "{status}");
    }
    assert_eq!(outcome(answer("413 x", b"")), Outcome::TooLong);
    assert_eq!(outcome(answer("200 OK", b"")), accepted(true));
}

#[test]
fn nonsense_is_bounded_and_told_apart() {
    // A status of success counts.
    assert_eq!(outcome(answer("200 OK", b"\xff\xff\xff")), accepted(false));
    assert_eq!(outcome(answer("200 OK", &vec![0x0a; 1 << 20])), accepted(false));
    assert_eq!(
        outcome(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".into())),
        accepted(false)
    );
    // What is no answer does not.
    let endless = [&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'y'; 1 << 20]].concat();
    for given in
        [None, Some(b"SSH-2.0-x\r\n\r\n".to_vec()), Some(b"HTTP/1.1 2".into()), Some(endless)]
    {
        let shown = given.as_ref().map(|it| it[..it.len().min(20)].to_vec());
        assert!(matches!(outcome(given), Outcome::Retry { after: None, .. }), "{shown:?}");
    }
}

#[test]
fn a_receiver_that_says_nothing_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = settings(format!("http://{}", listener.local_addr().unwrap()));
    let mut sender = OtlpHttp::new(&settings, identity()).unwrap();
    let began = Instant::now();
    let outcome = once(&mut sender, Duration::from_millis(200));
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_backend_that_is_dead_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // An address that nobody has.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ExportSettings {
        spool_directory: Some(folder.path().join("spool")),
        ..settings(format!("http://{address}"))
    };
    let outbox = Outbox::new(1000);
    let start = || {
        let sender = OtlpHttp::new(&settings, identity()).unwrap();
        let pipeline = Pipeline::new(outbox.clone(), settings.clone()).unwrap();
        pipeline.sender(sender).spawn().unwrap()
    };
    let handle = start();
    (1..=30).for_each(|seq| outbox.push(event(seq)));
    until(&handle, |it| it.taken == 30 && it.retried >= 3);
    // The agent is begun anew meanwhile.
    assert!(handle.stop(Duration::from_secs(10)));
    let handle = start();
    (31..=60).for_each(|seq| outbox.push(event(seq)));
    until(&handle, |it| it.taken == 30 && it.retried >= 1);
    let receiver = Receiver::at(&address.to_string(), [], |it| it);
    until(&handle, |it| it.sent == 60);
    let found: Vec<_> = receiver.got().iter().flat_map(|it| events(&it.message)).collect();
    assert!(found.iter().copied().eq(1..=60), "{found:?}");
    assert_eq!(handle.stats().spool.dropped, 0);
}

#[test]
fn an_answer_that_is_lost_means_twice_and_in_order() {
    let receiver = Receiver::new([None]);
    let settings = settings(receiver.endpoint());
    let outbox = Outbox::new(10);
    let sender = OtlpHttp::new(&settings, identity()).unwrap();
    (1..=2).for_each(|seq| outbox.push(event(seq)));
    let handle = Pipeline::new(outbox, settings).unwrap().sender(sender).spawn().unwrap();
    until(&handle, |it| it.sent == 2);
    assert_eq!(
        receiver.got().iter().map(|it| events(&it.message)).collect::<Vec<_>>(),
        [[1, 2]; 2]
    );
}

#[test]
fn plaintext_to_anybody_else_is_refused() {
    let settings = settings("http://192.0.2.1:4318".into());
    let error = OtlpHttp::new(&settings, identity()).unwrap_err();
    assert!(matches!(error, ExportError::Plaintext { .. }), "{error}");
}
