//! Another process's memory and sockets, read without its taking part: the calls that rustix lacks.

#![allow(unsafe_code)]

use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;

use super::layout::LockWords;

/// The words around `address` in the memory of thread `tid`; `None` if the futex itself cannot be read.
///
/// Copies at most 64 bytes by process_vm_readv(2). The memory may be unmapped, huge or changing.
///
/// # Errors
/// `EPERM` without the right to, `ESRCH` once the thread is gone.
pub(crate) fn words_at(tid: u32, address: u64) -> Result<Option<LockWords>, Errno> {
    let mut bytes = [0; 64];
    let below = address.wrapping_sub(16);
    if read(tid, below, &mut bytes)? {
        return Ok(Some(LockWords {
            before: Some(words(&bytes)),
            at: words(&bytes[16..]),
            after: Some(words(&bytes[56..])),
        }));
    }
    // A piece of that is not mapped.
    let mut part =
        |address, len: usize| Ok(read(tid, address, &mut bytes[..len])?.then_some(bytes));
    let (before, behind) = (part(below, 16)?, part(address.wrapping_add(40), 8)?);
    let at = match part(address, 40)? {
        Some(bytes) => words(&bytes),
        None => match part(address, 4)? {
            Some(bytes) => {
                let mut at = [0; 10];
                [at[0]] = words(&bytes);
                at
            }
            None => return Ok(None),
        },
    };
    let after = behind.map(|bytes| words(&bytes));
    Ok(Some(LockWords { before: before.map(|bytes| words(&bytes)), at, after }))
}

/// The first words of `bytes`.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

/// Fills `into` from `address`; false if not all of it is mapped.
fn read(tid: u32, address: u64, into: &mut [u8]) -> Result<bool, Errno> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: `local` describes `into`, which is borrowed for the call; `remote` is a place in another address space, which
    // the kernel checks and from which it only reads.
    let read = unsafe { libc::process_vm_readv(tid as libc::pid_t, &local, 1, &remote, 1, 0) };
    if let Ok(read) = usize::try_from(read) {
        return Ok(read == into.len());
    }
    match std::io::Error::last_os_error().raw_os_error().map(Errno::from_raw_os_error) {
        // EINVAL: the piece would go around the end of the addresses.
        Some(Errno::FAULT | Errno::INVAL) => Ok(false),
        Some(error) => Err(error),
        None => Err(Errno::IO),
    }
}

/// When data last went and came: `struct tcp_info` of include/uapi/linux/tcp.h, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataTimes {
    /// Since data was last sent; since the connection was made if none was.
    pub(crate) last_sent: u32,
    /// Since data last came; since the connection was made if none did.
    pub(crate) last_received: u32,
    /// Segments of data sent, where the kernel counts them (Linux 4.6).
    segments: Option<u32>,
    /// The same of those that came.
    arrived: Option<u32>,
}

impl DataTimes {
    /// False if nothing was ever sent.
    pub(crate) fn has_sent(&self) -> bool {
        self.segments != Some(0)
    }

    /// False if nothing ever came.
    pub(crate) fn has_received(&self) -> bool {
        self.arrived != Some(0)
    }
}

/// Asks a TCP socket; none for any other.
pub(crate) fn data_times(socket: impl AsFd) -> Option<DataTimes> {
    const LAST_SENT: usize = 44;
    const LAST_RECEIVED: usize = 52;
    const ARRIVED: usize = 152;
    const SEGMENTS: usize = 156;
    let mut info = [0_u8; SEGMENTS + 4];
    let mut len = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, and how many to `len`; both are borrowed for the call.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut len,
        )
    };
    let info = info.get(..len as usize).filter(|_| answer == 0)?;
    let word = |at: usize| info.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let (last_sent, last_received) = (word(LAST_SENT)?, word(LAST_RECEIVED)?);
    Some(DataTimes { last_sent, last_received, segments: word(SEGMENTS), arrived: word(ARRIVED) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

    fn own() -> u32 {
        std::process::id()
    }

    #[test]
    fn words_are_read_around_an_address() {
        let memory: [u32; 16] = std::array::from_fn(|i| i as u32);
        let address = &raw const memory[4] as u64;
        let found = words_at(own(), address).unwrap().unwrap();
        assert_eq!(found.before, Some([0, 1, 2, 3]));
        assert_eq!(found.at, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(found.after, Some([14, 15]));
    }

    #[test]
    fn what_is_not_mapped_is_none_wherever_it_is() {
        for address in [0, 4, 16, 1 << 47, u64::MAX - 3, u64::MAX - 39, u64::MAX << 20, 1 << 63] {
            assert_eq!(words_at(own(), address).unwrap(), None, "{address:#x}");
        }
    }

    #[test]
    fn at_the_edges_of_a_mapping_the_rest_is_absent() {
        let page = rustix::param::page_size();
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new memory, of which nothing else knows; the pages around the middle one are given back, and the
        // middle one is read as bytes of the kernel's choice alone.
        let middle = unsafe {
            let memory =
                mmap_anonymous(std::ptr::null_mut(), 3 * page, flags, MapFlags::PRIVATE).unwrap();
            munmap(memory, page).unwrap();
            munmap(memory.byte_add(2 * page), page).unwrap();
            memory as u64 + page as u64
        };
        let end = middle + page as u64;
        let at = |address| words_at(own(), address).unwrap().unwrap();
        assert_eq!((at(middle).before, at(middle).after), (None, Some([0; 2])));
        assert_eq!((at(end - 40).before, at(end - 40).after), (Some([0; 4]), None));
        assert_eq!((at(end - 4).before, at(end - 4).after), (Some([0; 4]), None));
        assert_eq!(words_at(own(), end).unwrap(), None);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let tid = child.id();
        child.wait().unwrap();
        assert_eq!(words_at(tid, 4096), Err(Errno::SRCH));
    }
}
