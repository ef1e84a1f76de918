//! Who called whom in user space: by the unwind tables of the mapped files, else by looking.
//!
//! The kernel shows the instruction and the stack pointer of a blocked thread, and not the frame pointer. Code that was
//! compiled without frame pointers, as the C library is, needs only the first two. Where a frame needs the third and no
//! callee has saved it, or where there are no tables, the stack is searched for return addresses: behind a call of the very
//! function, else such frames are guesses.

use std::collections::HashMap;
use std::sync::Arc;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _};

use super::elf::{Elf, Image, Table};
use super::maps::{self, Mapping};
use super::memory::{InMemory, Memory, Stack};
use super::symbols;
use crate::capture::UserRegisters;
use crate::process::Target;

/// The most frames of one thread.
const MAX_FRAMES: usize = 128;

/// How far from the stack pointer on a return address is looked for, in words.
const SEARCH: u64 = 4096;

/// The most bytes of unwind tables that are held.
const MAX_TABLES: usize = 128 << 20;

/// Stands for a frame pointer that is not known: no address of user space, so that to read there fails.
const UNKNOWN: u64 = 0x7ead_0000_0000_0000;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it is: for a caller the address that the call returns to.
    pub(crate) pc: u64,
    /// True for a return address.
    pub(crate) caller: bool,
    /// It was found by looking, or through one that was, and may be a leftover.
    pub(crate) guess: bool,
}

impl Frame {
    /// An address inside of the instruction.
    pub(crate) const fn inside(self) -> u64 {
        if self.caller { self.pc.saturating_sub(1) } else { self.pc }
    }
}

/// Why no further frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is none: this is where the thread began.
    Bottom,
    /// Neither tables nor looking led on.
    Lost,
    /// There may be more.
    Full,
}

/// What to add to the addresses of a file, and the index of its tables.
type Tables = (u64, Option<Table>);

/// What was found by looking.
#[derive(Clone, Copy, Debug)]
struct Found {
    registers: UnwindRegsX86_64,
    sure: bool,
}

/// A call instruction, and where it goes to if it says so.
#[derive(Clone, Copy, Debug)]
struct Call {
    target: Option<u64>,
}

/// Unwinds the threads of one process.
pub(crate) struct Unwinding<'a> {
    target: &'a Target,
    memory: &'a Memory,
    maps: &'a [Mapping],
    unwinder: UnwinderX86_64<Arc<[u8]>>,
    cache: CacheX86_64,
    /// The mappings that were looked at, by their start, and their tables if they have any.
    covered: HashMap<u64, Option<Tables>>,
    held: usize,
}

impl<'a> Unwinding<'a> {
    pub(crate) fn new(target: &'a Target, memory: &'a Memory, maps: &'a [Mapping]) -> Self {
        let (unwinder, cache) = (UnwinderX86_64::new(), CacheX86_64::new());
        Self { target, memory, maps, unwinder, cache, covered: HashMap::new(), held: 0 }
    }

    /// The frames from where the thread is outwards.
    pub(crate) fn frames(&mut self, from: UserRegisters) -> (Vec<Frame>, End) {
        let mut frames = vec![Frame { pc: from.pc, caller: false, guess: false }];
        let Some(stack) = maps::at(self.maps, from.sp).filter(|mapping| mapping.read) else {
            return (frames, End::Lost);
        };
        // The red zone below the stack pointer belongs to it (System V ABI for x86-64, 3.2.2).
        let stack = Stack::new(self.memory, from.sp.saturating_sub(128)..stack.end);
        let mut registers = UnwindRegsX86_64::new(from.pc, from.sp, from.fp.unwrap_or(UNKNOWN));
        let mut at = FrameAddress::from_instruction_pointer(from.pc);
        while frames.len() < MAX_FRAMES {
            let before = registers;
            let by_tables = self.covers(at.address_for_lookup()).then(|| {
                let mut word = |address| stack.word(address).ok_or(());
                self.unwinder.unwind_frame(at, &mut registers, &mut self.cache, &mut word)
            });
            let (pc, sure) = match by_tables {
                Some(Ok(None)) => return (frames, End::Bottom),
                Some(Ok(Some(pc))) if self.is_code(pc) && registers.sp() > before.sp() => {
                    (pc, true)
                }
                by_tables => {
                    let inner = by_tables.and_then(|_| self.function_at(at.address_for_lookup()));
                    let Some(found) = self.search(&stack, before.sp(), inner) else {
                        return (frames, End::Lost);
                    };
                    registers = found.registers;
                    (registers.ip(), found.sure)
                }
            };
            let guess = !sure || frames.last().is_some_and(|last| last.guess);
            frames.push(Frame { pc, caller: true, guess });
            let Some(next) = FrameAddress::from_return_address(pc) else {
                return (frames, End::Lost);
            };
            at = next;
        }
        (frames, End::Full)
    }

    fn is_code(&self, address: u64) -> bool {
        maps::at(self.maps, address.saturating_sub(1)).is_some_and(|mapping| mapping.exec)
    }

