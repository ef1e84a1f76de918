//! What is followed, and how.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{LogSource, LogSources, SignalError};

use super::Tail;
use super::pattern::Pattern;

/// Where to begin with a file of which no checkpoint knows. One that appears later is always read from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At its first line.
    #[default]
    Beginning,
    /// Behind its last one.
    End,
}

type Hook = Box<dyn Fn(&Path) -> Option<LogSource> + Send>;

/// Builds a [`Tail`].
pub struct TailBuilder {
    pub(super) patterns: Vec<Pattern>,
    pub(super) excluded: Vec<Pattern>,
    services: Vec<(Pattern, Arc<str>)>,
    hooks: Vec<Hook>,
    bad: Option<String>,
    pub(super) sources: LogSources,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) sync: bool,
    pub(super) start: Start,
    pub(super) longest: usize,
    pub(super) grace: Duration,
    pub(super) forget: Duration,
    pub(super) poll: Duration,
    pub(super) rescan: Duration,
    pub(super) descriptors: Option<usize>,
    pub(super) watch: bool,
}

impl Default for TailBuilder {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            excluded: Vec::new(),
            services: Vec::new(),
            hooks: Vec::new(),
            bad: None,
            sources: LogSources::default(),
            checkpoint: None,
            sync: false,
            start: Start::default(),
            longest: 256 << 10,
            grace: Duration::from_secs(10),
            forget: Duration::from_secs(24 * 3600),
            poll: Duration::from_millis(500),
            rescan: Duration::from_secs(10),
            descriptors: None,
            watch: true,
        }
    }
}

impl fmt::Debug for TailBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailBuilder").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}

impl TailBuilder {
    fn pattern(&mut self, text: &Path) -> Option<Pattern> {
        let pattern = Pattern::new(text);
        if pattern.is_none() {
            self.bad.get_or_insert_with(|| text.to_string_lossy().chars().take(64).collect());
        }
        pattern
    }

    /// Follows a file, or those that a pattern means: `*`, `?`, `[a-z]`, and `**` for any folders. May be said several times. What a
    /// pattern with wildcards finds is left out where its name says that it was rotated: `app.log.1`, `app.log-20261127`, `x.gz`.
    #[must_use]
    pub fn files(mut self, pattern: impl AsRef<Path>) -> Self {
        let pattern = self.pattern(pattern.as_ref());
        self.patterns.extend(pattern);
        self
    }

    /// Leaves out what this pattern means.
    #[must_use]
    pub fn except(mut self, pattern: impl AsRef<Path>) -> Self {
        let pattern = self.pattern(pattern.as_ref());
        self.excluded.extend(pattern);
        self
    }

    /// Files that this pattern means are of this service; the first that fits decides. A file that none means is of the service
    /// that is called as the file is, without its extension.
    #[must_use]
    pub fn service(mut self, pattern: impl AsRef<Path>, name: &str) -> Self {
        if let Some(pattern) = self.pattern(pattern.as_ref()) {
            self.services.push((pattern, name.into()));
        }
        self
    }

    /// Asked before all other rules for the source of the lines at a path, as for those of containers, whose paths say more.
    #[must_use]
    pub fn source(mut self, of: impl Fn(&Path) -> Option<LogSource> + Send + 'static) -> Self {
        self.hooks.push(Box::new(of));
        self
    }

    /// Where sources have their ids. Default: a list of its own.
    #[must_use]
    pub fn sources(mut self, sources: LogSources) -> Self {
        self.sources = sources;
        self
    }

    /// The file that keeps how far was read, for the next start. Default: none; each start is the first one.
    #[must_use]
    pub fn checkpoint(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(path.into());
        self
    }

    /// Waits with each commit until it would survive a loss of power. Default: no; it survives our own death then. Only of use if the
    /// output is synced before.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Where to begin with files of which no checkpoint knows. Default: at their beginning.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Bytes that a line may have; the rest is dropped and the line flagged. Default 256 KiB; 1 to 64 MiB.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// How long a file is read after its path leads elsewhere and nothing more was written to it: for writers that take their time
    /// to follow. Default 10 s; zero gives it up at its end.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a path that leads nowhere is remembered. Default one day.
    #[must_use]
    pub fn forget(mut self, after: Duration) -> Self {
        self.forget = after;
        self
    }

    /// How often files are asked for where no watch can be had. Default 500 ms.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// How often everything is looked for though a watch tells what changes, since it does not tell all: of links within a path, of
    /// files of another host. Default 10 s.
    #[must_use]
    pub fn rescan(mut self, every: Duration) -> Self {
        self.rescan = every;
        self
    }

    /// Files that may be open at once; those that were idle for longest are closed, and opened again when they are written to.
    /// Default: half of what the process may open (`RLIMIT_NOFILE`), 8,192 at most.
    #[must_use]
    pub fn descriptors(mut self, most: usize) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// Whether to let inotify(7) tell what changes. Default: yes.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// Finds the files, and where to go on with each.
    ///
    /// # Errors
    /// [`SignalError::Parse`] for a pattern that can mean nothing or a bound out of its range, [`SignalError::Read`] and
    /// [`SignalError::Write`] for a checkpoint that cannot be read or kept.
    pub fn build(self) -> Result<Tail, SignalError> {
        let wrong = |expected, found: String| {
            Err(SignalError::Parse { path: "tail".into(), line: 1, expected, found })
        };
        if let Some(found) = self.bad {
            return wrong("a path or pattern of files", found);
        }
        if !(1..=64 << 20).contains(&self.longest) {
            return wrong("longest_line of 1 to 67108864", self.longest.to_string());
        }
        if self.descriptors == Some(0) {
            return wrong("descriptors of at least 1", "0".into());
        }
        Tail::start(self)
    }

    /// Whose lines the file at `path` holds.
    pub(super) fn source_of(&self, path: &Path) -> LogSource {
        if let Some(source) = self.hooks.iter().find_map(|of| of(path)) {
            return source;
        }
        let ruled = self.services.iter().find(|(pattern, _)| pattern.matches(path));
        let service = match ruled {
            Some((_, name)) => Arc::clone(name),
            None => undated(&path.file_stem().unwrap_or_default().to_string_lossy()).into(),
        };
        LogSource { service, origin: path.to_string_lossy().into(), container: None }
    }
}

/// A name without the date that it ends with, so that a program that begins a file a day is one service: `catalina.2026-11-27` is
/// `catalina`. Numbers of fewer than six digits in all are part of the name.
fn undated(stem: &str) -> &str {
    let is_date = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let begins = stem.bytes().rposition(|byte| !is_date(byte)).map_or(0, |at| at + 1);
    let Some((name, date)) = stem.split_at_checked(begins) else { return stem };
    if name.is_empty() || digits(date) < 6 || date.starts_with(|it: char| it.is_ascii_digit()) {
        return stem;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::undated;

    #[test]
    fn the_date_of_a_file_is_no_part_of_its_service() {
        for (stem, service) in [
            ("catalina.2026-11-27", "catalina"),
            ("app-20261127", "app"),
            ("app_2026.11.27_14", "app"),
            ("worker-12", "worker-12"),
            ("redis-6379", "redis-6379"),
            ("md5sum128256", "md5sum128256"),
            ("2026-11-27", "2026-11-27"),
            ("zürich-2026-11-27", "zürich"),
            ("", ""),
        ] {
            assert_eq!(undated(stem), service);
        }
    }
}
