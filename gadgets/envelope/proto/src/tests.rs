//! The `.proto` files hold to what was released; and what would break it is seen.

use crate::schema::{self, breaks, compiled, ours, present, released};

#[test]
fn the_present_files_break_nothing_that_was_released() {
    let (released, present) = (released(), present());
    assert!(ours(&released).count() >= 16, "the released descriptor lacks messages");
    assert_eq!(breaks(&released, &present), Vec::<String>::new());
}

/// Each edit of the present file, and what the comparison says of it.
#[test]
fn every_kind_of_break_is_seen() {
    let cases: &[(&str, &str, &[&str])] = &[
        // Removed.
        (
            "  uint32 process_id = 1;\n  // Its name;",
            "  // Its name;",
            &["Parent.process_id (1) is gone"],
        ),
        (
            "message Delivery {",
            "message Arrival {",
            &["message gadget.surveyor.v1.Delivery is gone"],
        ),
        ("  STATE_BYPASS = 3;", "", &["State.STATE_BYPASS (3) is gone"]),
        // Changed in place.
        (
            "uint64 count = 3;\n\n  reserved 4",
            "uint64 number = 3;\n\n  reserved 4",
            &["Parent.count (3) is now named number"],
        ),
        (
            "  uint32 process_id = 1;\n  // Its name;",
            "  fixed32 process_id = 1;\n  // Its name;",
            &["Parent.process_id (1) is now fixed32"],
        ),
        ("repeated Parent parents = 15", "Parent parents = 15", &["parents (15) is now optional"]),
        (
            "  optional double value = 11",
            "  double value = 11",
            &["value (11) no longer tells absence"],
        ),
        (
            "map<uint32, uint64> signal_exit",
            "map<uint32, uint32> signal_exit",
            &["SignalExitEntry.value (2) is now uint32"],
        ),
        (
            "Severity severity = 5",
            "State severity = 5",
            &["severity (5) is now gadget.surveyor.v1.State"],
        ),
        ("STATE_OPEN = 8", "STATE_OPENED = 8", &["State.STATE_OPEN (8) is now named STATE_OPENED"]),
        // Moved: the tag is gone, and the name comes again under a tag below 20.
        (
            "string unit = 15;\n  // \"1\"",
            "string unit = 20;\n  // \"1\"",
            &["SketchEnvelope.unit (15) is gone", "SketchEnvelope.schema stays"],
        ),
        // Reused.
        ("string reason = 3", "string why = 3", &["reason (3) is now named why"]),
        (
            "  reserved 4 to 19;",
            "  string user = 4;\n  reserved 5 to 19;",
            &["Parent.user (4) is new under 20", "Parent.user (4) was reserved"],
        ),
        // Added.
        (
            "  reserved 4 to 19;",
            "  reserved 4 to 19;\n  string user = 20;",
            &["ProcessEphemeralSummary.schema stays \"1\""],
        ),
        (
            "  STATE_HALF_OPEN = 9;",
            "  STATE_HALF_OPEN = 9;\n  STATE_LOST = 10;",
            &["AgentDiagEvent.schema stays \"1\""],
        ),
        // The version itself.
        (
            "option (schema) = \"2.1\"",
            "option (schema) = \"2.0\"",
            &["ProcessEnvelope.schema falls from \"2.1\" to \"2.0\""],
        ),
        ("option (schema) = \"2.1\";", "", &["ProcessEnvelope.schema is gone"]),
    ];
    let (released, text) = (released(), schema::surveyor());
    for (from, to, expected) in cases {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        // What refers to it is renamed with it.
        let edited = text.replace(from, to).replace(
            "Delivery delivery",
            match to.split(' ').nth(1) {
                Some("Arrival") => "Arrival delivery",
                _ => "Delivery delivery",
            },
        );
        let found = breaks(&released, &compiled(&edited));
        for expected in *expected {
            assert!(
                found.iter().any(|it| it.contains(expected)),
                "{to}: {expected} is not in {found:?}"
            );
        }
    }
}

#[test]
fn an_addition_with_a_higher_version_breaks_nothing() {
    let text = schema::surveyor();
    let row = "  uint32 flags = 19;";
    let edited = text.replace(row, &format!("{row}\n  New more = 20;"));
    let edited =
        edited.replace("message Detail {", "message New {\n  string a = 1;\n}\nmessage Detail {");
    let found = breaks(&released(), &compiled(&edited));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("ProcessEnvelope.schema stays \"2.1\""), "{found:?}");
    // Every form that a row can be in, and no other one.
    let edited = edited.replace("(schema) = \"2.1\"", "(schema) = \"2.10\"");
    assert_eq!(breaks(&released(), &compiled(&edited)), Vec::<String>::new());
}
