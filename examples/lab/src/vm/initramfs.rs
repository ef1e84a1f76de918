//! What the guest boots from, and the way its files come back.
//!
//! Both are cpio archives in the `newc` form (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::kernel::Kernel;
use super::{Job, output};

/// Where the guest finds what it is to do.
pub(super) const JOB: &str = "lab-job";
/// Where the guest finds programs.
pub(super) const BIN: &str = "bin";
/// The guest's first process.
const INIT: &str = "init";
/// Where the guest finds the lab.
pub(super) const LAB: &str = "bin/lab";
/// Where the guest finds the watcher.
pub(super) const WATCHER: &str = "bin/oracle";

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;
const TRAILER: &str = "TRAILER!!!";

/// Builds the archive: this program as `init`, `files` by their path inside, their libraries, the modules, the job.
pub(super) fn build(
    path: &Path,
    kernel: &Kernel,
    files: Vec<(String, PathBuf)>,
    job: &Job,
) -> anyhow::Result<()> {
    let mut archive = Archive::new(BufWriter::new(File::create(path)?));
    let mut made: Vec<PathBuf> = Vec::new();
    for directory in [BIN, "dev", "proc", "sys", "tmp", "var", "var/tmp", "modules"] {
        archive.entry(directory, DIRECTORY, (0, 0), &[])?;
        made.push(directory.into());
    }
    // Rust's runtime wants its three standard streams before devtmpfs is mounted.
    archive.entry("dev/console", DEVICE, (5, 1), &[])?;
    archive.entry("dev/null", DEVICE, (1, 3), &[])?;
    let lab = std::env::current_exe()?;
    // Twice: a watcher rightly spares whatever is the same program as the first process.
    let mut all = vec![(INIT.to_owned(), lab.clone()), (LAB.to_owned(), lab)];
    all.extend(files);
    let mut libraries: Vec<PathBuf> = Vec::new();
    for (name, file) in &all {
        archive.parents(Path::new(name), &mut made)?;
        let bytes = if is_program(file) {
            libraries.extend(needed(file)?);
            stripped(file)?
        } else {
            read(file)?
        };
        archive.entry(name, FILE, (0, 0), &bytes)?;
    }
    libraries.sort();
    libraries.dedup();
    for library in &libraries {
        let inside = library.strip_prefix("/").unwrap_or(library);
        archive.parents(inside, &mut made)?;
        archive.entry(&inside.to_string_lossy(), FILE, (0, 0), &read(library)?)?;
    }
    for (number, module) in kernel.modules.iter().enumerate() {
        archive.entry(&format!("modules/{number}"), FILE, (0, 0), module)?;
    }
    archive.entry(JOB, FILE, (0, 0), &serde_json::to_vec(job)?)?;
    archive.finish()?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// True for what the loader starts.
fn is_program(file: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"\x7fELF"
}

/// What `extra` stands for, by the path inside: a program of this host, or every file of a folder in the same place.
pub(super) fn found(extra: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if extra.is_dir() {
        let top = fs::canonicalize(extra)?;
        let inside = |path: PathBuf| {
            (path.strip_prefix("/").unwrap_or(&path).to_string_lossy().into_owned(), path)
        };
        return Ok(files(&top)?.into_iter().map(inside).collect());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path)
        .map(|folder| folder.join(extra))
        .find(|program| program.is_file())
        .with_context(|| format!("no program {} on PATH", extra.display()))?;
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Ok(vec![(format!("{BIN}/{name}"), program)])
}

/// Every regular file below `directory`.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)?.flatten() {
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The program without debug information, which would only fill the guest's memory; as it is, without binutils.
fn stripped(program: &Path) -> anyhow::Result<Vec<u8>> {
    let copy = std::env::temp_dir().join(format!("lab-strip-{}", std::process::id()));
    let stripped =
        output("strip", "binutils", Command::new("strip").arg("-o").arg(&copy).arg(program));
    let bytes = read(if stripped.is_ok() { &copy } else { program });
    fs::remove_file(&copy).ok();
    bytes
}

/// The shared libraries of a program, its loader included.
fn needed(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(|error| super::missing("ldd", "libc-bin", error))?;
    // It fails on a static program, which needs none.
    Ok(libraries(&String::from_utf8_lossy(&output.stdout)))
}

fn libraries(ldd: &str) -> Vec<PathBuf> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

/// Packs all files under `directory`, by their path inside it.
pub(super) fn pack(directory: &Path, into: impl Write) -> io::Result<()> {
    let mut archive = Archive::new(into);
    for path in files(directory)? {
        let name = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
        archive.entry(&name, FILE, (0, 0), &fs::read(&path)?)?;
    }
    archive.finish()
}

/// Unpacks what [`pack`] wrote at the start of `disk`.
pub(super) fn unpack(disk: &Path, into: &Path) -> anyhow::Result<()> {
    let mut input = BufReader::new(File::open(disk)?);
    loop {
        let mut header = [0; 110];
        input.read_exact(&mut header)?;
        let header = std::str::from_utf8(&header).context("the guest left no archive")?;
        let number = |field: usize| u32::from_str_radix(&header[6 + field * 8..14 + field * 8], 16);
        if !header.starts_with("070701") {
            bail!("the guest left no archive");
        }
        let (size, name_size) = (number(6)?, number(11)?);
        let name = take(&mut input, name_size, 110)?;
        let name = String::from_utf8(name)?.trim_end_matches('\0').to_owned();
        if name == TRAILER {
            return Ok(());
        }
        let bytes = take(&mut input, size, 0)?;
        let path = Path::new(&name);
        if path.components().any(|part| !matches!(part, Component::Normal(_))) {
            bail!("the guest named a file {name:?}");
        }
        let path = into.join(path);
        fs::create_dir_all(path.parent().unwrap_or(into))?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
}

/// Reads `size` bytes and the padding that follows `before + size`.
fn take(input: &mut impl Read, size: u32, before: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    input.read_exact(&mut bytes)?;
    let padding = padding((before + size) as usize);
    input.read_exact(&mut [0; 3][..padding])?;
    Ok(bytes)
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

struct Archive<W> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let name_size = name.len() as u32 + 1;
        // Inode, mode, uid, gid, links, mtime, size, device of the file system, device of the node, name, check.
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.out.write_all(b"070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&[0; 4][..1 + padding(110 + name_size as usize)])?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; 4][..padding(bytes.len())])
    }

    /// The folders above `inside`, but for those that were `made` before.
    fn parents(&mut self, inside: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
        for parent in inside.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if !parent.as_os_str().is_empty() && !made.iter().any(|made| made == parent) {
                self.entry(&parent.to_string_lossy(), DIRECTORY, (0, 0), &[])?;
                made.push(parent.to_owned());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.entry(TRAILER, 0, (0, 0), &[])?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("sub")).unwrap();
        for (name, size) in [("a", 0), ("sub/b", 1), ("sub/odd-name", 4097)] {
            fs::write(from.path().join(name), vec![7; size]).unwrap();
        }
        let disk = to.path().join("disk");
        pack(from.path(), File::create(&disk).unwrap()).unwrap();
        unpack(&disk, &to.path().join("out")).unwrap();
        assert_eq!(fs::read(to.path().join("out/sub/odd-name")).unwrap(), vec![7; 4097]);
        assert_eq!(fs::read(to.path().join("out/a")).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn a_name_that_climbs_out_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        let mut archive = Archive::new(File::create(&disk).unwrap());
        archive.entry("../evil", FILE, (0, 0), b"x").unwrap();
        archive.finish().unwrap();
        assert!(
            unpack(&disk, &directory.path().join("out")).unwrap_err().to_string().contains("evil")
        );
    }

    #[test]
    fn an_empty_disk_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        fs::write(&disk, [0; 4096]).unwrap();
        assert!(unpack(&disk, directory.path()).is_err());
    }

    #[test]
    fn programs_are_found_by_name_and_folders_in_their_place() {
        let sh = found(Path::new("sh")).unwrap();
        assert_eq!(sh[0].0, "bin/sh");
        assert!(is_program(&sh[0].1) && !is_program(Path::new("/proc/self/status")));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/file"), "text").unwrap();
        let files = found(folder.path()).unwrap();
        assert_eq!(Path::new("/").join(&files[0].0), folder.path().join("sub/file"));
        let missing = found(Path::new("no-such-program")).unwrap_err().to_string();
        assert_eq!(missing, "no program no-such-program on PATH");
    }

    #[test]
    fn libraries_are_read_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x7ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let found = libraries(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Path::new("/lib64/ld-linux-x86-64.so.2"));
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
