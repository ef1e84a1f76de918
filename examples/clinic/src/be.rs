//! The cases that are written in Rust: modes of this program.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use anyhow::bail;
use rustix::thread::gettid;
use serde_json::json;

/// Becomes the case of that name, for ever.
pub(crate) fn be(mode: &str) -> anyhow::Result<()> {
    match mode {
        "mutex" => abba(),
        _ => bail!("there is no Rust program {mode:?}"),
    }
}

/// Two threads, each with the `std::sync::Mutex` that the other one wants. Its word names no owner.
fn abba() -> anyhow::Result<()> {
    let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
    let both_hold_one = Arc::new(Barrier::new(3));
    let threads = [0, 1].map(|own| {
        let (locks, both_hold_one) = (Arc::clone(&locks), Arc::clone(&both_hold_one));
        let (sender, tid) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            sender.send(gettid().as_raw_nonzero().get()).ok();
            let _own = locks[own].lock();
            both_hold_one.wait();
            let _other = locks[1 - own].lock();
        });
        (thread, tid)
    });
    both_hold_one.wait();
    let tids: Vec<i32> = threads.iter().filter_map(|(_, tid)| tid.recv().ok()).collect();
    println!("READY {}", json!({ "blocked": tids }));
    for (thread, _) in threads {
        thread.join().ok();
    }
    Ok(())
}
