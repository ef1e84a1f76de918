use gadget_envelope::AgentDiagEvent;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A receiver that answers as told, and then takes everything.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    /// The next is the last.
    answers: Vec<Outcome>,
    requests: Vec<Vec<u64>>,
}

impl Fake {
    fn answering(mut answers: Vec<Outcome>) -> Self {
        answers.reverse();
        Self(Arc::new(Mutex::new(Told { answers, ..Default::default() })))
    }

    /// What was sent, request by request, whatever the answer.
    fn requests(&self) -> Vec<Vec<u64>> {
        self.0.lock().requests.clone()
    }
}

impl Sender for Fake {
    fn send(&mut self, batch: &Batch<'_>) -> Outcome {
        let seqs = batch.envelopes.iter().map(|it| match it {
            Envelope::Diag(it) => it.seq,
            other => panic!("{other:?}"),
        });
        let mut told = self.0.lock();
        told.requests.push(seqs.collect());
        let taken = Outcome::Accepted { rejected_points: 0, message: None, understood: true };
        told.answers.pop().unwrap_or(taken)
    }
}

fn settings() -> ExportSettings {
    ExportSettings {
        batch_ms: 0,
        batch_envelopes: 4,
        retry_first_ms: 10,
        retry_most_ms: 10,
        ..Default::default()
    }
}

fn filled(seqs: std::ops::RangeInclusive<u64>) -> Outbox {
    let outbox = Outbox::new(1000);
    seqs.for_each(|seq| outbox.push(AgentDiagEvent { seq, ..Default::default() }.into()));
    outbox
}

fn retry() -> Outcome {
    Outcome::Retry { after: None, reason: "no".into() }
}

