//! Counting allocations; the one module of the test support with unsafe code.
#![allow(unsafe_code, reason = "implementing GlobalAlloc is unsafe")]
#![allow(unreachable_pub, reason = "this crate's own tests include this file by its path")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Const-initialized and without a destructor: touching it does not allocate.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting how often each thread asks it for memory.
///
/// ```
/// use gadget_core::testing::{Counting, allocations};
///
/// #[global_allocator]
/// static ALLOCATOR: Counting = Counting;
///
/// let before = allocations();
/// let kept = Box::new(7);
/// assert_eq!(allocations() - before, u64::from(*kept == 7));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// How often this thread has asked for memory so far, growth of what it had included; 0 unless [`Counting`] is the global
/// allocator.
#[must_use]
pub fn allocations() -> u64 {
    CALLS.get()
}

// SAFETY: every call is handed on unchanged to `System`, which keeps the contract; counting touches none of its memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same for `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `System` by way of this type, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as in `dealloc`; the caller keeps `size` non-zero.
        unsafe { System.realloc(memory, layout, size) }
    }
}
