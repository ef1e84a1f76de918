use super::*;
use proptest::prelude::*;

const PATH: &str = "f";

fn syscall(text: &str) -> Result<SyscallLine, SignalError> {
    parse_syscall(text.as_bytes(), Path::new(PATH))
}

#[test]
fn a_thread_runs_or_is_blocked_in_a_call_or_outside_of_one() {
    assert_eq!(syscall("running\n").unwrap(), SyscallLine::Running);
    assert_eq!(syscall("-1 0x7ffd17 0x7f00\n").unwrap(), SyscallLine::Outside);
    let line = "202 0x5643438dd2a0 0x80 0x2 0x0 0x0 0x0 0x7f396af27ea8 0x7f396afb212b\n";
    let SyscallLine::Blocked(call) = syscall(line).unwrap() else { panic!("{line}") };
    assert_eq!((call.number, call.stack), (202, 0x7f39_6af2_7ea8));
    assert_eq!(call.arguments, [0x5643_438d_d2a0, 0x80, 2, 0, 0, 0]);
}

#[test]
fn what_is_no_syscall_line_is_refused() {
    let whole = "202 0x1 0x80 0x2 0x0 0x0 0x0 0x7f 0xffffffffffffffff\n";
    assert!(syscall(whole).is_ok());
    for end in 0..whole.len() {
        assert!(syscall(&whole[..end]).is_err(), "{end}");
    }
    for text in ["-2 0x1 0x1\n", "4294967296 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n", "\n", "run\n"] {
        assert!(syscall(text).is_err(), "{text}");
    }
    assert!(syscall(&whole.replace("0x80", "80")).is_err());
    assert!(syscall(&whole.replace("0x80", "0x1ffffffffffffffff")).is_err());
}

#[test]
fn schedstat_is_two_times_and_a_count() {
    let stat = parse_schedstat(b"1500 27 3\n", Path::new(PATH)).unwrap();
    let expected =
        SchedStat { cpu: Duration::from_nanos(1500), ready: Duration::from_nanos(27), slices: 3 };
    assert_eq!(stat, expected);
    for bad in [&b"1 2\n"[..], b"1 2 -3\n", b"", b"1 2 3"] {
        assert!(parse_schedstat(bad, Path::new(PATH)).is_err(), "{bad:?}");
    }
}

#[test]
fn the_last_time_on_a_processor_is_in_milliseconds() {
    let text =
        b"a) b (1, #threads: 1)\n---\nse.exec_start          :      11627784.433681\nx : 1\n";
    let start = parse_exec_start(text, Path::new(PATH)).unwrap();
    assert_eq!(start, Duration::from_nanos(11_627_784_433_681));
    for bad in ["se.exec_start : 1.5\n", "se.exec_start : -1.000000\n", "se.exec_start\n"] {
        let error = parse_exec_start(bad.as_bytes(), Path::new(PATH)).unwrap_err();
        assert!(matches!(error, SignalError::Parse { .. }), "{error}");
    }
    let error = parse_exec_start(b"policy : 0\n", Path::new(PATH)).unwrap_err();
    assert!(matches!(error, SignalError::Unsupported { .. }), "{error}");
}

#[test]
fn a_mapping_is_private_or_shared() {
    let text = b"7f78a462b000-7f78a462c000 rw-s 00001000 00:01 2053 /dev/zero (deleted)\n\
                 ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n";
    let all: Vec<_> = parse_maps(text, Path::new(PATH)).map(Result::unwrap).collect();
    assert!(all[0].shared && !all[1].shared);
    assert_eq!((all[0].offset, all[0].device, all[0].inode), (4096, 1, 2053));
    assert!(all[0].holds(0x7f78_a462_b000) && !all[0].holds(0x7f78_a462_c000));
    for bad in ["1-2 rw-x 0 00:00 0\n", "2-1 rw-p 0 0:0 0\n", "1-2 rw-p 0 0 0\n", "x\n", "1-2"] {
        assert!(parse_maps(bad.as_bytes(), Path::new(PATH)).any(|line| line.is_err()), "{bad}");
    }
}

#[test]
fn the_innermost_id_is_told_only_where_it_is_another() {
    let text = |ids: &str| {
        format!("Name:\tx y\nTgid:\t77\nTracerPid:\t0\nNSpid:\t{ids}\nSigCgt:\t0000000000002000\n")
    };
    let read = |ids: &str| parse_status(text(ids).as_bytes(), Path::new(PATH)).unwrap();
    assert_eq!(read("78").inner, None);
    assert_eq!(read("78\t12\t3").inner, Some(3));
    assert_eq!((read("78").process, read("78").traced, read("78").caught), (77, false, 1 << 13));
    let error = parse_status(b"Tgid:\t1\n", Path::new(PATH)).unwrap_err();
    assert_eq!(error.to_string(), "f needs the line TracerPid");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-0-9a-fx: .psw\n]{0,120}") {
        let path = Path::new(PATH);
        let _ = parse_syscall(text.as_bytes(), path);
        let _ = parse_schedstat(text.as_bytes(), path);
        let _ = parse_exec_start(text.as_bytes(), path);
        let _ = parse_status(text.as_bytes(), path);
        prop_assert!(parse_maps(text.as_bytes(), path).count() <= text.len());
    }

    #[test]
    fn a_call_is_read_as_it_was_written(number in any::<u32>(), arguments: [u64; 6], stack: u64) {
        let words: Vec<String> = arguments.iter().map(|value| format!("{value:#x}")).collect();
        let text = format!("{number} {} {stack:#x} 0x1\n", words.join(" "));
        let expected = SyscallLine::Blocked(Call { number, arguments, stack });
        prop_assert_eq!(syscall(&text).unwrap(), expected);
    }
}
