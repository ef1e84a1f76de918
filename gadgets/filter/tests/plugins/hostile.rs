//! Plug-ins that were signed and are up to no good.

use std::time::Duration;

use crate::common::{Row, at, filter, limits, load, runtime};
use gadget_filter::{Event, Limits, LoadError, MARKER, Pipeline, Plugin, Reason, Stage};

/// A plug-in with this body; `$field`, `$ptr` and `$len` are its parameters.
fn body(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1) (global (export "gadget_input") i32 (i32.const 0))
        (data (i32.const 300) "\ff\fe") (func $again (call $again))
        (func (export "gadget_filter_v1") (param $field i32) (param $ptr i32) (param $len i32) (result i64) {body}))"#
    )
}

fn answer(ptr: u64, len: u64) -> String {
    body(&format!("(i64.const {})", (ptr << 32 | len).cast_signed()))
}

fn reason(limits: Limits, wat: &str) -> Reason {
    filter(&mut load(&runtime(limits), wat).unwrap(), "command_line", "some text").unwrap_err()
}

const LOOP: &str = "(loop $l (br $l)) (unreachable)";

#[test]
fn one_that_loops_is_stopped_by_the_deadline() {
    let limits = Limits { fuel: u64::MAX, ..Limits::default() };
    let mut plugin = load(&runtime(limits), &body(LOOP)).unwrap();
    let began = crate::common::thread_cpu();
    for _ in 0..5 {
        assert_eq!(filter(&mut plugin, "command_line", "x").unwrap_err(), Reason::Timeout);
    }
    // Ten milliseconds and a step of the clock each, unless its thread is not run: then this one's CPU time goes on.
    let each = (crate::common::thread_cpu() - began) / 5;
    println!("a loop is stopped after {each:?} of CPU time");
    assert!(each < Duration::from_secs(2), "{each:?}");
}

#[test]
fn one_that_loops_is_stopped_by_its_fuel_alone() {
    let limits = Limits { deadline: Duration::from_secs(600), ..Limits::default() };
    assert_eq!(reason(limits, &body(LOOP)), Reason::Fuel);
    // Filling all of its memory again and again costs little fuel for each; the deadline is what stops that.
    let fill = "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l)) (unreachable)";
    assert_eq!(
        reason(Limits { fuel: u64::MAX, ..Limits::default() }, &body(fill)),
        Reason::Timeout
    );
}

#[test]
fn one_that_grows_beyond_four_mebibytes_traps_and_up_to_it_runs() {
    let grow =
        |pages: u32| body(&format!("(drop (memory.grow (i32.const {pages}))) (i64.const 1)"));
    assert_eq!(reason(limits(), &grow(64)), Reason::Memory);
    assert_eq!(reason(limits(), &grow(60_000)), Reason::Memory);
    assert_eq!(
        filter(&mut load(&runtime(limits()), &grow(63)).unwrap(), "command_line", "some").unwrap(),
        "s"
    );
}

#[test]
fn a_trap_of_any_kind_is_a_reason() {
    for (what, says) in [
        ("(unreachable)", "unreachable"),
        ("(drop (i32.load (i32.const 65533))) (i64.const 0)", "out of bounds"),
        ("(drop (i32.div_u (local.get $len) (local.get $field))) (i64.const 0)", "divide by zero"),
        ("(call $again) (i64.const 0)", "stack"),
    ] {
        let Reason::Trap(trap) = reason(limits(), &body(what)) else { panic!("{what} is a trap") };
        assert!(trap.contains(says), "{what}: {trap}");
    }
}

#[test]
fn an_answer_that_is_none_is_refused() {
    for (wat, expected) in [
        (answer(65_535, 2), Reason::OutOfBounds),
        (answer(65_537, 0), Reason::OutOfBounds),
        (answer(0xffff_ffff, 0xffff_ffff), Reason::OutOfBounds),
        (answer(0, 0xffff_ffff), Reason::OutOfBounds),
        (answer(300, 2), Reason::NotUtf8),
        (answer(0, 10), Reason::Grew),
    ] {
        assert_eq!(reason(limits(), &wat), expected);
    }
    let mut edge = load(&runtime(limits()), &answer(65_536, 0)).unwrap();
    assert_eq!(filter(&mut edge, "command_line", "some text").unwrap(), "");
}

