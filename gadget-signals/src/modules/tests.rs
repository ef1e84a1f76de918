//! Real threads that work, idle, fall silent and die.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use gadget_core::{Bytes, thread_cpu};

use super::*;

fn read(modules: &mut Modules) -> Vec<ModuleUse> {
    let mut signals = Signals::at(Timestamp::from_secs(1));
    modules.sample(Timestamp::from_secs(1), Scope::Everything, &mut signals).unwrap();
    let uses = signals.into_iter().map(|signal| match &signal.reading {
        Reading::ModuleUse(used) => (**used).clone(),
        other => panic!("{other:?}"),
    });
    uses.collect()
}

fn of(modules: &mut Modules, name: &str) -> Option<ModuleUse> {
    read(modules).into_iter().find(|used| used.module == name)
}

fn burn(cpu: Duration) {
    let start = thread_cpu();
    let mut spun = 0_u64;
    while thread_cpu() - start < cpu {
        spun = black_box(spun + 1);
    }
}

const MS: Duration = Duration::from_millis(1);

type Work = Box<dyn FnOnce(&ModuleHandle) + Send>;

/// A thread of a part that does what it is told, one thing after the other.
struct Worker {
    tell: mpsc::Sender<Work>,
    told: mpsc::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

impl Worker {
    fn of(handle: ModuleHandle) -> Self {
        let (tell, work) = mpsc::channel::<Work>();
        let (tells, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _here = handle.enter();
            tells.send(()).unwrap();
            for work in work {
                work(&handle);
                tells.send(()).unwrap();
            }
        });
        told.recv().unwrap();
        Self { tell, told, thread }
    }

    fn does(&self, work: impl FnOnce(&ModuleHandle) + Send + 'static) {
        self.tell.send(Box::new(work)).unwrap();
        self.told.recv().unwrap();
    }

