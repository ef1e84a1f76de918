//! The innocent service: requests that touch a real working set and allocate a little.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::sys::Arena;

/// Serves one client at a time: each 8-byte request is answered with the same 8 bytes.
///
/// Allocation per request matters: near the limit it is what sends an innocent process into direct reclaim.
pub(super) fn serve(socket: &Path, working_set: u64, scratch: u64) -> anyhow::Result<()> {
    let mut data = Arena::reserve(working_set)?;
    data.resize(working_set)?;
    let listener = UnixListener::bind(socket)?;
    println!("ready");
    for client in listener.incoming() {
        let mut client = client?;
        let mut request = [0; 8];
        while client.read_exact(&mut request).is_ok() {
            data.touch();
            let mut answer = Arena::reserve(scratch)?;
            answer.resize(scratch)?;
            drop(answer);
            if client.write_all(&request).is_err() {
                break;
            }
        }
    }
    Ok(())
}
