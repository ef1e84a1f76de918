//! Names for addresses: from the symbol tables and the debug information of the mapped files.
//!
//! A file that another process has mapped may be cut short at any time, and to read it through a mapping of our own would
//! then end us. So it is copied first, into memory that only we have.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use blazesym::symbolize::source::{Elf as ElfSource, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolizer};
use rustix::fs::{MemfdFlags, fstat, memfd_create};
use rustix::io::{Errno, pread};

use super::elf::{Elf, Image};
use super::maps::{self, Mapping};
use crate::process::Target;

/// The largest file whose symbols are read.
const MAX_FILE: u64 = 128 << 20;

/// The largest whose debug information is read too: what it says of lines may unfold to forty times its size.
const MAX_DEBUG: u64 = 64 << 20;

/// The most files whose symbols are read.
const MAX_FILES: usize = 64;

/// An image that is a file.
#[derive(Debug)]
pub(crate) struct File(pub(crate) OwnedFd);

impl Image for File {
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let size = u64::try_from(fstat(&self.0).ok()?.st_size).ok()?;
        let len = len.min(usize::try_from(size.checked_sub(offset)?).ok()?);
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match pread(&self.0, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        bytes.truncate(filled);
        Some(bytes)
    }
}

/// What is known of an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The function, and how far into it, where that is known.
    function: Option<(String, Option<u64>)>,
    /// The functions that were inlined there, the innermost first.
    pub(crate) inlined: Vec<String>,
    /// The file and the line of its source, with a space in front.
    at: String,
    /// The file that is mapped there, and where in it; nothing for code without a file.
    place: Option<(String, u64)>,
}

impl Known {
    /// As text, of the address that is `further` on.
    pub(crate) fn text(&self, further: u64) -> String {
        let function = match &self.function {
            Some((name, Some(within))) => format!("{name}+{:#x} ", within + further),
            Some((name, None)) => format!("{name} "),
            None => String::new(),
        };
        match &self.place {
            Some((name, offset)) => {
                format!("{function}({name}+{:#x}){}", offset + further, self.at)
            }
            None => "(code without a file)".to_owned(),
        }
    }
}

/// What is known of addresses.
pub(crate) type Names = HashMap<u64, Known>;

/// Where Debian and others install debug information.
pub(crate) const DEBUG: &str = "/usr/lib/debug";

/// Names `addresses`, also by the debug information that is installed below `debug`. For one without a symbol the module and the offset in its file are all there is to say.
pub(crate) fn names(target: &Target, maps: &[Mapping], addresses: &[u64], debug: &Path) -> Names {
    let mut names = Names::new();
    let mut files: BTreeMap<(u64, &str), Vec<(u64, u64)>> = BTreeMap::new();
    for &address in addresses {
        let Some(mapping) = maps::at(maps, address).filter(|mapping| !mapping.path.is_empty())
        else {
            continue;
        };
        let offset = address - mapping.start + mapping.offset;
        let place = Some((line(mapping.name()), offset));
        if names.insert(address, Known { place, ..Known::default() }).is_none() {
            let file = files.entry((mapping.inode, &*mapping.path)).or_default();
            file.push((address, offset));
        }
    }
    for file in files.into_values().take(MAX_FILES) {
        let first = file.first().and_then(|&(address, _)| maps::at(maps, address));
        if let Some(copy) = first.and_then(|mapping| copy(maps::open(target, mapping)?)) {
            name_in(copy, &file, &mut names, debug);
        }
    }
    names
}

/// Adds what the file says of addresses, which are given with their offsets in it; first what its debug file does.
fn name_in(copy: OwnedFd, addresses: &[(u64, u64)], names: &mut Names, debug: &Path) {
    let own = format!("/proc/self/fd/{}", copy.as_raw_fd());
    let image = File(copy);
    let Some(elf) = Elf::parse(&image) else { return };
    if let Some(path) = debug_file(&elf, &image, debug) {
        let place = |&(_, offset): &(u64, u64)| elf.address_of(offset).unwrap_or(0);
        let places: Vec<u64> = addresses.iter().map(place).collect();
        let small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= MAX_DEBUG);
        add(path, small, Input::VirtOffset(&places), addresses, names);
    }
    // Debug information elsewhere is named by the file, so it could be any file; and it would be mapped.
    let elsewhere = [".gnu_debuglink", ".gnu_debugaltlink", ".debug_sup"];
    let elsewhere = elsewhere.iter().any(|name| elf.has_section(&image, name));
    let small = fstat(&image.0).is_ok_and(|found| found.st_size.cast_unsigned() <= MAX_DEBUG);
    let offsets: Vec<u64> = addresses.iter().map(|(_, offset)| *offset).collect();
    add(own.into(), small && !elsewhere, Input::FileOffset(&offsets), addresses, names);
}

