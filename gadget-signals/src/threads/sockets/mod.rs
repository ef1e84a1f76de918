//! Sockets: whom a thread waits for, and who waits for the process.

mod diag;
mod listeners;
mod peer;

pub use diag::{TcpSocket, parse_sockets};
pub(super) use listeners::{Listeners, network_of};
pub(super) use peer::peer_of;

/// Whether the kernel can be asked at all.
#[cfg(test)]
pub(super) fn ask_own() -> Result<(), rustix::io::Errno> {
    diag::ask(&diag::open()?, diag::Question::Listening).map(drop)
}
