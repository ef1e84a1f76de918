//! What a configured program prints about a process.

use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gadget_core::{ActionError, Plan};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::command::Argv;

/// The most that is kept of it.
const MAX_OUTPUT: usize = 4 << 20;

/// How long to wait between two looks whether a program that has closed its output has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the program, and returns what it printed and how it ended. It is killed, with its process group, at `until`, or when
/// it prints more than is kept.
pub(crate) fn output(
    plan: &Plan,
    argv: &Argv,
    until: Instant,
) -> Result<(Vec<u8>, String), ActionError> {
    let failed = |source| ActionError::System { attempt: "start the configured program", source };
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    let mut command = argv.command(plan);
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer).stdin(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    // It holds ends of the pipe for writing, for a child that it did not start.
    drop(command);
    let mut text = Vec::new();
    let whole = read(&mut reader, &mut text, until);
    let mut status = None;
    while whole && status.is_none() && Instant::now() < until {
        status = child.try_wait().map_err(failed)?;
        if status.is_none() {
            std::thread::sleep(PAUSE);
        }
    }
    let ended = match status {
        Some(status) => status.to_string(),
        None => {
            // Its group's id is its own, and stays its own until it is waited for.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait().map_err(failed)?;
            "killed: it ran too long or printed too much".to_owned()
        }
    };
    Ok((text, ended))
}

/// Reads to the end; false if there was no time, or no room.
fn read(reader: &mut PipeReader, text: &mut Vec<u8>, until: Instant) -> bool {
    let mut buffer = [0; 16384];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        let mut fds = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        match reader.read(&mut buffer) {
            Ok(0) => return true,
            Ok(len) => {
                let len = len.min(MAX_OUTPUT - text.len());
                text.extend_from_slice(buffer.get(..len).unwrap_or_default());
                if text.len() == MAX_OUTPUT {
                    return false;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
