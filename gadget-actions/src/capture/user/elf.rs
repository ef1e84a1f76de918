//! As much of an ELF file as unwinding needs: where its segments lie, and its unwind tables (ELF-64, little endian).
//!
//! The file is whatever the process has mapped: nothing in it is trusted, and what is read of it is bounded.

/// Reads from an image: at this offset, this many bytes at most; fewer at its end.
pub(crate) trait Image {
    /// The bytes; none for an error.
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>>;
}

impl Image for [u8] {
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let rest = self.get(usize::try_from(offset).ok()?..)?;
        rest.get(..len.min(rest.len())).map(<[u8]>::to_vec)
    }
}

/// The most that is read of one unwind table.
const MAX_TABLE: u64 = 32 << 20;

/// The most sections that are looked at.
const MAX_SECTIONS: u16 = 4096;

const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

#[derive(Clone, Debug)]
struct Segment {
    kind: u32,
    /// It can be executed.
    code: bool,
    offset: u64,
    address: u64,
    in_file: u64,
}

/// Where its segments lie.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    segments: Vec<Segment>,
    sections: (u64, u16, u16),
}

/// A table, and the address it stands at by the file's own reckoning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The address.
    pub(crate) address: u64,
    /// What stands there.
    pub(crate) bytes: Vec<u8>,
}

impl Table {
    fn new(address: u64, bytes: Vec<u8>) -> Self {
        Self { address, bytes }
    }

    /// Where the entry of the function is that holds `address`, or of the last before it, if this is `.eh_frame_hdr`: a table
    /// sorted by functions, 4 bytes for where each begins and 4 for where its entry is, both counted from here.
    pub(crate) fn entry(&self, address: u64) -> Option<u64> {
        // The number of functions takes 4 bytes, behind the address of `.eh_frame`. No linker writes another form.
        if self.bytes.get(2..4)? != [0x03, 0x3b] {
            return None;
        }
        let count = usize::try_from(u32_at(&self.bytes, 8)?).ok()?;
        let rows = self.bytes.get(12..)?;
        let count = count.min(rows.len() / 8);
        let at = |at: usize| {
            Some(self.address.wrapping_add_signed(i64::from(u32_at(rows, at)?.cast_signed())))
        };
        let (mut from, mut to) = (0, count);
        while from < to {
            let middle = from.midpoint(to);
            if at(middle * 8)? <= address { from = middle + 1 } else { to = middle }
        }
        at(from.checked_sub(1)? * 8 + 4)
    }
}

/// Where a section stands in memory and in the file.
#[derive(Clone, Copy, Debug)]
struct Section {
    address: u64,
    offset: u64,
    size: u64,
}

impl Elf {
    /// Reads the headers; none for another kind of file.
    pub(crate) fn parse<I: Image + ?Sized>(image: &I) -> Option<Self> {
        let header = image.read(0, 64)?;
        if header.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let (table, size, count) =
            (u64_at(&header, 32)?, u16_at(&header, 54)?, u16_at(&header, 56)?);
        if size != 56 || count > 256 {
            return None;
        }
        let table = image.read(table, usize::from(count) * 56)?;
        let segment = |entry: &[u8]| {
            Some(Segment {
                kind: u32_at(entry, 0)?,
                code: u32_at(entry, 4)? & PF_X != 0,
                offset: u64_at(entry, 8)?,
                address: u64_at(entry, 16)?,
                in_file: u64_at(entry, 32)?,
            })
        };
        let segments = table.chunks_exact(56).filter_map(segment).collect();
        let sections = (u64_at(&header, 40)?, u16_at(&header, 60)?, u16_at(&header, 62)?);
        Some(Self { segments, sections })
    }

