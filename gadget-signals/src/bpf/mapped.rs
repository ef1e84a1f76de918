//! A map of records that the kernel shares with us page by page.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};

use gadget_core::SignalError;
use libbpf_rs::MapCore;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::record::Record;

/// The entries of a `BPF_F_MMAPABLE` array map, read without a system call.
pub(super) struct Mapped<R> {
    start: NonNull<c_void>,
    bytes: usize,
    entries: usize,
    record: PhantomData<R>,
}

// SAFETY: it is read-only memory that belongs to no thread, and is unmapped once.
unsafe impl<R> Send for Mapped<R> {}

impl<R: Record> Mapped<R> {
    /// # Errors
    /// [`SignalError::Program`] if the map does not hold such records or cannot be mapped.
    pub(super) fn of(map: &dyn MapCore, provider: &'static str) -> Result<Self, SignalError> {
        let failed = |source| SignalError::Program { attempt: "map memory of", provider, source };
        let size = mem::size_of::<R>();
        // The kernel places entries at multiples of 8.
        if map.value_size() as usize != size || !size.is_multiple_of(8) {
            return Err(failed(io::Error::other("records of another size")));
        }
        let entries = map.max_entries() as usize;
        let bytes = (entries * size).next_multiple_of(rustix::param::page_size());
        // SAFETY: a new mapping at an address that the kernel chooses takes nothing from anybody.
        let start = unsafe {
            mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, map.as_fd(), 0)
        };
        let start = NonNull::new(start.map_err(|error| failed(error.into()))?);
        let start = start.ok_or_else(|| failed(io::Error::other("mapped at address 0")))?;
        Ok(Self { start, bytes, entries, record: PhantomData })
    }

    /// A copy of one entry as it is now, or while a program writes it a mixture; `None` beyond the last.
    pub(super) fn get(&self, index: usize) -> Option<R> {
        (index < self.entries).then(|| {
            // SAFETY: the mapping holds that many entries for as long as `self` lives, and any bytes are a record. Volatile, as
            // programs write it.
            unsafe { self.start.as_ptr().cast::<R>().add(index).read_volatile() }
        })
    }
}

impl<R> Drop for Mapped<R> {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length; copies were given out, and no references.
        let _ = unsafe { munmap(self.start.as_ptr(), self.bytes) };
    }
}
