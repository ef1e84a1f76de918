//! The sample plug-ins, from source through signature and engine to rows.

use std::time::Duration;

use crate::common::{Row, filter, limits, load, manifest, package, runtime, sample};
use gadget_filter::{Answer, Counts, Filter, Package, Pipeline, Reason, Stage, TrustedKeys};
use proptest::prelude::*;

/// Command lines as hosts have them, and what `redact` makes of them.
const LINES: &[(&str, &str)] = &[
    (
        "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql.conf",
        "",
    ),
    (
        "mysqldump --user=backup --password=S3cr3t! --all-databases",
        "mysqldump --user=backup --password=*** --all-databases",
    ),
    ("env VAULT_TOKEN=hvs.x AWS_SECRET=y app", "env VAULT_TOKEN=*** AWS_SECRET=* app"),
    (
        "java -Xmx2g -Ddb.Password=geheim -jar /srv/app.jar",
        "java -Xmx2g -Ddb.Password=*** -jar /srv/app.jar",
    ),
    (
        "containerd-shim-runc-v2 -id 3f4e1c0a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f -address /run/c.sock",
        "containerd-shim-runc-v2 -id *** -address /run/c.sock",
    ),
    (
        "curl -H X-Key:AKIAIOSFODNN7EXAMPLEAKIAIOSFODNN7 https://h/?token=a&b=c",
        "curl -H X-Key:*** https://h/?token=***",
    ),
    ("x --token= --next häst password=", "x --token= --next häst password="),
    ("/opt/a-very-long-name-without-any-figure-in-it-at-all --x", ""),
];

#[test]
fn redact_masks_secrets_in_real_command_lines() {
    let mut redact = sample("redact", limits());
    for &(line, expected) in LINES {
        let expected = if expected.is_empty() { line } else { expected };
        assert_eq!(filter(&mut redact, "command_line", line).unwrap(), expected);
    }
}

#[test]
fn truncate_cuts_at_128_bytes_between_two_characters() {
    let mut truncate = sample("truncate", limits());
    for (line, len) in [
        ("a".repeat(128), 128),
        ("a".repeat(129), 128),
        (format!("a{}", "ä".repeat(200)), 127),
        ("🦀".repeat(99), 128),
    ] {
        let cut = filter(&mut truncate, "exe", &line).unwrap();
        assert_eq!(cut, line[..len]);
    }
}

#[test]
fn the_contracts_own_limits_are_enough_for_the_samples() {
    // Fuel is exact; time is not, so its limit stays wide here.
    let limits = gadget_filter::Limits {
        deadline: Duration::from_secs(20),
        ..gadget_filter::Limits::default()
    };
    let longest = "--password=hunter a/".repeat(65_536 / 20);
    for name in ["redact", "truncate"] {
        let mut plugin = sample(name, limits);
        assert!(filter(&mut plugin, "command_line", &longest).unwrap().len() < longest.len());
        let bytes = longest.len() * 2;
        let reason = filter(&mut plugin, "command_line", &longest.repeat(2)).unwrap_err();
        assert_eq!(reason, Reason::TooLong { bytes, most: 65_536 });
    }
}

#[test]
fn fields_that_are_not_named_stay_and_one_that_the_manifest_lacks_is_redacted() {
    let mut pipeline = Pipeline::new()
        .stage(Stage::new("redact", &["command_line", "user_name"], sample("redact", limits())))
        .stage(Stage::new("truncate", &["command_line"], sample("truncate", limits())));
    let mut row = Row::of("x --password=y");
    let mut told = Vec::new();
    pipeline.run(&mut row, crate::common::at(1), |it| told.push(it.to_string()));
    assert_eq!(
        row,
        Row {
            command_line: "x --password=*".into(),
            user_name: "[redacted]".into(),
            command_name: "x --password=y".into()
        }
    );
    assert_eq!(told, ["filter redact: user_name redacted: its manifest does not name the field"]);
    assert_eq!(
        pipeline.stages()[0].counts(),
        Counts { filtered: 1, changed: 1, failed: 0, unfiltered: 1 }
    );
    assert_eq!(pipeline.stages()[1].counts(), Counts { filtered: 1, ..Counts::default() });
}

#[test]
fn nothing_of_one_text_is_left_for_the_next() {
    // Answers with what lies behind its input, then writes there and counts in a global: state, if there were any.
    let wat = r#"(module (memory (export "memory") 1) (global (export "gadget_input") i32 (i32.const 0))
        (global $calls (mut i32) (i32.const 65))
        (func (export "gadget_filter_v1") (param i32 i32 i32) (result i64)
            (i32.store8 (i32.const 200) (i32.add (i32.load8_u (i32.const 200)) (global.get $calls)))
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (i64.or (i64.shl (i64.const 200) (i64.const 32)) (i64.const 1))))"#;
    let mut plugin = load(&runtime(limits()), wat).unwrap();
    for _ in 0..3 {
        assert_eq!(filter(&mut plugin, "command_line", "secret").unwrap(), "A");
    }
}

