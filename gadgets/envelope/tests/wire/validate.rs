//! What breaks the contract is refused, with the field that does.

use gadget_envelope::{AggregateKind, Envelope, EnvelopeError, Parent, State};
use gadget_sketch::proto::Store;
use gadget_sketch::{Mapping, Sketch};

use crate::sample;

/// The field that an envelope is refused for; an empty text if it is not.
fn refused(envelope: impl Into<Envelope>) -> &'static str {
    match envelope.into().validate() {
        Ok(()) => "",
        Err(EnvelopeError::Invalid { field, .. }) => field,
        Err(other) => panic!("{other}"),
    }
}

/// An edit of a sample, and the field that it is to be refused for.
macro_rules! edits {
    ($sample:ident: $($field:literal => |$it:ident| $edit:expr;)*) => {$({
        let mut edited = sample::$sample();
        {
            let $it = &mut edited;
            $edit;
        }
        assert_eq!(refused(edited), $field, "{}", stringify!($edit));
    })*};
}

#[test]
fn a_window_of_processes_says_what_it_has_to() {
    edits! { process:
        "" => |it| it.account_id = 0;
        "entity_guid" => |it| it.entity_guid.clear();
        "schema_version" => |it| it.schema_version = "3.0".into();
        "schema_version" => |it| it.schema_version.clear();
        "" => |it| it.schema_version = "2.17".into();
        "boot_id" => |it| it.boot_id.truncate(15);
        "" => |it| it.boot_id.clear();
        "window_end_ns" => |it| it.window_end_ns = 1;
        "mode" => |it| it.mode = 0;
        "payload" => |it| it.payload = None;
    }
}

#[test]
fn rows_hold_numbers_and_parts_add_up() {
    fn batch(edit: impl FnOnce(&mut gadget_envelope::TopNBatch)) -> &'static str {
        let mut it = sample::process();
        it.dropped_rows = 0;
        edit(it.payload.as_mut().unwrap());
        refused(it)
    }
    assert_eq!(batch(|_| ()), "");
    assert_eq!(batch(|it| it.totals = None), "payload.totals");
    assert_eq!(batch(|it| it.capture_cpu = Some(1.01)), "payload.capture_cpu");
    assert_eq!(batch(|it| it.capture_rss = Some(f64::NAN)), "payload.capture_rss");
    assert_eq!(batch(|it| it.capture_rss = None), "");
    assert_eq!(batch(|it| it.rows[0].process_id = 0), "payload.rows.process_id");
    assert_eq!(batch(|it| it.rows[0].cpu_percent = f64::INFINITY), "payload.rows.cpu_percent");
    assert_eq!(batch(|it| it.rows[0].cpu_percent = -0.1), "payload.rows.cpu_percent");
    assert_eq!(batch(|it| it.rows[0].score = f64::NAN), "payload.rows.score");
    assert_eq!(batch(|it| it.rows[0].flags |= 16), "payload.rows.rss_bytes");
    assert_eq!(
        batch(|it| it.tail[0].kind = AggregateKind::Unspecified.into()),
        "payload.tail.kind"
    );
    assert_eq!(batch(|it| it.residual[0].kind = 0), "payload.residual.kind");
    assert_eq!(batch(|it| it.tail[0].cpu_percent_max = f64::NAN), "AggregateRow.cpu_percent_max");
    assert_eq!(batch(|it| it.rows[0].cpu_user_ns += 1), "payload.totals.cpu_ns");
    assert_eq!(batch(|it| it.residual[0].rss_bytes -= 1), "payload.totals.rss_bytes");
    assert_eq!(batch(|it| it.rows[0].cpu_user_ns = u64::MAX), "payload.totals.cpu_ns");
}

#[test]
fn parts_may_be_missing_where_rows_were_dropped_and_in_a_heartbeat() {
    edits! { process:
        "" => |it| it.payload.as_mut().unwrap().rows.clear();
        "payload.totals.cpu_ns" => |it| {
            it.dropped_rows = 0;
            it.payload.as_mut().unwrap().rows.clear();
        };
        "" => |it| {
            (it.dropped_rows, it.mode) = (0, gadget_envelope::Mode::Heartbeat.into());
            it.payload.as_mut().unwrap().rows.clear();
        };
    }
}

