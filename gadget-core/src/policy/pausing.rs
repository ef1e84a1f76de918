//! What stops all effects.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

/// Pauses by a call and by files.
#[derive(Debug)]
pub(super) struct Pausing {
    call: Option<Arc<str>>,
    files: Vec<PauseFile>,
}

/// Its texts are made beforehand, so that looking for it allocates nothing.
#[derive(Debug)]
struct PauseFile {
    path: Option<CString>,
    exists: Arc<str>,
    unknown: Arc<str>,
}

impl Pausing {
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let file = |path: &PathBuf| PauseFile {
            path: CString::new(path.as_os_str().as_bytes()).ok(),
            exists: format!("the file {}", path.display()).into(),
            unknown: format!("the file {}, which cannot be looked for", path.display()).into(),
        };
        Self { call: None, files: files.iter().map(file).collect() }
    }

    pub(super) fn call(&mut self, by: Option<&str>) {
        self.call = by.map(Arc::from);
    }

    pub(super) fn forget_files(&mut self) {
        self.files.clear();
    }

    /// Who or what pauses, if anything does. One `stat` for each file.
    pub(super) fn by(&self) -> Option<Arc<str>> {
        self.call.clone().or_else(|| self.files.iter().find_map(PauseFile::stops))
    }
}

impl PauseFile {
    fn stops(&self) -> Option<Arc<str>> {
        let Some(path) = &self.path else { return Some(Arc::clone(&self.unknown)) };
        match rustix::fs::lstat(path.as_c_str()) {
            Ok(_) => Some(Arc::clone(&self.exists)),
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            // Closed by default: it might be there.
            Err(_) => Some(Arc::clone(&self.unknown)),
        }
    }
}
