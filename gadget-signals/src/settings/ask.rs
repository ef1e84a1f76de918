//! The other end of the control socket.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// An agent that does not answer for this long is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`SettingsWatch::ask`](super::SettingsWatch::ask).
pub(super) fn ask(socket: &Path, command: &str, text: &str) -> io::Result<Result<String, String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // An agent that has refused what it has seen so far does not read on.
    let sent = stream.write_all(format!("{command}\n{text}").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    if let Some(wrong) = answer.strip_prefix("error: ") {
        return Ok(Err(wrong.trim_end().to_owned()));
    }
    sent?;
    let text = answer.strip_prefix("ok\n").map(|text| Ok(text.to_owned()));
    text.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the answer is neither ok nor error")
    })
}
