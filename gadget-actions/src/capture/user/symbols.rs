//! Names for addresses: from the symbol tables and the debug information of the mapped files.
//!
//! A file that another process has mapped may be cut short at any time, and to read it through a mapping of our own would
//! then end us. So it is copied first, into memory that only we have.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsRawFd as _, OwnedFd};

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
const MAX_DEBUG: i64 = 64 << 20;

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

/// Names `addresses`. For one without a symbol the module and the offset in its file are all there is to say.
pub(crate) fn names(target: &Target, maps: &[Mapping], addresses: &[u64]) -> Names {
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
            name_in(copy, &file, &mut names);
        }
    }
    names
}

/// Adds what the file says of addresses, which are given with their offsets in it.
fn name_in(copy: OwnedFd, addresses: &[(u64, u64)], names: &mut Names) {
    let mut source = ElfSource::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    let image = File(copy);
    // Debug information elsewhere is named by the file, so it could be any file; and it would be mapped.
    let elsewhere = |elf: Elf| {
        let names = [".gnu_debuglink", ".gnu_debugaltlink", ".debug_sup"];
        names.iter().any(|name| elf.has_section(&image, name))
    };
    let small = fstat(&image.0).is_ok_and(|found| found.st_size <= MAX_DEBUG);
    source.debug_syms = small && !Elf::parse(&image).is_none_or(elsewhere);
    let symbolizer = Symbolizer::builder().enable_auto_reload(false).build();
    let offsets: Vec<u64> = addresses.iter().map(|(_, offset)| *offset).collect();
    let source = Source::Elf(source);
    let Ok(found) = symbolizer.symbolize(&source, Input::FileOffset(&offsets)) else { return };
    for ((address, _), symbol) in addresses.iter().zip(&found) {
        let (Some(symbol), Some(known)) = (symbol.as_sym(), names.get_mut(address)) else {
            continue;
        };
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
