//! The files of a thread: `syscall`, `schedstat`, `sched`, `status`.

#![no_main]

use std::path::Path;

use gadget_signals::parse::{self, FutexCall, SyscallLine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("syscall");
    if let Ok(SyscallLine::Blocked(call)) = parse::syscall(text, path) {
        // What is accepted prints back to what was read.
        let words = call.arguments.iter().chain([&call.stack]);
        let printed = words.fold(call.number.to_string(), |line, word| format!("{line} {word:#x}"));
        let again = parse::syscall(format!("{printed} 0x0\n").as_bytes(), path);
        assert_eq!(again.unwrap(), SyscallLine::Blocked(call));
        let _ = FutexCall::decode(&call.arguments);
    }
    let _ = parse::schedstat(text, path);
    let _ = parse::exec_start(text, path);
    let _ = parse::thread_status(text, path);
});
