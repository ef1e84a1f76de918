//! The names of users.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::Users;
use rustix::fs::{CWD, Mode, fstat, openat, stat};

use crate::file::{Buffer, READ};
use crate::text::digits;

/// How often it is looked whether they have changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// `/etc/passwd`, read when it has changed.
pub(super) struct UserNames {
    path: PathBuf,
    looked: Option<Duration>,
    seen: Option<Version>,
}

/// Inode, size, and when it was written in seconds and nanoseconds.
type Version = (u64, i64, i64, i64);

impl UserNames {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, looked: None, seen: None }
    }

    /// The names, if they are others than last time; a file that cannot be read changes nothing.
    pub(super) fn changed(&mut self, now: Duration) -> Option<Users> {
        let due = self.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK_EVERY);
        if !due {
            return None;
        }
        self.looked = Some(now);
        if self.seen == Some(version(&stat(&self.path).ok()?)) {
            return None;
        }
        let file = openat(CWD, &self.path, READ, Mode::empty()).ok()?;
        self.seen = Some(version(&fstat(&file).ok()?));
        let mut buffer = Buffer::default();
        Some(parse_users(buffer.read_all(&file).ok()?))
    }
}

#[allow(clippy::useless_conversion, reason = "the types of these fields differ between targets")]
fn version(stat: &rustix::fs::Stat) -> Version {
    (stat.st_ino, stat.st_size.into(), stat.st_mtime.into(), stat.st_mtime_nsec as i64)
}

/// Parses `/etc/passwd` into names by user id, sorted; of several names of one id the first one stands. Lines that are not of its
/// form, as those that ask for another directory of users, are left out.
///
/// - Source: passwd(5).
#[must_use]
pub fn parse_users(text: &[u8]) -> Users {
    let line = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        let id = digits(id).and_then(|id| u32::try_from(id).ok())?;
        let named = !name.is_empty() && !matches!(name[0], b'+' | b'-' | b'#');
        named.then(|| (id, Arc::from(String::from_utf8_lossy(name))))
    };
    let mut users: Users = text.split(|byte| *byte == b'\n').filter_map(line).collect();
    users.sort_by_key(|(id, _)| *id);
    users.dedup_by_key(|(id, _)| *id);
    users
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(users: &Users) -> Vec<(u32, &str)> {
        users.iter().map(|(id, name)| (*id, &**name)).collect()
    }

    #[test]
    fn each_id_has_its_first_name_and_other_lines_are_left_out() {
        let text = b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:\n\
            toor:x:0:0::/:\n# a comment:x:3:\n+nis:x:4:\n:x:5:5\nbad:x:-1:\nshort:x\n\
            big:x:4294967296:\nb\xff:x:7:7";
        assert_eq!(names(&parse_users(text)), [(0, "root"), (7, "b\u{fffd}"), (1000, "alice")]);
        assert!(parse_users(b"").is_empty());
    }

    #[test]
    fn they_are_told_once_and_when_they_change_and_looked_at_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        let mut users = UserNames::at(path.clone());
        assert_eq!(users.changed(Duration::ZERO), None, "there is no such file");
        fs::write(&path, "a:x:1:1\n").unwrap();
        assert_eq!(users.changed(Duration::from_secs(59)), None);
        let read = users.changed(Duration::from_secs(60)).unwrap();
        assert_eq!(names(&read), [(1, "a")]);
        assert_eq!(users.changed(Duration::from_secs(120)), None);
        fs::write(&path, "a:x:1:1\nb:x:2:2\n").unwrap();
        let read = users.changed(Duration::from_secs(180)).unwrap();
        assert_eq!(names(&read), [(1, "a"), (2, "b")]);
    }
}
