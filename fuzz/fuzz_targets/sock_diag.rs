//! Answers of sock_diag(7).

#![no_main]

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let mut found = Vec::new();
    let _ = parse::tcp_sockets(datagram, &mut found);
    assert!(found.len() * 72 <= datagram.len());
});
