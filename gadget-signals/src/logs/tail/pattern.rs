//! Patterns of paths, as a shell has them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// No folder deeper below a `**` is looked into.
const DEEPEST: usize = 16;

/// A pattern of paths: `*`, `?` and `[a-z]` within a name, `**` for any folders between. A name that begins with a point is meant
/// only by one that does too.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Name(PathBuf),
    Wild(Vec<u8>),
    AnyFolders,
}

/// What a pattern leads to.
pub(super) enum Found<'a> {
    /// A folder in which a file may appear.
    Folder(&'a Path),
    /// A path that it means; of one without wildcards it is not known whether it exists.
    File(&'a Path),
    /// A folder that cannot be read.
    Unreadable(&'a Path, io::Error),
}

impl Pattern {
    /// `None` if nothing can match: it is empty, or ends in a folder.
    pub(super) fn new(text: impl AsRef<Path>) -> Option<Self> {
        let text = text.as_ref();
        let mut parts: Vec<Part> = Vec::new();
        for component in text.components() {
            let name = component.as_os_str();
            let wild = matches!(component, Component::Normal(_))
                && name.as_bytes().iter().any(|byte| b"*?[".contains(byte));
            match parts.last_mut() {
                _ if name == "**" => parts.push(Part::AnyFolders),
                _ if wild => parts.push(Part::Wild(name.as_bytes().to_vec())),
                Some(Part::Name(path)) => path.push(name),
                _ => parts.push(Part::Name(name.into())),
            }
        }
        let ends_in_name = match parts.last()? {
            Part::Name(path) => path.file_name().is_some(),
            Part::Wild(_) => true,
            Part::AnyFolders => false,
        };
        (ends_in_name && !text.as_os_str().as_bytes().ends_with(b"/")).then_some(Self(parts))
    }

    /// True if no path but one is meant.
    pub(super) fn is_path(&self) -> bool {
        matches!(self.0[..], [Part::Name(_)])
    }

    /// True if `path` is one that it means.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let names: Vec<_> = path.components().map(Component::as_os_str).collect();
        matches(&self.0, &names)
    }

    /// True if `folder` may lead to one that it means.
    pub(super) fn leads_through(&self, folder: &Path) -> bool {
        let names: Vec<_> = folder.components().map(Component::as_os_str).collect();
        leads(&self.0, &names)
    }

    /// Walks to everything that it means.
    pub(super) fn walk(&self, see: &mut dyn FnMut(Found<'_>)) {
        walk(&self.0, &mut PathBuf::new(), 0, see);
    }
}

fn matches(parts: &[Part], names: &[&OsStr]) -> bool {
    match parts {
        [] => names.is_empty(),
        [Part::AnyFolders, rest @ ..] => {
            (0..=names.len()).any(|skipped| matches(rest, &names[skipped..]))
        }
        [Part::Wild(wild), rest @ ..] => names
            .split_first()
            .is_some_and(|(name, names)| fits(wild, name.as_bytes()) && matches(rest, names)),
        [Part::Name(path), rest @ ..] => {
            let own: Vec<_> = path.components().map(Component::as_os_str).collect();
            names.strip_prefix(&own[..]).is_some_and(|names| matches(rest, names))
        }
    }
}

fn leads(parts: &[Part], names: &[&OsStr]) -> bool {
    let Some((name, after)) = names.split_first() else { return true };
    match parts {
        [] => false,
        [Part::AnyFolders, ..] => true,
        [Part::Wild(wild), rest @ ..] => fits(wild, name.as_bytes()) && leads(rest, after),
        [Part::Name(path), rest @ ..] => {
            let own: Vec<_> = path.components().map(Component::as_os_str).collect();
            let both = own.len().min(names.len());
            own[..both] == names[..both] && leads(rest, &names[both..])
        }
    }
}

fn walk(parts: &[Part], path: &mut PathBuf, depth: usize, see: &mut dyn FnMut(Found<'_>)) {
    let Some((part, rest)) = parts.split_first() else { return };
    if let Part::Name(name) = part {
        let before = path.clone();
        path.push(name);
        if rest.is_empty() {
            see(Found::Folder(
                path.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new(".")),
            ));
            see(Found::File(path));
        } else {
            walk(rest, path, depth, see);
        }
        *path = before;
        return;
    }
    let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path.as_path() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return;
        }
        Err(error) => return see(Found::Unreadable(folder, error)),
    };
    see(Found::Folder(folder));
    if matches!(part, Part::AnyFolders) {
        walk(rest, path, depth, see);
    }
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_folder = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => fs::metadata(entry.path()).is_ok_and(|it| it.is_dir()),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        let (wanted, parts) = match part {
            Part::Wild(wild) => (fits(wild, name.as_bytes()), rest),
            // A link to a folder may lead in a circle.
            _ => (
                is_folder
                    && depth < DEEPEST
                    && !name.as_bytes().starts_with(b".")
                    && !entry.file_type().is_ok_and(|kind| kind.is_symlink()),
                parts,
            ),
        };
        if !wanted {
            continue;
        }
        path.push(&name);
        if parts.is_empty() {
            see(Found::File(path));
        } else if is_folder {
            walk(parts, path, depth + 1, see);
        }
        path.pop();
    }
}

