//! What is sent, and how that changes.

use gadget_core::{Bytes, Census, CensusRow, Telemetry, TelemetryLevel};
use gadget_envelope::{Mode, Severity, State};
use gadget_sketch::Sketch;

use crate::host::{Rig, batch, census, end, ms, row};

fn hosts(step: u64) -> Census {
    let rows = (1..=100).map(|pid| CensusRow {
        user: ms(step * u64::from(pid)),
        rss: Bytes::new(u64::from(pid) << 20),
        ..row(pid, if pid % 2 == 0 { "even" } else { "odd" })
    });
    census(ms(step * 6_000), rows.collect())
}

fn run(rig: &mut Rig, steps: std::ops::Range<u64>) {
    for step in steps {
        if step == 0 { rig.scan(hosts(0)) } else { rig.next(hosts(step)) }
    }
}

#[test]
fn each_level_sends_what_it_says() {
    for (level, mode, windows, rows, sketches) in [
        ("smart+sketch", Mode::Smart, 1, 20, true),
        ("smart", Mode::Smart, 1, 20, false),
        ("bypass", Mode::Bypass, 1, 100, false),
        ("raw", Mode::Raw, 5, 100, false),
        ("heartbeat", Mode::Heartbeat, 1, 0, false),
    ] {
        let settings = format!("[telemetry]\nlevel = \"{level}\"\n[top]\ncapture = 0.0");
        let mut rig = Rig::new(&settings);
        run(&mut rig, 0..6);
        let sent = rig.sent();
        assert_eq!(sent.processes.len(), windows, "{level}");
        for window in &sent.processes {
            assert_eq!((window.mode(), batch(window).rows.len()), (mode, rows), "{level}");
            assert_eq!(batch(window).totals.unwrap().process_count, 100);
            assert!(!batch(window).bypassed);
        }
        assert_eq!(!sent.sketches.is_empty(), sketches, "{level}");
        let windows = sent.processes.iter().map(|it| it.window_end_ns - it.window_start_ns);
        assert_eq!(windows.sum::<u64>(), 10_000_000_000, "{level}");
    }
}

#[test]
fn sketches_are_of_all_processes_and_of_large_groups_of_the_tail() {
    let mut rig = Rig::new("[top]\ncapture = 0.0");
    run(&mut rig, 0..6);
    let sent = rig.sent();
    let of = |name: &str, group: Option<&str>| {
        let key = |it: &&gadget_envelope::SketchEnvelope| {
            it.metric_name == name
                && it.key.get("process_display_name").map(String::as_str) == group
        };
        let it = sent.sketches.iter().find(key).unwrap_or_else(|| panic!("{name} of {group:?}"));
        (Sketch::from_proto(it.histogram.as_ref().unwrap(), None).unwrap(), it.count, it.sum)
    };
    let (cpu, count, sum) = of("process.cpu.percent", None);
    assert_eq!(count, 100);
    // Process n used n ms in each of five scans of two seconds: 0.05 n percent.
    let exact = |rank: f64| 0.05 * (1.0 + (rank * 99.0).floor());
    for q in [0.0, 0.5, 0.95, 0.99, 1.0] {
        let error = (cpu.quantile(q).unwrap() / exact(q) - 1.0).abs();
        assert!(error <= 0.0075 + 1e-9, "{q}: {error}");
    }
    assert!((sum - 0.05 * 5050.0).abs() < 1e-6);
    assert_eq!(of("process.rss.bytes", None).2, (5050_u64 << 20) as f64);
    assert_eq!(of("process.threads", None).2, 100.0);
    assert_eq!(of("process.rss.bytes", Some("odd")).1, 40, "50, less those in full");
    assert!(sent.sketches.iter().all(|it| it.gamma == 0.0075));
}

#[test]
fn another_accuracy_begins_with_a_window() {
    let mut rig = Rig::new("");
    run(&mut rig, 0..3);
    rig.set("control socket, uid 0", "[sketch]\naccuracy = 0.02");
    // A census later the window ends, by the old one.
    rig.next(hosts(3));
    let sent = rig.sent();
    let window = (sent.processes[0].window_start_ns, sent.processes[0].window_end_ns);
    assert_eq!(window.1 - window.0, 6_000_000_000);
    assert!(sent.sketches.iter().all(|it| it.gamma == 0.0075), "{:?}", sent.sketches);
    let version = sent.processes[0].config_version.clone();
    run(&mut rig, 4..9);
    let sent = rig.sent();
    assert!(sent.sketches.iter().all(|it| (it.gamma - 0.02).abs() < 1e-12));
    assert_eq!(sent.processes[0].window_start_ns, window.1);
    assert_ne!(sent.processes[0].config_version, version);
    rig.set("control socket, uid 0", "[sketch]\nbase2 = true");
    run(&mut rig, 9..15);
    assert!(rig.sent().sketches.iter().any(|it| (it.gamma - 0.0054).abs() < 1e-4));
}