#[test]
fn a_histogram_is_of_the_accuracy_and_the_count_that_are_said() {
    edits! { sketch:
        "" => |it| it.key.clear();
        "metric_name" => |it| it.metric_name.clear();
        "schema_version" => |it| it.schema_version = "2".into();
        "sketch_version" => |it| it.sketch_version = 2;
        "gamma" => |it| it.gamma = 0.0;
        "gamma" => |it| it.gamma = f64::NAN;
        "gamma" => |it| it.gamma = 1.0151133501;
        "histogram.mapping.gamma" => |it| it.gamma = 0.0075 + 1e-9;
        "" => |it| it.gamma = 0.0075 + 1e-10;
        "histogram" => |it| it.histogram = None;
        "count" => |it| it.count += 1;
        "sum" => |it| it.sum = f64::INFINITY;
        "min" => |it| it.min = f64::NAN;
        "min" => |it| it.min = 91.0;
    }
    let histogram = |edit: fn(&mut gadget_sketch::proto::DdSketch)| {
        let mut it = sample::sketch();
        edit(it.histogram.as_mut().unwrap());
        refused(it)
    };
    assert_eq!(histogram(|it| it.mapping = None), "histogram");
    assert_eq!(histogram(|it| it.mapping.as_mut().unwrap().index_offset = f64::NAN), "histogram");
    assert_eq!(histogram(|it| it.mapping.as_mut().unwrap().index_offset = 0.5), "histogram");
    assert_eq!(histogram(|it| it.mapping.as_mut().unwrap().interpolation = 3), "histogram");
    assert_eq!(histogram(|it| it.zero_count = -1.0), "histogram");
    assert_eq!(histogram(|it| it.zero_count = 3.5), "histogram");
    assert_eq!(histogram(|it| it.zero_count = 3.0), "count");
    let bins = |edit: fn(&mut Store)| {
        let mut it = sample::sketch();
        edit(it.histogram.as_mut().unwrap().positive_values.as_mut().unwrap());
        refused(it)
    };
    assert_eq!(bins(|it| it.contiguous_bin_counts[1] = f64::NAN), "histogram");
    assert_eq!(bins(|it| it.contiguous_bin_counts[1] = 1e300), "histogram");
    assert_eq!(bins(|it| it.contiguous_bin_index_offset = i32::MAX), "histogram");
}

#[test]
fn sketches_of_both_mappings_are_valid_as_they_are_made() {
    for mapping in [Sketch::new().mapping(), Mapping::BASE2] {
        for values in [&[][..], &[0.0, 0.0], &[-3.5, 0.0, 1e-9, 1e12]] {
            let mut made = Sketch::with(mapping);
            values.iter().for_each(|&value| made.insert(value));
            let summary = made.summary();
            let mut it = sample::sketch();
            it.gamma = mapping.alpha();
            it.histogram = Some(made.to_proto());
            it.count = made.count();
            (it.sum, it.min, it.max) = (summary.sum, summary.min, summary.max);
            assert_eq!(refused(it), "", "{values:?}");
        }
    }
}

#[test]
fn an_empty_sketch_has_neither_sum_nor_bounds() {
    let mut it = sample::sketch();
    let histogram = it.histogram.as_mut().unwrap();
    (histogram.positive_values, histogram.negative_values) = (None, None);
    histogram.zero_count = 0.0;
    it.count = 0;
    assert_eq!(refused(it.clone()), "sum");
    (it.sum, it.min, it.max) = (0.0, 0.0, 0.0);
    assert_eq!(refused(it), "");
}

#[test]
fn an_event_says_of_what_and_why() {
    edits! { diag:
        "" => |it| it.state_to = State::Unspecified.into();
        "module" => |it| it.module.clear();
        "event_type" => |it| it.event_type.clear();
        "reason" => |it| it.reason.clear();
        "ts_ns" => |it| it.ts_ns = 0;
        "schema_version" => |it| it.schema_version = "0".into();
        "severity" => |it| it.severity = 0;
        "value" => |it| it.value = Some(f64::NAN);
        "threshold" => |it| it.threshold = Some(f64::NEG_INFINITY);
    }
}

#[test]
fn a_summary_counts_no_more_than_there_were() {
    edits! { ephemeral:
        "" => |it| it.exec_count = 1_000;
        "entity_guid" => |it| it.entity_guid.clear();
        "schema_version" => |it| it.schema_version.clear();
        "window_end_ns" => |it| it.window_start_ns = u64::MAX;
        "source" => |it| it.source = 0;
        "nonzero_exit_count" => |it| it.nonzero_exit_count = 100;
        "signal_exit" => |it| it.signal_exit.extend([(11, u64::MAX)]);
        "oom_exit_count" => |it| it.oom_exit_count = 100;
        "lifetime" => |it| it.lifetime.as_mut().unwrap().zero_count = 100.0;
        "" => |it| it.lifetime = None;
        "parents" => |it| it.parents = vec![Parent::default(); 4];
    }
}