#[test]
fn a_bad_signature_another_key_and_a_changed_manifest_redact() {
    let runtime = runtime(limits());
    let good = package("redact");
    let at = good.windows(12).position(|it| it == b"command_line").unwrap();
    let mut renamed = good.clone();
    renamed[at..at + 12].copy_from_slice(b"command_name");
    let mut unsigned = good.clone();
    unsigned[16..80].fill(0);
    for (bytes, keys) in [
        (&renamed, crate::common::keys()),
        (&unsigned, crate::common::keys()),
        (&good, TrustedKeys::of_seed(&[9; 32])),
        (&good, TrustedKeys::none()),
    ] {
        let plugin = Package::parse(bytes)
            .and_then(|it| it.verify(&keys))
            .and_then(|it| gadget_filter::Plugin::load(&runtime, &it));
        let mut pipeline =
            Pipeline::new().stage(Stage::loaded("redact", &["command_line"], plugin));
        let mut row = Row::of("ls");
        let mut told = Vec::new();
        pipeline.run(&mut row, crate::common::at(1), |it| told.push(it.to_string()));
        assert_eq!(row, Row { command_line: "[redacted]".into(), ..Row::of("ls") });
        assert_eq!(
            told,
            [
                "filter redact: command_line redacted: not loaded: no trusted key signed this manifest with this module"
            ]
        );
    }
}

#[test]
fn a_text_that_is_not_changed_is_said_to_be_the_same() {
    let mut out = String::new();
    assert_eq!(
        sample("redact", limits()).apply("command_line", "ls -l", &mut out),
        Ok(Answer::Same)
    );
    assert_eq!(sample("redact", limits()).apply("exe", "ls -l", &mut out), Err(Reason::NotAllowed));
    assert_eq!(manifest("redact").lines().count(), 5);
}

/// What `redact` is to do, said once more.
fn redact_model(text: &str) -> String {
    let token = |it: u8| it.is_ascii_alphanumeric() || b"_-+".contains(&it);
    let (bytes, mut out, mut r) = (text.as_bytes(), Vec::<u8>::new(), 0);
    while r < bytes.len() {
        let word = bytes[r..].iter().take_while(|&&it| token(it)).count();
        let it = &bytes[r..r + word];
        if word >= 32 && it.iter().any(u8::is_ascii_digit) && it.iter().any(u8::is_ascii_alphabetic)
        {
            out.extend(b"***");
        } else {
            out.extend(it);
        }
        r += word;
        let Some(&end) = bytes.get(r) else { break };
        out.push(end);
        r += 1;
        let plain = out.to_ascii_lowercase();
        if ["password=", "passwd=", "token=", "secret=", "api_key=", "apikey="]
            .iter()
            .any(|it| plain.ends_with(it.as_bytes()))
        {
            let value = bytes[r..].iter().take_while(|&&it| it != b' ').count();
            out.extend(&b"***"[..value.min(3)]);
            r += value;
        }
    }
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn redact_is_its_model_and_never_grows(words in prop::collection::vec("[a-zA-Z0-9]{0,40}|(--)?(Pass|PASS)word=|token=|api_key=|\\PC{0,5}| ", 0..12)) {
        let text = words.concat();
        prop_assume!(!text.is_empty());
        thread_local!(static REDACT: std::cell::RefCell<gadget_filter::Plugin> = sample("redact", limits()).into());
        let out = REDACT.with_borrow_mut(|it| filter(it, "command_line", &text)).unwrap();
        prop_assert!(out.len() <= text.len());
        prop_assert_eq!(out, redact_model(&text));
    }
}

/// In CPU time of the thread, on a build that may not be optimized.
#[test]
fn the_cost_of_a_text_is_printed() {
    let line = LINES[1].0;
    for name in ["redact", "truncate"] {
        let mut plugin = sample(name, limits());
        let calls = 2_000_u32;
        let began = crate::common::thread_cpu();
        for _ in 0..calls {
            filter(&mut plugin, "command_line", line).unwrap();
        }
        let each = (crate::common::thread_cpu() - began) / calls;
        println!(
            "{name}: {} ns of CPU for {} bytes, instance included",
            each.as_nanos(),
            line.len()
        );
        assert!(each < Duration::from_millis(5), "{name}: {each:?}, half of the deadline");
    }
}
