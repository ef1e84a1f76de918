//! The Archivist in an agent: one flush for one incident, under policy, within its budget, with its reasons on record.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gadget_archivist::{Archivist, LogWatch, POLICY, Settings};
use gadget_core::testing::RecordingActions;
use gadget_core::{
    Agent, CaptureCall, Comm, End, Event, Exit, ExitSource, Exits, HostFacts, LogActivity,
    LogFlags, LogMeta, LogTemplate, ManualClock, Policy, ProcessId, Reading, ServiceLogs, Severity,
    Signal, SourceId, Step, Subject, Timestamp, Verdict,
};

struct Bench {
    agent: Agent,
    actions: RecordingActions,
    /// Every verdict, and every statement.
    said: Arc<Mutex<Vec<String>>>,
    second: u64,
}

const START: u64 = 1_000_000;

impl Bench {
    fn new(archivist: Archivist, policy: Policy) -> Self {
        let facts = HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 };
        let (actions, said) = (RecordingActions::default(), Arc::<Mutex<Vec<_>>>::default());
        let hears = Arc::clone(&said);
        let agent = Agent::builder()
            .host(facts)
            .clock(ManualClock::default())
            .gadget(archivist)
            .policy(policy)
            .actions(actions.clone())
            .on_event(move |event, _| match event {
                Event::Reviewed(review) if review.verdict != Verdict::Permitted => {
                    hears.lock().unwrap().push(format!("{:?}", review.verdict));
                }
                Event::Assessed(assessment) => {
                    let statement = assessment.statement.as_deref().unwrap_or_default();
                    hears.lock().unwrap().push(format!("{}: {statement}", assessment.class));
                }
                _ => {}
            })
            .build()
            .unwrap();
        Self { agent, actions, said, second: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(START + self.second)
    }

    /// Lets seconds pass in which a service logs as it always does; `more` is seen in the first.
    fn pass(&mut self, seconds: u64, more: Option<Reading>) {
        let mut more = more;
        for _ in 0..seconds {
            self.second += 1;
            let at = self.now();
            let logs =
                ServiceLogs { service: "api".into(), lines: 50, errors: 0, bytes: 9000, lost: 0 };
            let activity = LogActivity { over: Duration::from_secs(1), services: vec![logs] };
            let mut signals = vec![signal(at, Reading::LogActivity(activity.into()))];
            signals.extend(more.take().map(|reading| signal(at, reading)));
            self.agent.step(&signals, at);
        }
    }

    /// What was flushed, in seconds from the beginning, and why.
    fn flushed(&self) -> Vec<(u64, u64, String)> {
        let secs = |at: Timestamp| at.as_nanos() / 1_000_000_000 - START;
        let applied = self.actions.applied();
        let flush = |plan: &gadget_core::Plan| match plan.step {
            Step::FlushLogs { from, until } => {
                (secs(from), secs(until), plan.reason.clone().into_owned())
            }
            ref other => panic!("{other}"),
        };
        applied.iter().map(flush).collect()
    }

    fn said(&self, part: &str) -> bool {
        self.said.lock().unwrap().iter().any(|said| said.contains(part))
    }
}

fn signal(at: Timestamp, reading: Reading) -> Signal {
    Signal { at, subject: Subject::Host, reading }
}

fn news(id: u32, second: u64, template: &str) -> Reading {
    Reading::LogTemplate(Box::new(LogTemplate {
        service: "api".into(),
        template: template.into(),
        id,
        severity: Some(Severity::Error),
        at: Timestamp::from_secs(START + second),
        known: 12,
        lines: 9000,
        kin: 0,
        count: 1,
        elsewhere: 0,
    }))
}

fn crash(second: u64) -> Reading {
    let exit =
        Exit { code: None, signal: Some(11), lifetime: Duration::from_secs(500), peak_rss: None };
    let end = End {
        id: ProcessId { pid: 77, start: Timestamp::from_secs(START - 500 + second).as_nanos() },
        parent: 1,
        parent_comm: None,
        comm: Comm::new(b"api"),
        cgroup: None,
        exit,
        user: None,
        system: None,
        execs: 1,
        oom: false,
    };
    let (source, ends) = (ExitSource::Bpf, vec![end]);
    Reading::Exits(Exits { source, forks: 0, execs: 0, produced: 1, lost: 0, ends }.into())
}

fn permitted() -> Policy {
    Policy::from_toml(POLICY).unwrap()
}

fn archivist(settings: Settings) -> Archivist {
    Archivist::builder().settings(settings).build().unwrap()
}

