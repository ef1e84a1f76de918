//! Answers of people, dropped as files.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::plan::PlanId;

/// A directory into which answers are dropped: `17.yes` or `17.no` for the plan with that id.
///
/// The agent polls it and passes each answer to [`Policy::decide`](crate::Policy::decide); a command line, or a person with
/// `touch`, writes it. Answers left from an earlier run are thrown away, since ids may begin anew.
#[derive(Debug)]
pub struct ApprovalInbox {
    dir: PathBuf,
}

/// The most entries that are looked at in one poll.
const MAX_ENTRIES: usize = 1_024;

impl ApprovalInbox {
    /// Opens the directory, makes it if it is missing, and empties it of old answers.
    ///
    /// # Errors
    /// Any error of the file system; [`io::ErrorKind::PermissionDenied`] if everybody may write there, or if neither root nor
    /// we own it.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(&dir)?;
        if !found.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let ours = found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw();
        if !ours || found.mode() & 0o002 != 0 {
            let text = format!("anybody could approve by way of {}", dir.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let mut inbox = Self { dir };
        while !inbox.poll()?.is_empty() {}
        Ok(inbox)
    }

    /// Takes out the answers that arrived, by id. Other files are left alone; of a yes and a no to one plan the no counts.
    ///
    /// # Errors
    /// Any error of the file system. An answer that cannot be removed is an error too, since it would be taken again.
    pub fn poll(&mut self) -> io::Result<Vec<(PlanId, bool)>> {
        let mut answers = Vec::new();
        for entry in fs::read_dir(&self.dir)?.take(MAX_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name();
            let Some(answer) = name.to_str().and_then(parse) else { continue };
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
                answers.push(answer);
            }
        }
        answers.sort_unstable();
        answers.dedup_by_key(|(plan, _)| *plan);
        Ok(answers)
    }

    /// Drops an answer into the inbox of an agent.
    ///
    /// # Errors
    /// Any error of making a file; [`io::ErrorKind::AlreadyExists`] if the same answer lies there.
    pub fn answer(dir: impl AsRef<Path>, plan: PlanId, yes: bool) -> io::Result<()> {
        let name = format!("{}.{}", plan.0, if yes { "yes" } else { "no" });
        File::create_new(dir.as_ref().join(name)).map(drop)
    }
}

/// Reads a file name. An id is written in one way only: no sign, no leading zero.
fn parse(name: &str) -> Option<(PlanId, bool)> {
    let (id, answer) = name.split_once('.')?;
    let yes = match answer {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    let number: u64 = id.parse().ok()?;
    (number.to_string() == id).then_some((PlanId(number), yes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn answers_are_taken_once_and_a_no_wins() {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = ApprovalInbox::open(dir.path().join("new")).unwrap();
        let path = dir.path().join("new");
        ApprovalInbox::answer(&path, PlanId(17), true).unwrap();
        ApprovalInbox::answer(&path, PlanId(9), true).unwrap();
        ApprovalInbox::answer(&path, PlanId(9), false).unwrap();
        assert_eq!(inbox.poll().unwrap(), [(PlanId(9), false), (PlanId(17), true)]);
        assert_eq!(inbox.poll().unwrap(), []);
    }

    #[test]
    fn what_is_no_answer_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = ApprovalInbox::open(dir.path()).unwrap();
        let names = [
            "007.yes",
            "+7.yes",
            "-1.no",
            "7.maybe",
            "7",
            ".yes",
            "7.yes.no",
            "99999999999999999999.yes",
        ];
        for name in names {
            File::create(dir.path().join(name)).unwrap();
        }
        fs::create_dir(dir.path().join("8.yes")).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join("9.yes")).unwrap();
        assert_eq!(inbox.poll().unwrap(), []);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), names.len() + 2);
    }

    #[test]
    fn an_answer_to_an_earlier_run_is_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        ApprovalInbox::answer(dir.path(), PlanId(1), true).unwrap();
        assert_eq!(ApprovalInbox::open(dir.path()).unwrap().poll().unwrap(), []);
    }

    #[test]
    fn a_directory_that_everybody_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refused = ApprovalInbox::open(dir.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
