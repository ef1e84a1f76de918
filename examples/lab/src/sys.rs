//! The few system calls that no safe wrapper covers: memory that is really given back, ignoring `SIGTERM`, and switching the
//! loopback device on.
#![allow(unsafe_code)]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

const PAGE: usize = 4096;

/// Anonymous memory whose resident size follows [`resize`](Self::resize) exactly, both ways.
///
/// An allocator keeps what is freed; this one returns it to the kernel, so that a burst that frees is seen to free.
#[derive(Debug)]
pub(crate) struct Arena {
    start: NonNull<u8>,
    capacity: usize,
    resident: usize,
}

impl Arena {
    /// Reserves address space for `capacity` bytes; nothing is resident yet.
    pub(crate) fn reserve(capacity: u64) -> io::Result<Self> {
        let capacity = round_up(capacity.max(1));
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                capacity,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        // Small pages only: the resident size must move in steps of one page, not of 2 MiB.
        // SAFETY: the range is the mapping made above; the advice changes no contents.
        unsafe { madvise(start, capacity, Advice::LinuxNoHugepage) }.ok();
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, capacity, resident: 0 })
    }

    /// Bytes resident now.
    pub(crate) fn resident(&self) -> u64 {
        self.resident as u64
    }

    /// Makes `bytes` resident, bounded by the capacity: touches new pages, or gives pages back.
    pub(crate) fn resize(&mut self, bytes: u64) -> io::Result<()> {
        let wanted = round_up(bytes).min(self.capacity);
        if wanted < self.resident {
            // SAFETY: the range lies inside the mapping and no reference into it outlives a method call.
            unsafe {
                madvise(
                    self.start.as_ptr().add(wanted).cast(),
                    self.resident - wanted,
                    Advice::LinuxDontNeed,
                )
            }?;
        } else {
            self.write(self.resident, wanted);
        }
        self.resident = wanted;
        Ok(())
    }

    /// Writes one byte in each resident page, as a program that uses all of its memory would.
    pub(crate) fn touch(&mut self) {
        self.write(0, self.resident);
    }

    fn write(&mut self, from: usize, to: usize) {
        for offset in (from..to).step_by(PAGE) {
            // SAFETY: `to` never exceeds the capacity, so the address lies inside the writable mapping.
            unsafe {
                let byte = self.start.as_ptr().add(offset);
                byte.write_volatile(byte.read_volatile().wrapping_add(1));
            }
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `reserve` with this length, and `self` is its only owner.
        unsafe { munmap(self.start.as_ptr().cast(), self.capacity) }.ok();
    }
}

/// Ignores `SIGTERM`, as a leaker does that nobody can ask nicely.
pub(crate) fn ignore_term() {
    // SAFETY: SIG_IGN installs no handler, so no code of ours runs in a signal context.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}

/// Switches the loopback device of this network namespace on, as whoever boots a system does.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all of it is integers and arrays of them, of which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (into, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *into = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads one `ifreq`, which is borrowed for the call, by a socket that is open.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn round_up(bytes: u64) -> usize {
    (bytes as usize).div_ceil(PAGE) * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_gives_memory_back() {
        let mut arena = Arena::reserve(8 << 20).unwrap();
        let before = crate::procfs::Stat::read(std::process::id()).unwrap().rss();
        arena.resize(8 << 20).unwrap();
        let full = crate::procfs::Stat::read(std::process::id()).unwrap().rss();
        arena.resize(0).unwrap();
        let after = crate::procfs::Stat::read(std::process::id()).unwrap().rss();
        // The kernel batches rss counters per thread, 64 pages at most per kind.
        assert!(full >= before + (7 << 20), "{before} {full}");
        assert!(after + (6 << 20) <= full, "{full} {after}");
    }

    #[test]
    fn an_arena_never_outgrows_its_capacity() {
        let mut arena = Arena::reserve(PAGE as u64).unwrap();
        arena.resize(1 << 30).unwrap();
        arena.touch();
        assert_eq!(arena.resident(), PAGE as u64);
    }
}
