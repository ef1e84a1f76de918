//! The unwind tables of one mapped file (DWARF 5, 6.4; Linux Standard Base Core, exception frames), for x86-64.
//!
//! They belong to the process, and may hold anything: what they compute is bounded, and they are only let read the stack.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameOffset, Encoding, EndianSlice, EvaluationResult,
    LittleEndian, Location, Register, RegisterRule, UnwindContext, UnwindExpression,
    UnwindSection as _, Value, X86_64,
};

use super::elf::{Elf, Image, Table};
use super::maps::{Mapping, parse_maps};
use crate::capture::UserRegisters;

/// The most operations of one expression, and the most that it may ask of registers and memory.
const MAX_OPERATIONS: u32 = 256;
const MAX_QUESTIONS: usize = 64;

/// The tables, and what to add to their addresses.
#[derive(Debug)]
pub(super) struct Tables {
    bias: u64,
    index: Option<Table>,
    frames: Table,
}

/// How to leave a function at one of its instructions.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Where the function begins.
    pub(super) function: u64,
    /// It is how the kernel returns from a signal handler: it was not called.
    pub(super) signal: bool,
    encoding: Encoding,
    /// Where the caller's frame ends.
    frame: CfaRule<usize>,
    fp: Option<RegisterRule<usize>>,
    pc: Option<RegisterRule<usize>>,
}

/// Reads the eight bytes at an address of the stack; none elsewhere.
type Word<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// Where a rule leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the caller, with these registers.
    Caller(UserRegisters),
    /// There is no caller.
    Bottom,
    /// Nowhere, without a frame pointer.
    NoFramePointer,
    /// Nowhere: the stack cannot be read there, or the rule is not understood.
    Nowhere,
}

impl Rule {
    /// True if the caller's frame pointer is saved below the return address, and our own points there.
    pub(super) fn has_frame_pointer(&self) -> bool {
        matches!(self.frame, CfaRule::RegisterAndOffset { register: X86_64::RBP, offset: 16 })
    }
}

impl Tables {
    /// Reads those of a file, for one of the places where its code is mapped.
    pub(super) fn of<I: Image + ?Sized>(image: &I, mapping: &Mapping) -> Option<Self> {
        let elf = Elf::parse(image)?;
        let bias = elf.bias(mapping.start, mapping.offset)?;
        let (index, frames) = elf.unwind_tables(image)?;
        Some(Self { bias, index, frames })
    }

    /// The memory that they take.
    pub(super) fn size(&self) -> usize {
        self.frames.bytes.len() + self.index.as_ref().map_or(0, |index| index.bytes.len())
    }