#[test]
fn a_module_that_does_not_keep_to_the_interface_is_not_loaded() {
    let filter =
        r#"(func (export "gadget_filter_v1") (param i32 i32 i32) (result i64) (i64.const 0))"#;
    let input = r#"(global (export "gadget_input") i32 (i32.const 0))"#;
    let memory = r#"(memory (export "memory") 1)"#;
    let imports = [
        r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
        r#"(import "env" "memory" (memory 1))"#,
    ];
    let runtime = runtime(limits());
    assert!(load(&runtime, &format!("(module {memory} {input} {filter})")).is_ok());
    for (module, says) in [
        (format!("{} {memory} {input} {filter}", imports[0]), "wasi_snapshot_preview1.fd_write"),
        (format!("{} {input} {filter}", imports[1]), "env.memory"),
        (format!("{input} {filter}"), "export memory"),
        (format!("{memory} {filter}"), "export gadget_input"),
        (
            format!(
                r#"{memory} {filter} (global (export "gadget_input") (mut i32) (i32.const 0))"#
            ),
            "export gadget_input",
        ),
        (format!("{memory} {input}"), "export gadget_filter_v1"),
        (
            format!(r#"{memory} {input} (func (export "gadget_filter_v1"))"#),
            "export gadget_filter_v1",
        ),
        (
            format!(r#"{memory} {filter} (global (export "gadget_input") i32 (i32.const 65437))"#),
            "outside of its memory",
        ),
        (
            format!(r#"{memory} {filter} (global (export "gadget_input") i32 (i32.const -1))"#),
            "outside of its memory",
        ),
        (
            format!(r#"(memory (export "memory") 65) {input} {filter}"#),
            "more memory than it may have",
        ),
        (format!("{memory} (table 2000 funcref) {input} {filter}"), "more memory than it may have"),
        (format!("{memory} (table 1 funcref) (table 1 funcref) {input} {filter}"), "table"),
        (
            format!("{memory} {input} {filter} (func $start (unreachable)) (start $start)"),
            "trapped",
        ),
        (format!(r#"(memory (export "memory") 1 1 shared) {input} {filter}"#), "thread"),
        (format!("{memory} {input} {filter} (func (drop (v128.const i32x4 0 0 0 0)))"), "SIMD"),
        (format!("(memory i64 1) {memory} {input} {filter}"), "memor"),
    ] {
        let error = load(&runtime, &format!("(module {module})")).unwrap_err();
        assert!(
            matches!(error, LoadError::Module(_)) && error.to_string().contains(says),
            "{module}\n{error}"
        );
    }
}

#[test]
fn a_start_function_that_loops_is_stopped_too() {
    let wat = r#"(module (memory (export "memory") 1) (global (export "gadget_input") i32 (i32.const 0))
        (func (export "gadget_filter_v1") (param i32 i32 i32) (result i64) (i64.const 0))
        (func $start (loop $l (br $l))) (start $start))"#;
    for (limits, says) in [
        (Limits { fuel: u64::MAX, ..Limits::default() }, "deadline"),
        (Limits { deadline: Duration::from_secs(600), ..Limits::default() }, "fuel"),
    ] {
        let error = load(&runtime(limits), wat).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn its_breaker_opens_and_a_probe_that_goes_well_closes_it() {
    // Fails on a text that begins with x.
    let wat = body(
        "(if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 0x78)) (then (unreachable))) (i64.const 1)",
    );
    let mut pipeline = Pipeline::new().stage(Stage::new(
        "moody",
        &["command_line"],
        load(&runtime(limits()), &wat).unwrap(),
    ));
    let mut run = |secs, text: &str| {
        let mut row = Row::of(text);
        let mut events = Vec::new();
        pipeline.run(&mut row, at(secs), |it| events.push(it.event));
        assert_eq!((row.user_name.as_str(), row.command_name.as_str()), (text, text));
        (row.command_line, events)
    };
    assert_eq!(run(0, "good"), ("g".to_owned(), vec![]));
    for _ in 0..2 {
        let (text, events) = run(0, "x");
        assert!(
            text == MARKER
                && matches!(events[..], [Event::Redacted { reason: Reason::Trap(_), .. }])
        );
    }
    assert_eq!(run(0, "x").1[1], Event::Opened { until: at(10) });
    assert_eq!(run(9, "good"), (MARKER.to_owned(), vec![]), "open: it does not even run");
    assert_eq!(run(10, "x").1[1], Event::Opened { until: at(30) });
    assert_eq!(run(30, "good"), ("g".to_owned(), vec![Event::Closed]));
    assert_eq!(run(30, "good"), ("g".to_owned(), vec![]));
}

#[test]
fn two_plug_ins_share_one_clock_and_do_not_disturb_each_other() {
    let runtime = runtime(Limits { fuel: u64::MAX, ..Limits::default() });
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let looping = load(&runtime, &body(LOOP)).unwrap();
    let others: Vec<Plugin> =
        (0..100).map(|_| load(&runtime, &body("(i64.const 1)")).unwrap()).collect();
    // The other tests of this program have some threads of their own.
    assert!(threads() < before + 50, "no clock for each plug-in");
    std::thread::scope(|scope| {
        let mut looping = looping;
        scope.spawn(move || {
            for _ in 0..5 {
                assert_eq!(filter(&mut looping, "command_line", "x").unwrap_err(), Reason::Timeout);
            }
        });
        for mut plugin in others.into_iter().take(3) {
            scope.spawn(move || {
                // A call that was not run in time may fail too; one that ran says what it is to say.
                let good = (0..50).filter(|_| {
                    filter(&mut plugin, "command_line", "abc").is_ok_and(|it| it == "a")
                });
                assert!(good.count() > 25);
            });
        }
    });
}
