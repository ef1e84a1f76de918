//! Settings that an operator changes while the agent runs: in a file, or over a local socket.

mod ask;
mod control;
mod file;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadget_core::{
    Name, Reading, Scope, SettingsText, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::event::PollFd;

use crate::file::failed;
use crate::pressure::wait_for;

use control::{Control, Request};
use file::WatchedFile;

/// The longest text of settings, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// Texts that may wait to be told.
const MAX_UNTOLD: usize = 16;

type Check = Box<dyn Fn(&str) -> Result<(), String> + Send>;
type Show = Box<dyn Fn() -> String + Send>;

/// Tells of settings that an operator has written to a file, or sent to a local socket.
///
/// - Gives: a [`Reading::Settings`] of [`Subject::Agent`] for each text: that of the file at the beginning and whenever it has
///   become another, and each that was sent. Also those that are wrong, so that it is on record that they were refused.
/// - A file is the whole of the settings. It may be replaced, rewritten, linked or missing: while it is missing what was said
///   last holds, and one that was emptied is only believed when it stays so for half a second.
/// - A socket takes one request of one connection: `show`, or `set` or `check` and lines of TOML, up to a line that is only a
///   dot or the end of what is sent. The answer is `ok`, and what was asked for, or `error: ` and what is wrong. It is there for
///   root and the agent's own user. [`ask`](Self::ask) is a client of it.
/// - Source: inotify(7) on the file's folder, and `stat` every 5 s for what that does not tell, as of a file behind a link; unix(7).
/// - Bounds: 64 KiB a text, 8 connections, 5 s each; what is beyond is refused with an answer.
pub struct SettingsWatch {
    gadget: Name,
    check: Check,
    show: Option<Show>,
    file: Option<WatchedFile>,
    control: Option<Control>,
    untold: Vec<SettingsText>,
}

impl SettingsWatch {
    /// Settings of the gadget with this name; `check` says what is wrong with a text that is sent.
    #[must_use]
    pub fn of(
        gadget: impl Into<Name>,
        check: impl Fn(&str) -> Result<(), String> + Send + 'static,
    ) -> Self {
        Self {
            gadget: gadget.into(),
            check: Box::new(check),
            show: None,
            file: None,
            control: None,
            untold: Vec::new(),
        }
    }

    /// Watches the file at `path`, which need not exist yet.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(WatchedFile::new(path.as_ref()));
        self
    }

    /// Listens at `path`, where a socket that nobody listens at any more is replaced.
    ///
    /// # Errors
    /// [`SignalError::Read`] if somebody listens there already, or the socket cannot be made.
    pub fn socket(mut self, path: impl AsRef<Path>) -> Result<Self, SignalError> {
        let path = path.as_ref();
        let control = Control::listen(path)
            .map_err(|source| SignalError::Read { path: path.to_owned(), source })?;
        self.control = Some(control);
        Ok(self)
    }

    /// Says what is in force, for `show`.
    #[must_use]
    pub fn shows(mut self, show: impl Fn() -> String + Send + 'static) -> Self {
        self.show = Some(Box::new(show));
        self
    }

    /// One line for a person: where settings come from.
    #[must_use]
    pub fn describe(&self) -> String {
        let file = self.file.as_ref().map(|file| format!("file {}", file.path().display()));
        let socket =
            self.control.as_ref().map(|control| format!("socket {}", control.path().display()));
        let places: Vec<_> = [file, socket].into_iter().flatten().collect();
        if places.is_empty() { "no settings".to_owned() } else { places.join(", ") }
    }

    /// Sends `command`, which is `show`, `set` or `check`, with `text` to the agent that listens at `socket`; what it answers is
    /// the text that was asked for, or what is wrong.
    ///
    /// # Errors
    /// If nobody listens there, or does not answer in time or in order.
    pub fn ask(socket: &Path, command: &str, text: &str) -> io::Result<Result<String, String>> {
        ask::ask(socket, command, text)
    }

    fn look(&mut self, now: Instant) -> Result<(), SignalError> {
        let Some(file) = self.file.as_mut().filter(|file| file.due() <= now) else { return Ok(()) };
        if let Some(text) = file.look(now)? {
            let from = file.path().display().to_string().into();
            self.untold.push(SettingsText { gadget: self.gadget.clone(), from, text });
        }
        Ok(())
    }

    /// Waits for what may come until then, and takes it in.
    fn serve(&mut self, until: Instant) -> Result<(), SignalError> {
        let now = Instant::now();
        let due = [
            self.file.as_ref().map(WatchedFile::due),
            self.control.as_ref().and_then(Control::due),
        ];
        let until = due.into_iter().flatten().fold(until, Instant::min);
        let mut fds = Vec::with_capacity(12);
        let folder = self.file.as_ref().and_then(WatchedFile::poll);
        let with_folder = folder.is_some();
        fds.extend(folder);
        fds.extend(self.control.iter().flat_map(Control::poll));
        wait_for(&mut fds, until.saturating_duration_since(now))
            .map_err(|error| failed("poll", error, "poll(2)"))?;
        let called = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let file = with_folder && called(&fds[0]);
        let control: Vec<bool> = fds[usize::from(with_folder)..].iter().map(called).collect();
        drop(fds);
        let now = Instant::now();
        if let Some(watched) = self.file.as_mut().filter(|_| file) {
            watched.called(now);
        }
        let Some(mut control_socket) = self.control.take() else { return Ok(()) };
        control_socket.serve(&control, now, &mut |who, request| self.answer(who, request));
        self.control = Some(control_socket);
        Ok(())
    }

    fn answer(&mut self, who: &str, request: Request<'_>) -> Result<String, String> {
        let (text, takes) = match request {
            Request::Show => {
                return self.show.as_ref().map(|show| show()).ok_or("nothing to show".to_owned());
            }
            Request::Check(text) => (text, false),
            Request::Set(text) => (text, true),
        };
        if text.trim().is_empty() {
            return Err("expected lines of TOML behind the first line".to_owned());
        }
        if takes {
            if self.untold.len() >= MAX_UNTOLD {
                return Err("there are too many settings to take in; try again".to_owned());
            }
            // Refused or not, it is on record.
            let (gadget, from, text): (_, Arc<str>, Arc<str>) =
                (self.gadget.clone(), who.into(), text.into());
            self.untold.push(SettingsText { gadget, from, text });
        }
        (self.check)(text).map(|()| String::new())
    }
}

impl SignalProvider for SettingsWatch {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if scope.holds(Subject::Agent) {
            for text in self.untold.drain(..) {
                out.push(Subject::Agent, Reading::Settings(Box::new(text)));
            }
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let end = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            if let Err(error) = self.look(now) {
                return Some(Err(error));
            }
            if !self.untold.is_empty() {
                return Some(Ok(true));
            }
            if now >= end {
                return Some(Ok(false));
            }
            if let Err(error) = self.serve(end) {
                return Some(Err(error));
            }
        }
    }

    fn name(&self) -> &'static str {
        "settings-watch"
    }
}