    /// The return address of the function that begins at `inner`: the first from `sp` on behind a call that goes there. Where
    /// none is, or where the function begins is not known, it is a guess: the first that there is, or better one of the next
    /// below which a frame pointer seems to be saved.
    fn search(&self, stack: &Stack<'_>, sp: u64, inner: Option<u64>) -> Option<Found> {
        let words = (0..SEARCH).map_while(|word| sp.checked_add(8 * word));
        let mut guess: Option<Found> = None;
        let mut guesses = 0;
        for at in words {
            let Some(pc) = stack.word(at) else { break };
            if !self.is_code(pc) {
                continue;
            }
            let Some(call) = self.call_before(pc) else { continue };
            let saved = (at > sp).then(|| stack.word(at - 8)).flatten();
            let found = |fp, sure| {
                let registers = UnwindRegsX86_64::new(pc, at.checked_add(8)?, fp);
                Some(Found { registers, sure })
            };
            if inner.is_some() && call.target == inner {
                // It has tables, so it is the frame pointer that is missing: a function that needs it saves its caller's
                // right below the return address.
                return found(saved.unwrap_or(UNKNOWN), true);
            }
            let pointer = |fp: &u64| *fp > at && stack.holds(*fp) && fp.is_multiple_of(8);
            let better = saved.filter(pointer);
            let known = guess.as_ref().is_some_and(|found| found.registers.bp() != UNKNOWN);
            if guess.is_none() || (!known && better.is_some() && guesses < 8) {
                guess = found(better.unwrap_or(UNKNOWN), false);
            }
            guesses += 1;
        }
        guess
    }

    /// The call instruction that ends where `pc` points to.
    fn call_before(&self, pc: u64) -> Option<Call> {
        let mut code = [0; 7];
        let read = self.memory.read(pc.checked_sub(7)?, &mut code)?;
        if read != code.len() {
            return None;
        }
        let to = |distance| pc.wrapping_add_signed(i64::from(i32::from_le_bytes(distance)));
        // FF /2 is the indirect call; its length follows from the byte behind it (Intel SDM volume 2, 2.1.5).
        match code {
            [_, _, 0xe8, a, b, c, d] => {
                let target = to([a, b, c, d]);
                self.is_code(target.wrapping_add(1))
                    .then(|| Call { target: Some(self.behind_stub(target)) })
            }
            // Through a table of addresses, which this instruction names.
            [_, 0xff, 0x15, a, b, c, d] => Some(Call { target: self.pointer(to([a, b, c, d])) }),
            [.., 0xff, 0xd0..=0xd7 | 0x10..=0x13 | 0x16 | 0x17]
            | [.., 0xff, 0x14 | 0x50..=0x53 | 0x55..=0x57, _]
            | [.., 0xff, 0x54, _, _]
            | [_, 0xff, 0x90..=0x93 | 0x95..=0x97, ..]
            | [0xff, 0x94, ..] => Some(Call { target: None }),
            _ => None,
        }
    }

    /// Where a jump through a table of addresses leads, as in a procedure linkage table; else the place itself.
    fn behind_stub(&self, address: u64) -> u64 {
        let mut code = [0; 11];
        let read = self.memory.read(address, &mut code);
        let jump = |from: usize| match code.get(from..from + 6)? {
            &[0xff, 0x25, a, b, c, d] => {
                let next = address.wrapping_add(from as u64 + 6);
                let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
                self.pointer(next.wrapping_add_signed(distance))
            }
            _ => None,
        };
        // `endbr64` may stand before it, a prefix of one byte after that.
        let from = if code.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]) { 4 } else { 0 };
        let from = if code.get(from) == Some(&0xf2) { from + 1 } else { from };
        if read == Some(code.len()) { jump(from).unwrap_or(address) } else { address }
    }

    /// The eight bytes at any address.
    fn pointer(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = self.memory.read(address, &mut bytes)?;
        (read == bytes.len()).then(|| u64::from_le_bytes(bytes))
    }

    /// Where the function begins that `address` is in, by the index of the tables.
    fn function_at(&self, address: u64) -> Option<u64> {
        let mapping = maps::at(self.maps, address)?;
        let (bias, index) = self.covered.get(&mapping.start)?.as_ref()?;
        let start = index.as_ref()?.function(address.wrapping_sub(*bias))?;
        Some(start.wrapping_add(*bias))
    }

    /// True if there are tables for the code at `address`; loads them the first time.
    fn covers(&mut self, address: u64) -> bool {
        let Some(mapping) = maps::at(self.maps, address).filter(|mapping| mapping.exec) else {
            return false;
        };
        if let Some(known) = self.covered.get(&mapping.start) {
            return known.is_some();
        }
        let found = self.module(mapping);
        let known = found.is_some();
        let tables = found.map(|(module, tables)| {
            self.unwinder.add_module(module);
            tables
        });
        self.covered.insert(mapping.start, tables);
        known
    }

    fn module(&mut self, mapping: &Mapping) -> Option<(Module<Arc<[u8]>>, Tables)> {
        let image: Box<dyn Image> = if mapping.path == "[vdso]" {
            Box::new(InMemory { memory: self.memory, start: mapping.start, end: mapping.end })
        } else {
            Box::new(symbols::File(maps::open(self.target, mapping)?))
        };
        let elf = Elf::parse(&*image)?;
        let bias = elf.bias(mapping.start, mapping.offset)?;
        let (index, frames) = elf.unwind_tables(&*image)?;
        self.held += index.as_ref().map_or(0, |index| index.bytes.len()) + frames.bytes.len();
        if self.held > MAX_TABLES {
            return None;
        }
        let info = ExplicitModuleSectionInfo {
            eh_frame_hdr_svma: index.as_ref().map(|index| index.addresses.clone()),
            eh_frame_hdr: index.as_ref().map(|index| Arc::clone(&index.bytes)),
            eh_frame_svma: Some(frames.addresses),
            eh_frame: Some(frames.bytes),
            ..Default::default()
        };
        let module = Module::new(String::new(), mapping.start..mapping.end, bias, info);
        Some((module, (bias, index)))
    }
}