#[test]
fn what_is_sent_changes_with_a_window_and_is_on_record() {
    let mut rig = Rig::new("");
    run(&mut rig, 0..1);
    let said = |rig: &Rig| -> Vec<_> {
        let all = rig.plans.records().iter();
        all.map(|it| (it.class.to_string(), it.statement.as_deref().unwrap_or("").to_owned()))
            .collect()
    };
    let first = "smart+sketch top 20 every 2000 ms";
    assert_eq!(said(&rig), [("telemetry".to_owned(), first.to_owned())]);
    run(&mut rig, 1..3);
    let raw = Telemetry { level: TelemetryLevel::Raw, ..rig.cell.get() };
    rig.cell.set(raw);
    rig.ask();
    assert!(rig.sent().processes.is_empty(), "not within the window");
    rig.next(hosts(3));
    assert_eq!(said(&rig), [("telemetry".to_owned(), format!("{first} -> {raw}"))]);
    let sent = rig.sent();
    assert_eq!(sent.processes[0].mode(), Mode::Smart, "the window that had begun so");
    let event = sent.diag("telemetry_changed").unwrap();
    assert_eq!((event.state_from(), event.state_to()), (State::Sketches, State::Raw));
    run(&mut rig, 4..6);
    let modes: Vec<_> = rig.sent().processes.iter().map(|it| it.mode()).collect();
    assert_eq!(modes, [Mode::Raw, Mode::Raw]);
}

#[test]
fn settings_are_taken_whole_or_not_at_all_and_either_is_said() {
    let mut rig = Rig::new("");
    run(&mut rig, 0..2);
    rig.sent();
    rig.set("/etc/s.toml", "[telemetry]\ntop = 5\n[tail]\ngroups = \"many\"");
    let record = rig.plans.records()[0].clone();
    assert_eq!(record.class, "settings-refused");
    let statement = record.statement.unwrap();
    assert!(statement.starts_with("from /etc/s.toml: line 4: tail.groups"), "{statement}");
    let sent = rig.sent();
    assert_eq!(sent.diag("settings_refused").unwrap().severity(), Severity::Warn);
    assert_eq!(rig.cell.get().top, 20);
    rig.set("/etc/s.toml", "[telemetry]\ntop = 5\nlevel = \"smart\"\n[top]\ncapture = 0.0");
    let statement = rig.plans.records()[0].statement.clone().unwrap();
    assert!(statement.contains("telemetry.top 20 -> 5"), "{statement}");
    assert_eq!((rig.cell.get().top, rig.cell.get().level), (5, TelemetryLevel::Smart));
    rig.next(hosts(2));
    rig.sent();
    run(&mut rig, 3..8);
    let sent = rig.sent();
    assert_eq!(batch(&sent.processes[0]).rows.len(), 5);
    assert!(sent.sketches.is_empty());
    // A file is all of the settings; what is sent to the socket is a change of them.
    rig.set("control socket, uid 0", "[telemetry]\ntop = 7");
    assert_eq!((rig.cell.get().top, rig.cell.get().level), (7, TelemetryLevel::Smart));
    rig.set("/etc/s.toml", "");
    assert_eq!(rig.cell.get(), Telemetry::default());
}

#[test]
fn what_somebody_has_set_meanwhile_is_not_overwritten() {
    let mut rig = Rig::new("");
    run(&mut rig, 0..2);
    let before = rig.cell.get();
    let theirs = Telemetry { level: TelemetryLevel::Heartbeat, ..before };
    rig.cell.set(theirs);
    rig.set("/etc/s.toml", "[telemetry]\ntop = 5");
    assert_eq!(rig.cell.get(), theirs);
    // They put back what was there: then what was asked for is due.
    rig.cell.set(before);
    rig.ask();
    assert_eq!(rig.cell.get(), Telemetry { top: 5, ..before });
}

#[test]
fn settings_of_others_are_not_its_own() {
    let mut rig = Rig::new("");
    let text = gadget_core::SettingsText {
        gadget: "oracle".into(),
        from: "/etc/o.toml".into(),
        text: "nonsense".into(),
    };
    rig.see(gadget_core::Subject::Agent, gadget_core::Reading::Settings(Box::new(text)));
    rig.ask();
    assert!(rig.plans.records().is_empty() && rig.sent().diags.is_empty());
}

#[test]
fn each_kind_is_counted_and_what_nobody_took_too() {
    let mut rig = Rig::each_scan("");
    rig.outbox = gadget_envelope::Outbox::new(3);
    rig.surveyor = gadget_surveyor::Surveyor::builder()
        .settings(
            gadget_surveyor::settings::Settings::from_toml("[telemetry]\nwindow = 1").unwrap(),
        )
        .outbox(rig.outbox.clone())
        .identity(crate::host::identity())
        .build()
        .unwrap();
    run(&mut rig, 0..4);
    let one = row(200, "short");
    rig.ended(vec![end(&one, ms(1), ms(10))]);
    rig.next(hosts(4));
    let dropped = rig.outbox.dropped();
    assert!(dropped > 0);
    rig.sent();
    rig.next(hosts(5));
    rig.next(hosts(6));
    let last = rig.sent().processes;
    let seqs: Vec<_> = last.iter().map(|it| it.seq).collect();
    assert!(seqs.ends_with(&[6]) || seqs.is_empty(), "{seqs:?}");
    assert!(last.iter().all(|it| it.dropped_envelopes >= dropped));
}