/// Where the host has the debug information of a file: among what its administrator installed, by the build id.
fn debug_file(elf: &Elf, image: &File, debug: &Path) -> Option<PathBuf> {
    let id = elf.build_id(image)?;
    let (first, rest) = id.split_at_checked(2)?;
    let path = debug.join(".build-id").join(first).join(format!("{rest}.debug"));
    path.is_file().then_some(path)
}

/// Adds what the file at `path` says of those that have no function yet.
fn add(
    path: PathBuf,
    debug: bool,
    places: Input<&[u64]>,
    addresses: &[(u64, u64)],
    names: &mut Names,
) {
    let mut source = ElfSource::new(path);
    source.debug_syms = debug;
    let symbolizer = Symbolizer::builder().enable_auto_reload(false).build();
    let Ok(found) = symbolizer.symbolize(&Source::Elf(source), places) else { return };
    for ((address, _), symbol) in addresses.iter().zip(&found) {
        let known = names.get_mut(address).filter(|known| known.function.is_none());
        let (Some(symbol), Some(known)) = (symbol.as_sym(), known) else { continue };
        // A function in several pieces has no beginning that could be counted from.
        let offset = (symbol.addr != 0).then_some(symbol.offset as u64);
        known.function = Some((line(&symbol.name), offset));
        // Inlined functions are told from the outside in, frames from the inside out.
        let inlined = symbol.inlined.iter().rev();
        known.inlined = inlined
            .map(|of| format!("{} (inlined){}", line(&of.name), at(of.code_info.as_ref())))
            .collect();
        known.at = at(symbol.code_info.as_deref());
    }
}

/// What was in a file may hold anything.
fn line(name: &str) -> String {
    name.chars().take(512).flat_map(char::escape_debug).collect()
}

fn at(code: Option<&CodeInfo<'_>>) -> String {
    let Some(code) = code else { return String::new() };
    let file = line(&code.file.to_string_lossy());
    code.line.map_or_else(|| format!(" {file}"), |number| format!(" {file}:{number}"))
}

/// A copy of a file in memory of our own.
fn copy(file: OwnedFd) -> Option<OwnedFd> {
    let size = u64::try_from(fstat(&file).ok()?.st_size).ok()?;
    if size > MAX_FILE {
        return None;
    }
    let copy = memfd_create(c"gadget-symbols", MemfdFlags::CLOEXEC).ok()?;
    let mut from = std::io::Read::take(std::fs::File::from(file), size);
    std::io::copy(&mut from, &mut std::fs::File::from(copy.try_clone().ok()?)).ok()?;
    Some(copy)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::testing::{Child, proc};

    #[test]
    fn a_stripped_program_has_its_names_from_the_debug_file_with_its_build_id() {
        let dir = tempfile::tempdir().unwrap();
        let script = "set -e; gcc -g -O0 -Wl,--build-id=0x0badcafe -o abba -pthread $0; nm abba >nm; \
            mkdir -p .build-id/0b; objcopy --only-keep-debug abba .build-id/0b/adcafe.debug; strip abba";
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/abba.c");
        let built = Command::new("sh").args(["-c", script, source]).current_dir(&dir).status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: there is no gcc; capture/user/mod.rs names functions of this test");
            return;
        }
        let nm = std::fs::read_to_string(dir.path().join("nm")).unwrap();
        let take = nm.lines().find_map(|line| line.strip_suffix(" t take")).unwrap();
        let take = u64::from_str_radix(take, 16).unwrap();
        let child = Child::script(&format!("exec {}/abba", dir.path().display()));
        let target = Target::open(proc(), child.id()).unwrap();
        let maps = maps::read(&target).unwrap();
        let code = maps.iter().find(|mapping| mapping.name() == "abba" && mapping.exec).unwrap();
        // Linked so that addresses and offsets of code are the same.
        let address = code.start + take - code.offset + 8;
        let text = |debug: &Path| {
            let names = names(&target, &maps, &[address], debug);
            names.get(&address).unwrap().text(1)
        };
        let named = text(dir.path());
        assert!(named.starts_with("take+0x9 (abba+0x") && named.contains(" abba.c:"), "{named}");
        let unnamed = text(Path::new("/nonexistent"));
        assert_eq!(unnamed, format!("(abba+{:#x})", take + 9));
    }
}