    fn frames(&self) -> EhFrame<EndianSlice<'_, LittleEndian>> {
        EhFrame::new(&self.frames.bytes, LittleEndian)
    }

    /// The rule for the instruction at `address`.
    pub(super) fn rule(&self, context: &mut UnwindContext<usize>, address: u64) -> Option<Rule> {
        let (frames, address) = (self.frames(), address.wrapping_sub(self.bias));
        let bases = BaseAddresses::default().set_eh_frame(self.frames.address);
        let entry = if let Some(index) = &self.index {
            let offset = index.entry(address)?.checked_sub(self.frames.address)?;
            let offset = EhFrameOffset(usize::try_from(offset).ok()?);
            let entry = frames.fde_from_offset(&bases, offset, EhFrame::cie_from_offset).ok()?;
            entry.contains(address).then_some(entry)?
        } else {
            frames.fde_for_address(&bases, address, EhFrame::cie_from_offset).ok()?
        };
        let row = entry.unwind_info_for_address(&frames, &bases, context, address).ok()?;
        Some(Rule {
            function: entry.initial_address().wrapping_add(self.bias),
            signal: entry.is_signal_trampoline(),
            encoding: entry.cie().encoding(),
            frame: row.cfa().clone(),
            fp: row.register(X86_64::RBP),
            pc: row.register(X86_64::RA),
        })
    }

    /// Follows a rule from where these registers are.
    pub(super) fn apply(&self, rule: &Rule, at: UserRegisters, word: Word<'_>) -> Step {
        let compute = |expression: &UnwindExpression<usize>, initial| {
            self.compute(rule.encoding, expression, initial, at, word)
        };
        let frame = match &rule.frame {
            CfaRule::RegisterAndOffset { register, offset } => {
                known(at, *register).map(|value| value.wrapping_add_signed(*offset))
            }
            CfaRule::Expression(expression) => compute(expression, None),
        };
        let Some(frame) = frame else {
            return if at.fp.is_none() { Step::NoFramePointer } else { Step::Nowhere };
        };
        let value = |rule: &RegisterRule<usize>, same| match rule {
            RegisterRule::SameValue => same,
            RegisterRule::Offset(offset) => word(frame.wrapping_add_signed(*offset)),
            RegisterRule::ValOffset(offset) => Some(frame.wrapping_add_signed(*offset)),
            RegisterRule::Register(register) => known(at, *register),
            RegisterRule::Expression(expression) => word(compute(expression, Some(frame))?),
            RegisterRule::ValExpression(expression) => compute(expression, Some(frame)),
            _ => None,
        };
        let pc = match &rule.pc {
            None | Some(RegisterRule::Undefined) => return Step::Bottom,
            Some(rule) => value(rule, None),
        };
        let fp = rule.fp.as_ref().map_or(at.fp, |rule| value(rule, at.fp));
        match pc {
            Some(0) => Step::Bottom,
            Some(pc) => Step::Caller(UserRegisters { pc, sp: frame, fp }),
            None => Step::Nowhere,
        }
    }

    fn compute(
        &self,
        encoding: Encoding,
        expression: &UnwindExpression<usize>,
        initial: Option<u64>,
        at: UserRegisters,
        word: Word<'_>,
    ) -> Option<u64> {
        let mut evaluation = expression.get(&self.frames()).ok()?.evaluation(encoding);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().ok()?;
        for _ in 0..MAX_QUESTIONS {
            result = match result {
                EvaluationResult::Complete => {
                    return match evaluation.as_result().last()?.location {
                        Location::Address { address } => Some(address),
                        _ => None,
                    };
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(known(at, register)?))
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    evaluation.resume_with_memory(Value::Generic(word(address)?))
                }
                _ => return None,
            }
            .ok()?;
        }
        None
    }
}

/// Reads `bytes` as a file, as tables and as an index of tables, follows the rules for these addresses, and returns how many
/// there were.
#[must_use]
pub fn follow(bytes: &[u8], addresses: &[u64]) -> usize {
    let table = || Table { address: 0, bytes: bytes.to_vec() };
    let mapping = parse_maps(b"1000-400000 r-xp 00000000 08:01 7 /file");
    let image = mapping.first().and_then(|mapping| Tables::of(bytes, mapping));
    let plain = Tables { bias: 0, index: None, frames: table() };
    let indexed = Tables { bias: 0, index: Some(table()), frames: table() };
    let mut context = UnwindContext::new();
    let mut count = 0;
    for tables in image.iter().chain([&plain, &indexed]) {
        for &address in addresses {
            if let Some(rule) = tables.rule(&mut context, address) {
                let at = UserRegisters { pc: address, sp: 0x1000, fp: Some(0x2000) };
                let _ = tables.apply(&rule, at, &|address| address.checked_mul(3));
                count += 1;
            }
        }
    }
    count
}

