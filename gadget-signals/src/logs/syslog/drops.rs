//! How many datagrams the kernel dropped because a socket's queue was full.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd as _};

/// Place of the counter and length of the list in `include/uapi/linux/sock_diag.h`.
const SK_MEMINFO_DROPS: usize = 8;
const SK_MEMINFO_VARS: usize = 9;

/// The counter of a socket: `SO_MEMINFO`, Linux 4.12. It wraps. `None` where the kernel does not tell.
pub(super) fn drops(socket: impl AsFd) -> Option<u32> {
    let mut list = [0_u32; SK_MEMINFO_VARS];
    let mut length = size_of_val(&list) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as it is borrowed; the kernel writes at most `length` bytes to `list`, which is as
    // long, and any bytes are numbers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            list.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0 && length as usize == size_of_val(&list)).then_some(list[SK_MEMINFO_DROPS])
}