    fn leaves(self) {
        drop(self.tell);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_part_that_burns_cpu_shows_and_one_that_sleeps_does_not() {
    let mut modules = Modules::host().unwrap();
    let (busy, idle) = (Worker::of(modules.module("busy")), Worker::of(modules.module("idle")));
    busy.does(|_| burn(200 * MS));
    let busy_use = of(&mut modules, "busy").unwrap();
    // The kernel counts a running thread at its ticks; this one waits now.
    assert!(busy_use.cpu >= 200 * MS && busy_use.cpu < 400 * MS, "{busy_use:?}");
    assert!(busy_use.over >= busy_use.cpu, "{busy_use:?}");
    let idle_use = of(&mut modules, "idle").unwrap();
    assert!(idle_use.cpu < 20 * MS, "{idle_use:?}");
    let whole = of(&mut modules, ModuleUse::WHOLE).unwrap();
    assert!(whole.cpu >= busy_use.cpu, "{whole:?} holds {busy_use:?}");
    assert!(whole.memory.unwrap() > Bytes::from_mib(1));
    busy.leaves();
    idle.leaves();
}

#[test]
fn what_a_thread_did_before_is_not_held_against_the_part_and_what_one_did_that_left_is() {
    let mut modules = Modules::host().unwrap();
    let handle = modules.module("part");
    burn(100 * MS);
    let here = handle.enter();
    let entered = of(&mut modules, "part").unwrap();
    assert!(entered.cpu < 50 * MS, "{entered:?}");
    let worker = Worker::of(handle.clone());
    worker.does(|_| burn(100 * MS));
    worker.leaves();
    let after = of(&mut modules, "part").unwrap();
    assert!(after.cpu >= 100 * MS, "{after:?}");
    drop(here);
    assert_eq!(of(&mut modules, "part"), None, "nobody is there");
}

#[test]
fn a_part_that_stops_beating_is_silent_and_one_that_never_did_is_not_asked() {
    let mut modules = Modules::host().unwrap();
    let worker = Worker::of(modules.module("beats"));
    assert_eq!(of(&mut modules, "beats").unwrap().silent, None);
    worker.does(ModuleHandle::beat);
    let fresh = of(&mut modules, "beats").unwrap().silent.unwrap();
    worker.does(|_| thread::sleep(120 * MS));
    let silent = of(&mut modules, "beats").unwrap().silent.unwrap();
    assert!(silent >= 110 * MS && silent > fresh + 90 * MS, "{fresh:?} {silent:?}");
    // A host that does not let us run may stretch one look, and not each of them.
    let beats_again = (0..50).any(|_| {
        worker.does(ModuleHandle::beat);
        of(&mut modules, "beats").unwrap().silent.unwrap() < 60 * MS
    });
    assert!(beats_again);
    worker.leaves();
}

#[test]
fn a_thread_that_panicked_is_told_until_another_takes_its_place() {
    let mut modules = Modules::host().unwrap();
    let handle = modules.module("dies");
    let survivor = Worker::of(handle.clone());
    let dies = handle.clone();
    let panicked = thread::spawn(move || {
        let _here = dies.enter();
        burn(30 * MS);
        std::panic::resume_unwind(Box::new("a test")); // without the message
    });
    assert!(panicked.join().is_err());
    thread::sleep(50 * MS);
    survivor.does(ModuleHandle::beat);
    let dead = of(&mut modules, "dies").unwrap();
    assert!(dead.silent.unwrap() >= 50 * MS, "the other thread does not speak for it: {dead:?}");
    assert!(dead.cpu >= 30 * MS, "{dead:?}");
    let heir = Worker::of(handle);
    let alive = (0..50).any(|_| {
        heir.does(ModuleHandle::beat);
        of(&mut modules, "dies").unwrap().silent.unwrap() < 50 * MS
    });
    assert!(alive, "as its heir is");
    assert!(of(&mut modules, "dies").unwrap().cpu >= 30 * MS);
    heir.leaves();
    survivor.leaves();
}

#[test]
fn a_thread_that_ended_without_a_word_is_told() {
    let mut modules = Modules::host().unwrap();
    let handle = modules.module("gone");
    thread::spawn(move || std::mem::forget(handle.enter())).join().unwrap();
    let mut dead = || of(&mut modules, "gone").unwrap();
    dead();
    thread::sleep(30 * MS);
    assert!(dead().silent.unwrap() >= 30 * MS);
}

#[test]
fn what_a_part_keeps_is_what_it_says() {
    let mut modules = Modules::host().unwrap();
    let handle = modules.module("keeps");
    let _here = handle.enter();
    let keeps = |modules: &mut Modules| {
        let used = of(modules, "keeps").unwrap();
        (used.memory, used.fds)
    };
    assert_eq!(keeps(&mut modules), (None, None));
    handle.keeps(Some(Bytes::new(5)), 7);
    assert_eq!(keeps(&mut modules), (Some(Bytes::new(5)), Some(7)));
    handle.keeps(None, 0);
    assert_eq!(keeps(&mut modules), (None, Some(0)));
}

#[test]
fn open_files_are_counted_in_either_way() {
    let folder = Path::new("/proc/self/fd");
    let (counted, sized) = (Fds { path: folder.into(), sized: false }, Fds::new(folder).unwrap());
    let count = |fds: &Fds| fds.count().unwrap();
    let files: Vec<_> = (0..500).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    // Other tests open and close files meanwhile, but not all the time.
    let agrees = (0..1_000).any(|_| {
        let [before, other, after] = [&sized, &counted, &sized].map(count);
        before == other && other == after
    });
    assert!(agrees && count(&sized) > 500);
    let fewer = (0..1_000).any(|_| {
        let (with, held) = (count(&sized), std::fs::File::open("/dev/null"));
        let more = count(&sized);
        drop(held);
        (with + 1, with) == (more, count(&sized))
    });
    assert!(fewer, "one more file is one more");
    drop(files);
}

#[test]
fn parts_and_threads_are_bounded_and_those_beyond_are_counted() {
    let mut modules = Modules::host().unwrap();
    let names: Vec<_> = (0..70).map(|n| modules.module(format!("part {n}"))).collect();
    assert_eq!(modules.unwatched(), 6);
    let here: Vec<_> = (0..70).map(|_| names[0].enter()).collect();
    assert_eq!(modules.unwatched(), 12);
    let _beyond = names[69].enter();
    assert_eq!(read(&mut modules).len(), 2, "the whole, and the one part that is in");
    drop(here);
    assert_eq!(read(&mut modules).len(), 1);
}

#[test]
fn a_provider_that_is_watched_is_a_part_that_beats() {
    let mut modules = Modules::host().unwrap();
    let mut watched = modules.watch("silent", gadget_core::Silent);
    assert_eq!(of(&mut modules, "silent"), None, "it was not asked yet");
    let mut out = Signals::default();
    watched.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
    assert!(of(&mut modules, "silent").unwrap().silent.unwrap() < Duration::from_secs(5));
    assert!(watched.wait(Duration::ZERO).is_none());
    assert_eq!(watched.name(), "silent");
}

#[test]
fn it_answers_who_asks_for_the_agent_and_nobody_else() {
    let mut modules = Modules::host().unwrap();
    let now = Timestamp::from_secs(1);
    for (subject, expected) in [(Subject::Agent, 1), (Subject::Host, 0)] {
        let mut out = Signals::at(now);
        modules.sample(now, Scope::Only(&[subject]), &mut out).unwrap();
        assert_eq!(out.as_slice().len(), expected);
    }
}