/// True if a name fits: the newest star alone is tried again, so the time is at most the product of both lengths.
fn fits(wild: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && wild.first() != Some(&b'.') {
        return false;
    }
    let (mut w, mut n) = (0, 0);
    let mut star = None;
    loop {
        if wild.get(w) == Some(&b'*') {
            (star, w) = (Some((w + 1, n)), w + 1);
            continue;
        }
        let Some(&byte) = name.get(n) else { return w == wild.len() };
        match one(&wild[w..], byte) {
            Some(len) => (w, n) = (w + len, n + 1),
            None => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    (w, n) = (*after, *from);
                }
                None => return false,
            },
        }
    }
}

/// How much of `wild` stands for `byte`, if it begins with something that does.
fn one(wild: &[u8], byte: u8) -> Option<usize> {
    match wild {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => {
            let (not, set) = match rest {
                [b'!' | b'^', set @ ..] => (true, set),
                set => (false, set),
            };
            // A bracket right at the start is a member.
            let Some(end) = set.iter().skip(1).position(|&it| it == b']').map(|end| end + 1) else {
                return (byte == b'[').then_some(1);
            };
            let (mut set, mut within) = (&set[..end], false);
            while let Some((&from, rest)) = set.split_first() {
                let to = match rest {
                    [b'-', to, ..] => *to,
                    _ => from,
                };
                within |= (from..=to).contains(&byte);
                set = if matches!(rest, [b'-', _, ..]) { &rest[2..] } else { rest };
            }
            (within != not).then_some(end + 2 + usize::from(not))
        }
        [own, ..] => (*own == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        let fitting = [
            ("*.log", "a.log"),
            ("*", "a"),
            ("a*b*c", "axxbyybc"),
            ("?", "x"),
            ("[a-c]x[!0-9]", "bxz"),
            ("[]]", "]"),
            ("[", "["),
            ("\\*", "*"),
            (".*", ".hidden"),
            ("a**", "a"),
        ];
        for (wild, name) in fitting {
            assert!(fits(wild.as_bytes(), name.as_bytes()), "{wild} {name}");
        }
        let others = [
            ("*.log", "a.log.1"),
            ("*", ".hidden"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[!a]", "a"),
            ("\\*", "a"),
            ("a*b", "ac"),
            ("a", "ab"),
        ];
        for (wild, name) in others {
            assert!(!fits(wild.as_bytes(), name.as_bytes()), "{wild} {name}");
        }
        assert!(!fits(&b"*a".repeat(64), &b"a".repeat(4096)[..63]));
    }

    #[test]
    fn a_pattern_walks_to_what_it_matches() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a/x.log", "b/y.log", "b/c/z.log", "b/.h/z.log", "top.log", "b/y.txt"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        for (text, wanted) in [
            ("*/*.log", vec!["a/x.log", "b/y.log"]),
            ("**/*.log", vec!["a/x.log", "b/c/z.log", "b/y.log", "top.log"]),
            ("b/y.txt", vec!["b/y.txt"]),
            ("[b]/**/z.log", vec!["b/c/z.log", "b/z.log"]),
            ("*/missing/*", vec![]),
        ] {
            let pattern = Pattern::new(root.join(text)).unwrap();
            let mut found = Vec::new();
            pattern.walk(&mut |it| {
                if let Found::File(path) = it {
                    assert!(pattern.matches(path), "{text} {path:?}");
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            });
            found.sort();
            assert_eq!(found, wanted, "{text}");
        }
        let pattern = Pattern::new(root.join("*/*.log")).unwrap();
        assert!(!pattern.matches(&root.join("top.log")));
        assert!(pattern.leads_through(&root.join("new")) && pattern.leads_through(root));
        assert!(!pattern.leads_through(Path::new("/elsewhere")));
        for bad in ["", "/", "/var/log/", "/var/log/**"] {
            assert!(Pattern::new(bad).is_none(), "{bad}");
        }
    }
}
