//! Sweeps over the host find the few processes that are worth a look.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use gadget_core::{
    Reading, Scope, SignalError, SignalProvider, Signals, Subject, Threads, Timestamp, Wait,
};
use gadget_signals::{Candidate, Candidates, ProcWalk, Suspicion, ThreadReader, Waits};

use crate::child::{Program, identity};

/// A provider that comes by every thread in each sweep, at times of our own.
struct Sweeps {
    waits: Waits,
    now: Timestamp,
}

impl Sweeps {
    fn begin() -> Self {
        let walk = ProcWalk::host().unwrap().threads_per_look(1_000_000);
        let waits = Waits::with(ThreadReader::host().unwrap(), Box::new(walk));
        Self { waits, now: Timestamp::from_secs(1_000_000) }
    }

    /// What a sweep `seconds` after the one before says of `subject`.
    fn after(&mut self, seconds: u64, program: &Program) -> Option<Reading> {
        self.now = self.now + Duration::from_secs(seconds);
        let mut out = Signals::at(self.now);
        self.waits.sample(self.now, Scope::Everything, &mut out).unwrap();
        let subject = Subject::Process(program.id());
        let mut all = out.as_slice().iter().filter(|signal| signal.subject == subject);
        let first = all.next().map(|signal| signal.reading.clone());
        assert!(all.next().is_none(), "said twice");
        first
    }
}