    /// What to add to its addresses, if its code at this offset of the file is mapped at `start`; wraps.
    pub(crate) fn bias(&self, start: u64, offset: u64) -> Option<u64> {
        // Mappings begin at a page, segments anywhere in one: the first page of the code may be the last of other data.
        let page = |at: u64| at & !0xfff;
        let mut code =
            self.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.code);
        let code = code.find(|code| {
            (page(code.offset)..code.offset.saturating_add(code.in_file)).contains(&offset)
        })?;
        Some(start.wrapping_sub(code.address.wrapping_sub(code.offset).wrapping_add(offset)))
    }

    /// The tables that say how to unwind: `.eh_frame`, and its index `.eh_frame_hdr` where there is one. Programs that are
    /// linked statically have none.
    pub(crate) fn unwind_tables<I: Image + ?Sized>(
        &self,
        image: &I,
    ) -> Option<(Option<Table>, Table)> {
        self.indexed(image).map(|(index, frames)| (Some(index), frames)).or_else(|| {
            let Section { address, offset, size } = self.section(image, ".eh_frame")?;
            Some((None, Table::new(address, read(image, offset, size)?)))
        })
    }

    /// What the program itself would unwind by.
    fn indexed<I: Image + ?Sized>(&self, image: &I) -> Option<(Table, Table)> {
        let index = self.segments.iter().find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
        let bytes = read(image, index.offset, index.in_file)?;
        // Version 1, then how the address of `.eh_frame` is written: 4 bytes, counted from where they stand
        // (Linux Standard Base Core, exception frames). No linker writes another form.
        if bytes.get(..2)? != [1, 0x1b] {
            return None;
        }
        let relative = i64::from(u32_at(&bytes, 4)?.cast_signed());
        let frames = index.address.wrapping_add(4).wrapping_add_signed(relative);
        let load = self.segments.iter().find(|load| {
            load.kind == PT_LOAD
                && (load.address..load.address.saturating_add(load.in_file)).contains(&frames)
        })?;
        let skip = frames - load.address;
        // Where the section ends is not said; the index says where each entry is.
        let frame_bytes = read(image, load.offset.checked_add(skip)?, load.in_file - skip)?;
        Some((Table::new(index.address, bytes), Table::new(frames, frame_bytes)))
    }

    /// What it adds to an offset of its code to say where that is.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        self.bias(0, offset).map(u64::wrapping_neg)
    }

    /// What its linker made of all of it, in hexadecimal: the same for the file with its debug information.
    pub(crate) fn build_id<I: Image + ?Sized>(&self, image: &I) -> Option<String> {
        let Section { offset, size, .. } = self.section(image, ".note.gnu.build-id")?;
        let note = read(image, offset, size.min(256))?;
        // The lengths of name and content, a type; then name and content (elf(5), Notes).
        let len = usize::try_from(u32_at(&note, 4)?).ok()?;
        let id = note.get(16..)?.get(..len).filter(|_| note.get(12..16) == Some(b"GNU\0"))?;
        Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// True if it has a section of this name; false if that cannot be read.
    pub(crate) fn has_section<I: Image + ?Sized>(&self, image: &I, name: &str) -> bool {
        self.section(image, name).is_some()
    }

    fn section<I: Image + ?Sized>(&self, image: &I, name: &str) -> Option<Section> {
        let (table, count, names) = self.sections;
        let headers = image.read(table, usize::from(count.min(MAX_SECTIONS)) * 64)?;
        let header = |index: usize| headers.get(index * 64..(index + 1) * 64);
        let place = |header: &[u8]| {
            let (address, offset) = (u64_at(header, 16)?, u64_at(header, 24)?);
            Some(Section { address, offset, size: u64_at(header, 32)? })
        };
        let names = place(header(usize::from(names))?)?;
        let names = read(image, names.offset, names.size.min(1 << 16))?;
        let is_it = |header: &&[u8]| {
            let at = u32_at(header, 0).and_then(|at| usize::try_from(at).ok());
            let named = at.and_then(|at| names.get(at..));
            named.and_then(|named| named.split(|&byte| byte == 0).next()) == Some(name.as_bytes())
        };
        headers.chunks_exact(64).find(is_it).and_then(place)
    }
}

fn read<I: Image + ?Sized>(image: &I, offset: u64, len: u64) -> Option<Vec<u8>> {
    image.read(offset, usize::try_from(len.min(MAX_TABLE)).ok()?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_program_says_how_to_unwind_it() {
        let image = std::fs::read("/proc/self/exe").unwrap();
        let elf = Elf::parse(&image[..]).unwrap();
        let (index, frames) = elf.unwind_tables(&image[..]).unwrap();
        let index = index.unwrap();
        // Without the index it is found by its section, which also says where it ends.
        let mut unindexed = elf.clone();
        unindexed.segments.retain(|segment| segment.kind != PT_GNU_EH_FRAME);
        let (none, section) = unindexed.unwind_tables(&image[..]).unwrap();
        assert_eq!((none, section.address), (None, frames.address));
        assert!(frames.bytes.starts_with(&section.bytes));
        // The table holds at least the number of functions, and the frames begin with a common information entry.
        assert!(index.bytes.len() > 1_000 && frames.bytes.len() > index.bytes.len());
        assert_eq!(u32_at(&frames.bytes, 4), Some(0));
        assert!(elf.has_section(&image[..], ".text") && !elf.has_section(&image[..], ".tex"));
    }

    #[test]
    fn a_damaged_file_is_no_program_or_has_no_tables() {
        let image = std::fs::read("/proc/self/exe").unwrap();
        let head = &image[..4096.min(image.len())];
        for at in 0..64 {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = head.to_vec();
                damaged[at] = value;
                if let Some(elf) = Elf::parse(&damaged[..]) {
                    let _ = (elf.unwind_tables(&damaged[..]), elf.bias(u64::MAX, u64::MAX));
                    let _ = elf.has_section(&damaged[..], ".text");
                }
            }
        }
        assert!(Elf::parse(&b"\x7fELF"[..]).is_none());
        assert!(Elf::parse(&b"#!/bin/sh\n"[..]).is_none());
    }
}
