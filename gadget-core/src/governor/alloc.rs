//! Counting allocations; the one module of this crate with unsafe code.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    // Const-initialized and without a destructor: touching it neither allocates nor fails while a thread ends.
    static NET: Cell<i64> = const { Cell::new(0) };
}

/// A global allocator that counts, per thread, the bytes it hands out less those it takes back.
///
/// With it installed a [`Meter`](crate::Meter) tells what each gadget keeps; without it only the resident memory of the
/// whole agent is known. Memory that one part allocates and another frees is counted where each happened.
///
/// ```
/// use gadget_core::Accounting;
///
/// #[global_allocator]
/// static ALLOCATOR: Accounting<std::alloc::System> = Accounting::new(std::alloc::System);
/// # let meter = gadget_core::Meter::start();
/// # let kept = vec![0_u8; 4096];
/// # assert_eq!(meter.stop().allocated, Some(kept.len() as i64));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounting<A>(A);

impl<A> Accounting<A> {
    /// Counts what `allocator` hands out.
    #[must_use]
    pub const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

/// This thread's count so far.
pub(super) fn net() -> i64 {
    NET.get()
}

fn count(bytes: i64) {
    NET.set(NET.get().wrapping_add(bytes));
}

const fn signed(size: usize) -> i64 {
    size as i64
}

// SAFETY: every call is handed on unchanged to `A`, which keeps the contract; the count beside it touches no memory of
// the allocator and cannot panic or allocate.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Accounting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same for `A`.
        let memory = unsafe { self.0.alloc(layout) };
        if !memory.is_null() {
            count(signed(layout.size()));
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if !memory.is_null() {
            count(signed(layout.size()));
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `A` by way of this type, with this layout.
        unsafe { self.0.dealloc(memory, layout) };
        count(-signed(layout.size()));
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; the caller keeps `size` non-zero.
        let moved = unsafe { self.0.realloc(memory, layout, size) };
        if !moved.is_null() {
            count(signed(size) - signed(layout.size()));
        }
        moved
    }
}