#[test]
fn the_cause_and_the_crash_it_led_to_are_one_flush() {
    let mut bench = Bench::new(archivist(Settings::default()), permitted());
    bench.pass(300, None);
    bench.pass(5, Some(news(1, 301, "ERROR heap of <*> is corrupt")));
    bench.pass(200, Some(crash(306)));
    let reason = "incident 1: never logged before, crash in api".to_owned();
    assert_eq!(bench.flushed(), [(211, 336, reason)]);
    assert!(bench.said("api never logged this before: ERROR heap of <*> is corrupt"));
    assert!(bench.said("api ended by signal 11"));
}

#[test]
fn without_a_policy_nothing_is_sent_and_that_is_on_record() {
    let mut bench = Bench::new(archivist(Settings::default()), Policy::observe());
    bench.pass(300, None);
    bench.pass(200, Some(news(1, 301, "ERROR heap is corrupt")));
    assert!(bench.flushed().is_empty());
    assert!(bench.said("Observe"), "{:?}", bench.said.lock().unwrap());
}

#[test]
fn a_day_has_a_budget_and_a_call_is_beyond_it() {
    let settings = Settings { per_day: 2, ..Settings::default() };
    let mut bench = Bench::new(archivist(settings), permitted());
    bench.pass(300, None);
    for n in 0..4 {
        bench.pass(200, Some(crash(300 + n * 200)));
    }
    assert_eq!(bench.flushed().len(), 2);
    assert!(bench.said("not sent, 2 were today"));
    let call = CaptureCall { by: "ops".into(), reason: "looks odd".into(), service: None };
    bench.pass(100, Some(Reading::CaptureCall(Box::new(call))));
    assert_eq!(bench.flushed().len(), 3);
    assert!(bench.said("ops asks: looks odd"));
    // 1,000,000 s are within a day that ends at 1,036,800 s.
    let left = 36_800 - bench.second;
    bench.pass(left, None);
    bench.pass(100, Some(crash(36_900)));
    assert_eq!(bench.flushed().len(), 4, "the next day has its own");
}

#[test]
fn what_an_earlier_life_left_behind_is_sent_at_once() {
    let secs = Timestamp::from_secs;
    let archivist = Archivist::builder().left_behind(secs(START - 50), secs(START - 5));
    let mut bench = Bench::new(archivist.build().unwrap(), permitted());
    bench.pass(2, None);
    let spans = |bench: &Bench| -> Vec<(Timestamp, Timestamp)> {
        let span = |plan: &gadget_core::Plan| match plan.step {
            Step::FlushLogs { from, until } => (from, until),
            ref other => panic!("{other}"),
        };
        bench.actions.applied().iter().map(span).collect()
    };
    let left = (secs(START - 50), secs(START - 5));
    assert_eq!(spans(&bench), [left]);
    bench.pass(40, None);
    assert_eq!(
        spans(&bench),
        [left, (secs(START + 1), secs(START + 31))],
        "and what is read since"
    );
    assert!(bench.said("the agent was killed, 45 s of logs are still there"));
}

#[test]
fn an_end_that_is_in_order_is_no_incident() {
    let mut bench = Bench::new(archivist(Settings::default()), permitted());
    bench.pass(300, None);
    for signal in [None, Some(15), Some(2)] {
        let lifetime = Duration::from_secs(9);
        let code = signal.is_none().then_some(1);
        let exit = Exit { code, signal, lifetime, peak_rss: None };
        bench.pass(40, Some(Reading::Exited(exit)));
    }
    assert!(bench.flushed().is_empty());
}

#[test]
fn requests_that_slow_down_are_found_in_the_lines_that_report_them() {
    let policy = Policy::from_toml(POLICY).unwrap();
    let mut bench = Bench::new(Archivist::builder().build().unwrap(), policy);
    let mut watch = LogWatch::default();
    let at = |second: u64| Timestamp::from_secs(START + second);
    let mut signals = Vec::new();
    for second in 1..=500 {
        for nth in 0..20 {
            let millis = if second > 400 { 900 } else { 10 + (second * 7 + nth * 13) % 40 };
            let line = format!("GET /cart/{second}{nth} 200 in {millis} ms");
            let meta = LogMeta {
                source: SourceId::OTHER,
                at: at(second),
                written: None,
                severity: None,
                flags: LogFlags::default(),
            };
            watch.observe_line("api", &meta, line.as_bytes());
        }
        watch.readings(at(second), &mut signals);
        bench.agent.step(&signals, at(second));
        signals.clear();
    }
    let [(from, until, reason)] = &bench.flushed()[..] else { panic!("{:?}", bench.flushed()) };
    assert!(reason.contains("latency in api"), "{reason}");
    // Two readings of five seconds after it began, less the 90 seconds before.
    assert!((310..=325).contains(from) && (430..=445).contains(until), "{from} {until}");
    assert!(bench.said("0.900 s, where 0.049 s are usual: GET /cart/<*> in <*> ms"));
}
