//! What the tests of this crate share.

use std::path::PathBuf;

use gadget_core::{Reading, Scope, SignalProvider, Signals, Subject, Timestamp};

/// The files recorded from a real kernel.
pub(crate) fn golden(kernel: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kernel)
}

/// What one sweep gives.
pub(crate) fn readings(provider: &mut dyn SignalProvider) -> Vec<(Subject, Reading)> {
    sample(provider, 1, Scope::Everything)
}

/// What a sample at `second` gives; fails the test on an error.
pub(crate) fn sample(
    provider: &mut dyn SignalProvider,
    second: u64,
    scope: Scope<'_>,
) -> Vec<(Subject, Reading)> {
    let now = Timestamp::from_secs(second);
    let mut out = Signals::at(now);
    provider.sample(now, scope, &mut out).unwrap();
    out.as_slice().iter().map(|signal| (signal.subject, signal.reading.clone())).collect()
}

/// Writes a tree of files: the folders in their paths are made as needed.
pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    root
}

/// Writes files below `root`.
pub(crate) fn write(root: &std::path::Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
