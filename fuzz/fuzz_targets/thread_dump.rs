//! The deadlocks in the thread dump of a JVM: each cycle is closed, and what it names is in the dump.

#![no_main]

use gadget_actions::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for cycle in parse::deadlocks(text).deadlocks {
        let next = cycle.iter().cycle().skip(1);
        for (wait, next) in cycle.iter().zip(next) {
            assert_eq!(wait.held_by, next.thread);
            for name in [&wait.thread, &wait.monitor] {
                assert!(text.contains(&**name));
            }
        }
    }
});
