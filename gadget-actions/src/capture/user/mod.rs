//! The user stacks of all threads as text: unwound, and with the names of functions.

mod elf;
mod maps;
mod memory;
mod symbols;
mod tables;
mod unwind;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use gadget_core::ActionError;

use super::threads::{Thread, Threads, parse_syscall};
use super::{UserRegisters, UserStacks};
use crate::error::system;
use crate::process::Target;
pub use maps::{Mapping, parse_maps};
use memory::Memory;
use symbols::{Known, Names};
pub use tables::follow;
use unwind::{End, Frame, Unwinding};

/// The most threads whose user stacks are read.
const MAX_THREADS: usize = 512;

/// What was found of one thread.
struct Found<'a> {
    thread: &'a Thread,
    frames: Vec<Frame>,
    end: End,
    /// It ran meanwhile: the stack may be of two moments.
    moved: bool,
}

/// Unwinds as many threads as there is time for.
pub(crate) fn stacks(
    target: &Target,
    threads: &Threads,
    until: Instant,
    registers: &mut dyn FnMut(u32) -> Option<UserRegisters>,
) -> Result<UserStacks, ActionError> {
    let maps = maps::read(target).map_err(|errno| system("read the mappings", errno))?;
    let memory = Memory::open(target).map_err(|errno| system("read its memory", errno))?;
    let mut unwinding = Unwinding::new(target, &memory, &maps);
    let mut found = Vec::new();
    for thread in threads.list.iter().take(MAX_THREADS) {
        if Instant::now() >= until {
            break;
        }
        let left = || {
            let left = parse_syscall(&thread.syscall)?;
            Some(UserRegisters { pc: left.pc, sp: left.sp, fp: None })
        };
        let from = registers(thread.tid).or_else(left);
        let (frames, end) = from.map_or((Vec::new(), End::Lost), |from| unwinding.frames(from));
        found.push(Found { thread, frames, end, moved: !threads.still(thread) });
    }
    let addresses: Vec<u64> = found.iter().flat_map(|of| &of.frames).map(|f| f.inside()).collect();
    let names = symbols::names(target, &maps, &addresses, Path::new(symbols::DEBUG));
    let mut text: String = found.iter().map(|of| of.text(&names)).collect();
    let left_out = threads.list.len() - found.len() + threads.left_out;
    if left_out > 0 {
        let _ = writeln!(text, "and {left_out} more threads");
    }
    let count = found.iter().filter(|of| !of.frames.is_empty()).count();
    Ok(UserStacks { text, count })
}

impl Found<'_> {
    fn text(&self, names: &Names) -> String {
        if self.frames.is_empty() {
            return format!("{}; it runs, so its registers are not shown\n\n", self.thread);
        }
        let moved =
            if self.moved { "; it ran meanwhile, so this may be of two moments" } else { "" };
        let mut text = format!("{}{moved}\n", self.thread);
        let unknown = Known::default();
        for (number, frame) in self.frames.iter().enumerate() {
            let address = frame.inside();
            let known = names.get(&address);
            let mark = if frame.guess { '?' } else { ' ' };
            for inlined in known.iter().flat_map(|known| &known.inlined) {
                let _ = writeln!(text, "  #{number:<3}{mark} {:18} {inlined}", "");
            }
            let name = known.unwrap_or(&unknown).text(frame.pc - address);
            let _ = writeln!(text, "  #{number:<3}{mark} {:#018x} {name}", frame.pc);
        }
        text.push_str(match self.end {
            End::Bottom => "",
            End::Lost => "  no further: neither tables nor the stack lead on\n",
            End::Full => "  and further frames\n",
        });
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;
    use crate::testing::{eventually, identity, proc};

    #[inline(never)]
    fn waits_in_here(started: &Sender<u32>, until: &Receiver<()>) -> bool {
        started.send(rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()).unwrap();
        until.recv().is_err()
    }

    /// Calls `f` with the id of a thread of our own that waits.
    fn with_a_thread(f: impl FnOnce(&Target, u32)) {
        let ((started, start), (stop, until)) = (channel(), channel::<()>());
        let thread = std::thread::Builder::new().name("waiting (1)".into());
        let thread = thread.spawn(move || waits_in_here(&started, &until)).unwrap();
        let tid = start.recv().unwrap();
        let syscall = format!("/proc/self/task/{tid}/syscall");
        eventually("it waits", || {
            let call = std::fs::read_to_string(&syscall).unwrap();
            call.starts_with(&format!("{} ", libc::SYS_futex))
        });
        f(&Target::open(proc(), identity(std::process::id())).unwrap(), tid);
        drop(stop);
        assert!(thread.join().unwrap());
    }

    fn only(target: &Target, tid: u32) -> Threads {
        let mut threads = Threads::read(target).unwrap();
        threads.list.retain(|thread| thread.tid == tid);
        threads
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn the_stack_of_a_waiting_thread_names_the_function_that_waits() {
        with_a_thread(|target, tid| {
            let stacks = stacks(target, &only(target, tid), soon(), &mut |_| None).unwrap();
            assert_eq!(stacks.count, 1);
            let first = format!("thread {tid} \"waiting (1)\", state S, in ");
            assert!(stacks.text.starts_with(&first), "{}", stacks.text);
            // Without a frame pointer to begin with, which the standard library's frames need: each call is proved.
            assert!(stacks.text.contains("waits_in_here+0x"), "{}", stacks.text);
            assert!(!stacks.text.contains("? 0x"), "{}", stacks.text);
            assert!(!stacks.text.contains("no further"), "{}", stacks.text);
        });
    }

    #[test]
    fn registers_that_lead_nowhere_end_the_stack_and_harm_nothing() {
        with_a_thread(|target, tid| {
            for (pc, sp, fp) in [
                (0, 0, None),
                (u64::MAX, u64::MAX, Some(u64::MAX)),
                (1 << 40, proc as fn() -> _ as usize as u64, Some(1)),
            ] {
                let mut registers = |_| Some(UserRegisters { pc, sp, fp });
                let found = stacks(target, &only(target, tid), soon(), &mut registers).unwrap();
                let line = format!("  #0    {pc:#018x} ");
                assert!(found.text.contains(&line) && found.count == 1, "{}", found.text);
                assert!(found.text.contains("no further"), "{}", found.text);
            }
        });
    }

    #[test]
    fn of_a_thread_that_runs_it_is_said_that_it_does() {
        with_a_thread(|target, tid| {
            let mut threads = only(target, tid);
            // What the kernel says of one that is on a processor.
            threads.list[0].syscall = "running".to_owned();
            let found = stacks(target, &threads, soon(), &mut |_| None).unwrap();
            let runs = "; it runs, so its registers are not shown\n\n";
            assert!(found.text.ends_with(runs), "{}", found.text);
            assert_eq!(found.count, 0);
        });
    }

    #[test]
    fn without_time_no_stack_is_begun() {
        with_a_thread(|target, tid| {
            let found = stacks(target, &only(target, tid), Instant::now(), &mut |_| None).unwrap();
            assert_eq!((found.count, &*found.text), (0, "and 1 more threads\n"));
        });
    }
}