/// What is known of a register.
fn known(at: UserRegisters, register: Register) -> Option<u64> {
    match register {
        X86_64::RSP => Some(at.sp),
        X86_64::RBP => at.fp,
        X86_64::RA => Some(at.pc),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of one function from `0x1000` to `0x1100` that has these instructions for all of it.
    fn tables(instructions: &[u8]) -> Tables {
        // Version 1, no augmentation, code in bytes, data in -8 bytes, the return address is register 16.
        let mut common = vec![0, 0, 0, 0, 1, 0, 1, 0x78, 16];
        common.extend(instructions);
        let mut entry = vec![];
        let pad = |part: &mut Vec<u8>| {
            part.resize(part.len().next_multiple_of(8) + 4, 0);
            let len = u32::try_from(part.len()).unwrap();
            part.splice(0..0, len.to_le_bytes());
        };
        pad(&mut common);
        // Counted back from where it stands.
        entry.extend(u32::try_from(common.len() + 4).unwrap().to_le_bytes());
        entry.extend(0x1000_u64.to_le_bytes());
        entry.extend(0x100_u64.to_le_bytes());
        pad(&mut entry);
        let bytes = [common, entry, vec![0; 4]].concat();
        Tables { bias: 0x50_0000, index: None, frames: Table { address: 0, bytes } }
    }

    fn step(instructions: &[u8], fp: Option<u64>, words: &[u64]) -> Step {
        let word = |address: u64| {
            let index = usize::try_from(address.checked_sub(SP)?).ok()? / 8;
            words.get(index).copied()
        };
        let tables = tables(instructions);
        let mut context = UnwindContext::new();
        assert!(tables.rule(&mut context, 0x1010).is_none());
        let rule = tables.rule(&mut context, 0x50_1010).unwrap();
        assert_eq!(rule.function, 0x50_1000);
        // Addresses are told as they are counted from the stack pointer.
        let at = UserRegisters { pc: 0x50_1010, sp: SP, fp: fp.map(|fp| fp + SP) };
        match tables.apply(&rule, at, &word) {
            Step::Caller(to) => Step::Caller(UserRegisters { sp: to.sp - SP, ..to }),
            other => other,
        }
    }

    const SP: u64 = 0x7000_0000;

    // DW_CFA_def_cfa, DW_CFA_offset and DW_CFA_def_cfa_expression (DWARF 5, table 7.29).
    const RETURN_ADDRESS: [u8; 2] = [0x80 | 16, 1];

    #[test]
    fn a_frame_ends_where_the_stack_or_the_frame_pointer_says() {
        let words = [7, 8, 9, 10];
        let by_sp = [&[0x0c, 7, 16][..], &RETURN_ADDRESS].concat();
        let caller = |pc, sp, fp| Step::Caller(UserRegisters { pc, sp, fp });
        assert_eq!(step(&by_sp, None, &words), caller(8, 16, None));
        let by_fp = [&[0x0c, 6, 16][..], &RETURN_ADDRESS, &[0x80 | 6, 2]].concat();
        assert_eq!(step(&by_fp, Some(8), &words), caller(9, 24, Some(8)));
        assert_eq!(step(&by_fp, None, &words), Step::NoFramePointer);
        assert_eq!(step(&by_fp, Some(800), &words), Step::Nowhere);
        assert_eq!(step(&by_sp, None, &[7, 0]), Step::Bottom);
        // DW_CFA_undefined of the return address: a thread began here.
        assert_eq!(step(&[0x0c, 7, 16, 0x07, 16], None, &words), Step::Bottom);
    }

    #[test]
    fn an_expression_reads_the_stack_alone_and_does_not_run_for_ever() {
        let words = [0, 8, 9, 10];
        let with = |operations: &[u8]| {
            let len = u8::try_from(operations.len()).unwrap();
            step(&[&[0x0f, len][..], operations, &RETURN_ADDRESS].concat(), None, &words)
        };
        // The stack pointer and 24.
        let to = UserRegisters { pc: 9, sp: 24, fp: None };
        assert_eq!(with(&[0x77, 24]), Step::Caller(to));
        // What stands at address 8, and a jump to itself.
        assert_eq!(with(&[0x38, 0x06]), Step::NoFramePointer);
        assert_eq!(with(&[0x2f, 0xfd, 0xff]), Step::NoFramePointer);
        // The frame pointer.
        assert_eq!(with(&[0x76, 0]), Step::NoFramePointer);
    }
}
