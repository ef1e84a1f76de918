//! Who called whom in user space: by the unwind tables of the mapped files, else by looking.
//!
//! The kernel shows the instruction and the stack pointer of a blocked thread, and not the frame pointer. Code that was
//! compiled without frame pointers, as the C library is, needs only the first two. Where a frame needs the third and no
//! callee has saved it, or where there are no tables, the stack is searched for return addresses: behind a call of the very
//! function, else such frames are guesses.

use std::collections::HashMap;

use gimli::UnwindContext;

use super::maps::{self, Mapping};
use super::memory::{InMemory, Memory, Stack};
use super::symbols;
use super::tables::{Rule, Step, Tables};
use crate::capture::UserRegisters;
use crate::process::Target;

/// The most frames of one thread.
const MAX_FRAMES: usize = 128;

/// How far from the stack pointer on a return address is looked for, in words.
const SEARCH: u64 = 4096;

/// The most bytes of unwind tables that are held.
const MAX_TABLES: usize = 128 << 20;

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

/// A caller.
#[derive(Clone, Copy, Debug)]
struct Caller {
    registers: UserRegisters,
    /// It called; false for what a signal interrupted.
    called: bool,
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
    /// The mappings of code that were looked at, by their start, and their tables if they have any.
    tables: HashMap<u64, Option<Tables>>,
    /// The addresses that were looked at, with the rule for each if there is one.
    rules: HashMap<u64, Option<Rule>>,
    context: UnwindContext<usize>,
    held: usize,
}

impl<'a> Unwinding<'a> {
    pub(crate) fn new(target: &'a Target, memory: &'a Memory, maps: &'a [Mapping]) -> Self {
        let (tables, rules, context) = (HashMap::new(), HashMap::new(), UnwindContext::new());
        Self { target, memory, maps, tables, rules, context, held: 0 }
    }

    /// The frames from where the thread is outwards.
    pub(crate) fn frames(&mut self, from: UserRegisters) -> (Vec<Frame>, End) {
        let mut frames = vec![Frame { pc: from.pc, caller: false, guess: false }];
        let Some(stack) = maps::at(self.maps, from.sp).filter(|mapping| mapping.read) else {
            return (frames, End::Lost);
        };
        // The red zone below the stack pointer belongs to it (System V ABI for x86-64, 3.2.2).
        let stack = Stack::new(self.memory, from.sp.saturating_sub(128)..stack.end);
        let (mut at, mut last) = (from, frames[0]);
        while frames.len() < MAX_FRAMES {
            let caller = match self.caller(at, last.inside(), &stack) {
                Ok(caller) => caller,
                Err(end) => return (frames, end),
            };
            at = caller.registers;
            let guess = last.guess || !caller.sure;
            last = Frame { pc: at.pc, caller: caller.called, guess };
            frames.push(last);
        }
        (frames, End::Full)
    }

    /// Who called the function that is left at `at`, by an instruction that holds `inside`.
    fn caller(&mut self, at: UserRegisters, inside: u64, stack: &Stack<'_>) -> Result<Caller, End> {
        let rule = self.rule(inside);
        let tables =
            maps::at(self.maps, inside).and_then(|mapping| self.tables.get(&mapping.start));
        let step = rule.as_ref().zip(tables.and_then(Option::as_ref));
        let step = step.map_or(Step::Nowhere, |(rule, tables)| {
            tables.apply(rule, at, &|address| stack.word(address))
        });
        match step {
            Step::Bottom => Err(End::Bottom),
            Step::Caller(registers) if self.is_code(registers.pc) && registers.sp > at.sp => {
                let called = !rule.is_some_and(|rule| rule.signal);
                Ok(Caller { registers, called, sure: true })
            }
            // Without a rule, or with one that was not right, nothing says that it was called at all.
            Step::NoFramePointer => self.search(stack, at.sp, rule.as_ref()).ok_or(End::Lost),
            _ => self.search(stack, at.sp, None).ok_or(End::Lost),
        }
    }

    fn is_code(&self, address: u64) -> bool {
        maps::at(self.maps, address.saturating_sub(1)).is_some_and(|mapping| mapping.exec)
    }

    /// The return address of the function that `inner` is the rule of: the first from `sp` on behind a call that goes there.
    /// Where none is, or the function is not known, it is a guess: the first return address that there is, or better one of
    /// the next, below which a frame pointer seems to be saved.
    fn search(&self, stack: &Stack<'_>, sp: u64, inner: Option<&Rule>) -> Option<Caller> {
        let (mut guess, mut guesses) = (None::<Caller>, 0);
        for at in (0..SEARCH).map_while(|word| sp.checked_add(8 * word)) {
            let Some(pc) = stack.word(at) else { break };
            let call = self.call_before(pc);
            let called = call.is_some();
            if !called && !self.is_signal_return(pc) {
                continue;
            }
            let saved = if at > sp { stack.word(at - 8) } else { None };
            let caller = |fp, sure| {
                let registers = UserRegisters { pc, sp: at.checked_add(8)?, fp };
                Some(Caller { registers, called, sure })
            };
            let target = call.and_then(|call| call.target);
            if let Some(inner) = inner.filter(|inner| target == Some(inner.function)) {
                return caller(saved.filter(|_| inner.has_frame_pointer()), true);
            }
            let pointer = |fp: &u64| *fp > at && stack.holds(*fp) && fp.is_multiple_of(8);
            let better = saved.filter(pointer);
            let known = guess.is_some_and(|guess| guess.registers.fp.is_some());
            if guess.is_none() || (!known && better.is_some() && guesses < 8) {
                guess = caller(better, false);
            }
            guesses += 1;
        }
        guess
    }

    /// The call instruction that ends where `pc` points to.
    fn call_before(&self, pc: u64) -> Option<Call> {
        if !self.is_code(pc) {
            return None;
        }
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

    /// True of the code that a signal handler returns to: `mov $15, %rax; syscall` (rt_sigreturn(2)).
    fn is_signal_return(&self, pc: u64) -> bool {
        const CODE: [u8; 9] = [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05];
        let mut code = [0; CODE.len()];
        self.is_code(pc) && self.memory.read(pc, &mut code) == Some(CODE.len()) && code == CODE
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

    /// The rule for the instruction at `address`.
    fn rule(&mut self, address: u64) -> Option<Rule> {
        if let Some(known) = self.rules.get(&address) {
            return known.clone();
        }
        let mapping = maps::at(self.maps, address).filter(|mapping| mapping.exec)?;
        if !self.tables.contains_key(&mapping.start) {
            let room = MAX_TABLES - self.held;
            let tables = self.read_tables(mapping).filter(|tables| tables.size() <= room);
            self.held += tables.as_ref().map_or(0, Tables::size);
            self.tables.insert(mapping.start, tables);
        }
        let tables = self.tables.get(&mapping.start)?.as_ref();
        let rule = tables.and_then(|tables| tables.rule(&mut self.context, address));
        self.rules.insert(address, rule.clone());
        rule
    }

    fn read_tables(&self, mapping: &Mapping) -> Option<Tables> {
        if mapping.path == "[vdso]" {
            let (start, end) = (mapping.start, mapping.end);
            return Tables::of(&InMemory { memory: self.memory, start, end }, mapping);
        }
        Tables::of(&symbols::File(maps::open(self.target, mapping)?), mapping)
    }
}
