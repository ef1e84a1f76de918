//! What is added to an incident's record: who waited for whom.

use std::collections::BTreeMap;

use gadget_core::{Name, Plan, ProcessId, Subject, Threads, Wait};
use gadget_pathologist::LockGraph;
use gadget_signals::ThreadReader;

/// The most processes that a lock graph is followed through.
const MOST: usize = 16;

/// The lock graph of the target, and of those that it shares locks with, as text and as a picture.
pub(crate) fn lock_graph(reader: &mut ThreadReader, plan: &Plan) -> Vec<(Name, Vec<u8>)> {
    let Subject::Process(target) = plan.target.subject else { return Vec::new() };
    let mut looks: BTreeMap<ProcessId, Threads> = BTreeMap::new();
    let mut open = vec![target];
    while let Some(id) = open.pop() {
        if looks.len() >= MOST || looks.contains_key(&id) {
            continue;
        }
        // One that is gone, or may not be read, is left out of the picture.
        if let Ok(Some(threads)) = reader.read(id) {
            open.extend(owners(&threads));
            looks.insert(id, threads);
        }
    }
    let graph = LockGraph::of_all(looks.iter().map(|(id, threads)| (*id, threads)));
    vec![
        ("locks.txt".into(), graph.to_string().into_bytes()),
        ("locks.svg".into(), graph.svg().into_bytes()),
    ]
}

fn owners(threads: &Threads) -> impl Iterator<Item = ProcessId> {
    threads.threads.iter().filter_map(|thread| match &thread.wait {
        Wait::Futex(futex) => Some(futex.lock?.owner?.process),
        _ => None,
    })
}