/// Waits for it; the counts then.
fn until(handle: &ExportHandle, done: impl Fn(&ExportStats) -> bool) -> ExportStats {
    let end = Instant::now() + LONG;
    loop {
        let stats = handle.stats();
        if done(&stats) {
            return stats;
        }
        assert!(Instant::now() < end, "{stats:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_fails_is_sent_again_in_order_and_what_is_refused_is_counted() {
    let fake = Fake::answering(vec![retry(), retry(), Outcome::Refused { reason: "bad".into() }]);
    let outbox = filled(1..=10);
    let pipeline = Pipeline::new(outbox, settings()).unwrap();
    let handle = pipeline.sender(fake.clone()).spawn().unwrap();
    let stats = until(&handle, |it| it.sent + it.refused == 10);
    assert_eq!((stats.sent, stats.refused, stats.retried, stats.requests), (6, 4, 2, 2));
    assert_eq!(stats.last_error.as_deref(), Some("bad"));
    let first = vec![1, 2, 3, 4];
    let expected = [&first, &first, &first, &vec![5, 6, 7, 8], &vec![9, 10]];
    assert!(fake.requests().iter().eq(expected));
    assert!(handle.is_running());
    assert!(handle.stop(LONG));
    assert!(!handle.is_running());
}

#[test]
fn what_is_too_long_goes_in_parts() {
    let fake = Fake::answering(vec![Outcome::TooLong, Outcome::TooLong]);
    let pipeline = Pipeline::new(filled(1..=3), settings()).unwrap();
    let handle = pipeline.sender(fake.clone()).spawn().unwrap();
    let stats = until(&handle, |it| it.sent + it.refused == 3);
    assert_eq!((stats.sent, stats.refused), (2, 1));
    // The second answer is about one alone.
    assert_eq!(fake.requests(), [vec![1, 2, 3], vec![1], vec![2], vec![3]]);
}

#[test]
fn stages_change_and_stop_envelopes_and_heartbeats_go_on() {
    let beats = Arc::new(Mutex::new(0));
    let theirs = Arc::clone(&beats);
    let fake = Fake::default();
    let even = |envelope: Envelope| match envelope {
        Envelope::Diag(mut it) if it.seq.is_multiple_of(2) => {
            it.seq *= 10;
            Some(Envelope::Diag(it))
        }
        _ => None,
    };
    let pipeline = Pipeline::new(filled(1..=5), settings()).unwrap().stage(even);
    let pipeline = pipeline.sender(fake.clone()).heartbeat(move || *theirs.lock() += 1);
    let handle = pipeline.spawn().unwrap();
    let stats = until(&handle, |it| it.sent == 2);
    assert_eq!((stats.taken, stats.filtered), (5, 3));
    assert_eq!(fake.requests().concat(), [20, 40]);
    let before = *beats.lock();
    let end = Instant::now() + LONG;
    while *beats.lock() < before + 2 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_cannot_be_sent_stays_in_the_spool_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || ExportSettings {
        spool_directory: Some(folder.path().join("spool")),
        retry_first_ms: 60_000,
        retry_most_ms: 60_000,
        ..settings()
    };
    let dead = Fake::answering(vec![retry(); 100]);
    let outbox = filled(1..=6);
    let handle = Pipeline::new(outbox, settings()).unwrap().sender(dead).spawn().unwrap();
    until(&handle, |it| it.retried == 1);
    assert!(handle.stop(LONG));
    let stats = handle.stats();
    assert_eq!((stats.sent, stats.spool.records, stats.taken), (0, 6, 6));
    let fake = Fake::default();
    let pipeline = Pipeline::new(filled(7..=8), settings()).unwrap();
    let handle = pipeline.sender(fake.clone()).spawn().unwrap();
    until(&handle, |it| it.sent == 8);
    assert_eq!(fake.requests().concat(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_the_bound_of_the_spool_costs_is_counted_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ExportSettings {
        spool_directory: Some(folder.path().join("spool")),
        spool_bytes: 64 << 10,
        ..settings()
    };
    let fake = Fake::answering(vec![Outcome::Retry {
        after: Some(Duration::from_millis(300)),
        reason: "busy".into(),
    }]);
    let outbox = filled(1..=1);
    let pipeline = Pipeline::new(outbox.clone(), settings).unwrap();
    let handle = pipeline.sender(fake.clone()).spawn().unwrap();
    until(&handle, |it| it.retried == 1);
    let reason = "r".repeat(1000);
    for seq in 2..=200 {
        outbox.push(AgentDiagEvent { seq, reason: reason.clone(), ..Default::default() }.into());
    }
    let stats = until(&handle, |it| it.taken == 200 && it.spool.records == 0);
    assert!(stats.spool.dropped > 100, "{stats:?}");
    assert_eq!(stats.sent + stats.spool.dropped, 200);
    let sent = fake.requests()[1..].concat();
    assert!(sent.is_sorted_by(|a, b| a + 1 == *b) && sent.last() == Some(&200));
}

#[test]
fn a_spool_that_cannot_be_read_for_now_is_tried_less_and_less_often() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("spool");
    let settings = ExportSettings {
        spool_directory: Some(directory.clone()),
        batch_ms: 300,
        retry_first_ms: 100,
        retry_most_ms: 10_000,
        ..settings()
    };
    let fake = Fake::default();
    let pipeline = Pipeline::new(filled(1..=1), settings).unwrap();
    let handle = pipeline.sender(fake.clone()).spawn().unwrap();
    until(&handle, |it| it.spool.records == 1);
    // Reading a folder fails in another way than damage does.
    let segment = directory.join(format!("{:016x}.seg", 0));
    std::fs::rename(&segment, folder.path().join("aside")).unwrap();
    std::fs::create_dir(&segment).unwrap();
    until(&handle, |it| it.spool.failures > 0);
    thread::sleep(Duration::from_millis(300));
    let failures = handle.stats().spool.failures;
    assert!(failures < 10, "{failures}");
    assert_eq!(fake.requests(), Vec::<Vec<u64>>::new());
}

#[test]
fn stopping_is_bounded_though_the_receiver_is_gone() {
    struct Slow;
    impl Sender for Slow {
        fn send(&mut self, batch: &Batch<'_>) -> Outcome {
            thread::sleep(batch.within);
            retry()
        }
    }
    let settings = ExportSettings { timeout_ms: 100, ..settings() };
    let handle = Pipeline::new(filled(1..=3), settings).unwrap().sender(Slow).spawn().unwrap();
    until(&handle, |it| it.retried > 0);
    assert!(handle.stop(Duration::from_secs(5)));
    assert_eq!(handle.stats().spool.records, 3);
}

#[test]
fn counts_are_metrics_too() {
    let stats = ExportStats { sent: 3, refused: 2, ..Default::default() };
    let metrics = stats.metrics();
    let value = |name: &str, reason: Option<&str>| {
        let found = metrics
            .iter()
            .find(|it| it.name == name && it.labels.first().map(|it| it.1.as_str()) == reason);
        found.unwrap().value
    };
    assert_eq!(value("agent_export_sent_total", None), 3.0);
    assert_eq!(value("agent_export_dropped_total", Some("refused")), 2.0);
}
