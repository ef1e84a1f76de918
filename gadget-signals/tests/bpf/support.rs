//! What the tests of BPF providers share.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use gadget_core::Clock as _;
use gadget_core::{
    CgroupId, Reading, Scope, Signal, SignalError, SignalProvider, Signals, SystemClock,
};
use gadget_signals::CgroupLayout;

/// The provider, or `None` and a line that says why not.
pub(crate) fn or_skip<T>(made: Result<T, SignalError>) -> Option<T> {
    match made {
        Ok(it) => Some(it),
        Err(error @ (SignalError::Missing { .. } | SignalError::Unsupported { .. })) => {
            println!("SKIPPED: {error}");
            None
        }
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

/// One sample of everything.
pub(crate) fn sample(provider: &mut impl SignalProvider) -> Vec<Signal> {
    let now = SystemClock::new().now();
    let mut signals = Signals::at(now);
    provider.sample(now, Scope::Everything, &mut signals).unwrap();
    signals.as_slice().to_vec()
}

/// The readings of one sample about `cgroup`.
pub(crate) fn about(signals: &[Signal], cgroup: CgroupId) -> Vec<&Reading> {
    let subject = gadget_core::Subject::Cgroup(cgroup);
    signals.iter().filter(|it| it.subject == subject).map(|it| &it.reading).collect()
}

/// A child process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Gives a script that waits by `read` its line.
    pub(crate) fn go(&mut self) {
        use std::io::Write as _;
        let mut input = self.0.stdin.take().unwrap();
        input.write_all(b"\n").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cgroup of our own in the hierarchy that has the memory controller; removed in the end.
pub(crate) struct Group {
    dir: PathBuf,
    pub(crate) id: CgroupId,
    v1: bool,
}

impl Group {
    /// `None`, and a line that says so, where we may not make any.
    pub(crate) fn new(layout: &CgroupLayout, name: &str) -> Option<Self> {
        let path = format!("/gadget-test-{name}-{}", std::process::id());
        let dir = layout.root().join(&path[1..]);
        if let Err(error) = fs::create_dir(&dir) {
            println!("SKIPPED: cannot make a cgroup: {error}");
            return None;
        }
        let v1 = layout.version() == gadget_core::CgroupVersion::V1;
        Some(Self { dir, id: layout.id_of(&path).unwrap(), v1 })
    }

    pub(crate) fn limit_memory(&self, bytes: u64) {
        let file = if self.v1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(self.dir.join(file), bytes.to_string()).unwrap();
    }

    /// A line of `memory.stat`, of this group alone.
    pub(crate) fn stat(&self, key: &str) -> u64 {
        let text = fs::read_to_string(self.dir.join("memory.stat")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("memory.stat has no {key}")).parse().unwrap()
    }

    /// A shell command that runs in it.
    pub(crate) fn run(&self, script: &str) -> Process {
        let procs = self.dir.join("cgroup.procs");
        let script = format!("echo $$ > {} && {script}", procs.display());
        let mut shell = std::process::Command::new("sh");
        Process(shell.args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