fn threads(reading: Option<Reading>) -> Threads {
    match reading {
        Some(Reading::Threads(threads)) => *threads,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deadlock_is_told_of_once_it_rests_and_at_each_sweep() {
    let Some(program) = Program::start(&["abba"]) else { return };
    let mut sweeps = Sweeps::begin();
    assert_eq!(sweeps.after(0, &program), None);
    assert_eq!(sweeps.after(1, &program), None);
    let first = threads(sweeps.after(9, &program));
    assert_eq!(first.threads.len(), 3);
    assert_eq!(threads(sweeps.after(10, &program)), first);
}

#[test]
fn a_lock_that_is_held_for_long_is_told_of_though_its_owner_sleeps() {
    let Some(program) = Program::start(&["checking"]) else { return };
    let mut sweeps = Sweeps::begin();
    assert_eq!(sweeps.after(0, &program), None);
    assert_eq!(threads(sweeps.after(10, &program)).threads.len(), 2);
}

#[test]
fn idle_processes_are_not_told_of() {
    for mode in ["condition", "semaphore", "barrier", "join", "threads", "timed"] {
        let Some(program) = Program::start(&[mode]) else { return };
        let mut sweeps = Sweeps::begin();
        for _ in 0..5 {
            assert_eq!(sweeps.after(10, &program), None, "{mode}");
        }
    }
}

#[test]
fn a_process_that_was_asked_for_is_told_of_whatever_it_does() {
    let Some(program) = Program::start(&["threads", "3"]) else { return };
    let mut waits = Waits::host().unwrap();
    let now = Timestamp::from_secs(9);
    let subject = Subject::Process(program.id());
    let gone =
        identity(program.pid()).map(|id| gadget_core::ProcessId { start: id.start + 1, ..id });
    let mut subjects = vec![Subject::Host, subject, Subject::Process(gone.unwrap())];
    subjects.sort();
    let mut out = Signals::at(now);
    waits.sample(now, Scope::Only(&subjects), &mut out).unwrap();
    let [signal] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(signal.subject, subject);
    let threads = threads(Some(signal.reading.clone()));
    assert_eq!(threads.threads.len(), 4);
    assert!(threads.threads.iter().all(|thread| thread.wait == Wait::Signal));
}

#[test]
fn a_process_of_many_threads_is_not_read_all_the_time() {
    let Some(program) = Program::start(&["threads", "600"]) else { return };
    let mut waits = Waits::host().unwrap();
    let mut told = |millis| {
        let now = Timestamp::from_secs(9) + Duration::from_millis(millis);
        let mut out = Signals::at(now);
        waits.sample(now, Scope::Only(&[Subject::Process(program.id())]), &mut out).unwrap();
        out.as_slice().len()
    };
    assert_eq!([told(0), told(1_000), told(1_999), told(2_000), told(2_500)], [1, 0, 0, 1, 0]);
}

#[test]
fn one_that_ends_is_gone_and_one_that_moves_again_is_told_of_a_last_time() {
    let Some(mut program) = Program::start(&["sleep-then-lock"]) else { return };
    let mut sweeps = Sweeps::begin();
    sweeps.after(0, &program);
    threads(sweeps.after(10, &program));
    program.signal(rustix::process::Signal::USR2);
    program.settle();
    let last = threads(sweeps.after(10, &program));
    assert!(last.threads.iter().all(|thread| thread.wait == Wait::Signal), "{last:?}");
    assert_eq!(sweeps.after(10, &program), None);

    let mut program = Program::start(&["abba"]).unwrap();
    sweeps.after(10, &program);
    threads(sweeps.after(10, &program));
    let id = program.id();
    program.end();
    let mut out = Signals::at(sweeps.now);
    sweeps.waits.sample(sweeps.now, Scope::Everything, &mut out).unwrap();
    let subject = Subject::Process(id);
    let told: Vec<_> = out.into_iter().filter(|signal| signal.subject == subject).collect();
    assert_eq!(told.iter().map(|signal| &signal.reading).collect::<Vec<_>>(), [&Reading::Gone]);
}

#[test]
fn who_asked_and_got_no_answer_is_told_of_after_a_minute() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let port = address.port().to_string();
    let Some(program) = Program::start(&["ask", &port]) else { return };
    let (mut accepted, _) = server.accept().unwrap();
    let mut sweeps = Sweeps::begin();
    for _ in 0..5 {
        assert_eq!(sweeps.after(13, &program), None);
    }
    let look = threads(sweeps.after(13, &program));
    let Wait::Peer(peer) = look.threads[0].wait else { panic!("{look:?}") };
    assert_eq!((peer.address, peer.timed), (Some(address), false));
    assert_eq!((peer.sent.is_some(), peer.received), (true, None));
    // As long as nothing changes once a minute is enough.
    assert_eq!(sweeps.after(13, &program), None);
    accepted.write_all(b"answer").unwrap();
}

#[test]
fn who_does_not_accept_is_told_of_while_clients_wait() {
    let Some(program) = Program::start(&["deaf"]) else { return };
    let port: u16 = program.said[0].strip_prefix("port ").unwrap().parse().unwrap();
    let mut waits = ThreadReader::host().unwrap();
    let mut look = || {
        // Sooner, the same answer is given.
        std::thread::sleep(Duration::from_millis(250));
        waits.read(program.id()).unwrap().unwrap().listeners
    };
    assert_eq!(look(), []);
    let clients: Vec<_> =
        (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let [first] = look()[..] else { panic!("no queue") };
    assert_eq!((first.queued, first.still, first.address.port()), (3, Duration::ZERO, port));
    let [second] = look()[..] else { panic!("no queue") };
    assert!(second.still >= Duration::from_millis(250) && second.limit >= 3);
    drop(clients);
}

/// Finds one thread, whatever the host does.
struct Told(Candidate);

impl Candidates for Told {
    fn find(&mut self, _: Timestamp, found: &mut Vec<Candidate>) -> Result<(), SignalError> {
        found.push(self.0);
        Ok(())
    }
    fn describe(&self) -> String {
        "one".to_owned()
    }
}

#[test]
fn candidates_may_come_from_elsewhere() {
    let Some(program) = Program::start(&["self"]) else { return };
    let candidate = Candidate {
        process: program.id(),
        tid: program.pid(),
        still: Duration::from_secs(10),
        suspicion: Suspicion::Closed,
    };
    let waits = Waits::with(ThreadReader::host().unwrap(), Box::new(Told(candidate)));
    assert_eq!(waits.describe(), "one, with foreign memory, with sockets");
    let mut sweeps = Sweeps { waits, now: Timestamp::from_secs(1_000) };
    assert_eq!(threads(sweeps.after(0, &program)).threads.len(), 1);
}
