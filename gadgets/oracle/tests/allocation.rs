//! Between a forecast and its plan the Oracle allocates nothing.
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod sim;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gadget_oracle::Oracle;
use sim::{Actor, Sim};

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is; counting touches no memory but the thread's own
// counter, which needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `ptr` came from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.get()
}

#[test]
fn from_the_first_byte_of_a_leak_to_its_end_nothing_is_allocated() {
    let leak = |lived: f64| 20.0 + 8.0 * (lived - 10.0).max(0.0);
    let mut actors = vec![Actor::new(500, "report-worker", leak)];
    actors.extend((0..40).map(|index| Actor::new(600 + index, "service", |_| 5.0)));
    let mut sim = Sim::new(Oracle::builder().build().expect("the defaults are valid"), actors);
    sim.meter = allocations;
    sim.run(5.0);
    assert!(sim.metered > 0, "the meter does not count");
    sim.metered = 0;
    let story = sim.run(60.0);
    assert!(!story.proposed.is_empty() && story.harmed() == [500], "{:?}", story.ended);
    assert_eq!(sim.metered, 0);
}
