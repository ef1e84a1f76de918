//! Whatever an entry holds, it reads back; whatever bytes a file holds, reading them does not panic.

use proptest::prelude::*;

use super::*;
use crate::ledger::frame::{Head, parse_record, parse_start, put_record};
use crate::units::MemoryLimit;

fn text() -> impl Strategy<Value = String> {
    // Quotes, line breaks, control characters, and what lies outside the basic plane.
    proptest::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter)
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Freeze),
        any::<u64>().prop_map(|n| Step::Reclaim { amount: Bytes::new(n) }),
        any::<u64>().prop_map(|n| Step::SetMemoryMax { to: MemoryLimit::At(Bytes::new(n)) }),
        Just(Step::SetMemoryHigh { to: MemoryLimit::Unlimited }),
        (text(), text())
            .prop_map(|(key, value)| Step::SetSysctl { key: key.into(), value: value.into() }),
        any::<u64>().prop_map(|nanos| Step::Terminate { grace: Duration::from_nanos(nanos) }),
    ]
}

prop_compose! {
    fn any_plan()(
        id: u64, step in step(), names in [text(), text(), text()], merit in float(), limit in float(),
        values in proptest::collection::vec((text(), float()), 0..=crate::model::MAX_EVIDENCE),
        confidence in 0.0..=1.0, deadline: Option<Duration>, nanos: u64,
    ) -> Plan {
        let mut plan = plan(id, step);
        let [gadget, reason, name] = names;
        (plan.gadget, plan.reason, plan.target.name) = (gadget.into(), reason.into(), name.into());
        plan.evidence = values.into_iter().map(|(name, value)| (name.into(), value)).collect();
        plan.at = Timestamp::from_nanos(nanos);
        (plan.merit, plan.deadline) = (merit, deadline);
        plan.confidence = Probability::saturating(confidence);
        plan.expects.change = Change::AtLeast(Metric::MemorySome10, limit);
        plan
    }
}

fn any_entry() -> impl Strategy<Value = Entry<'static>> {
    prop_oneof![
        any_plan()
            .prop_map(|plan| Entry::Intended { plan: Cow::Owned(plan), undo: Cow::Owned(thaw()) }),
        any_plan().prop_map(|plan| Entry::Reviewed(Cow::Owned(Review {
            plan,
            verdict: Verdict::Refused,
            opinions: [(GuardName::OnePlan, Opinion::Ask)].into_iter().collect(),
        }))),
        any_plan().prop_map(|plan| ended(&plan)),
        any_plan().prop_map(|plan| Entry::Assessed(Cow::Owned(Assessment {
            gadget: plan.gadget,
            at: plan.at,
            subject: plan.target.subject,
            class: plan.reason,
            probability: plan.confidence,
            eta: None,
            culprit: None,
            statement: Some("because".into()),
            evidence: plan.evidence,
        }))),
        text().prop_map(|text| noted(&text)),
    ]
}

/// What JSON keeps of an entry. Floats that are not finite, and only they, become `null`.
fn kept(entry: &Entry<'_>) -> serde_json::Value {
    serde_json::to_value(entry).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_entry_reads_back_as_it_was_written(entries in proptest::collection::vec(any_entry(), 1..6)) {
        let mut ledger = Ledger::in_memory(&facts("a"), at(0));
        for entry in &entries {
            ledger.append(at(1), entry).unwrap();
        }
        let read: Vec<_> = ledger.records().skip(1).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), entries.len());
        for (record, entry) in read.iter().zip(&entries) {
            prop_assert_eq!(kept(&record.entry), kept(entry));
            let Entry::Intended { plan: written, .. } = entry else { continue };
            let Entry::Intended { plan: read, .. } = &record.entry else { panic!("another entry") };
            for (read, written) in [(read.merit, written.merit)]
                .into_iter()
                .chain(read.evidence.iter().map(|item| item.1).zip(written.evidence.iter().map(|item| item.1)))
            {
                if written.is_finite() {
                    prop_assert_eq!(read.to_bits(), written.to_bits());
                } else {
                    prop_assert!(read.is_nan());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (parse_record(&bytes), parse_start(&bytes, 0), Head::parse(&bytes));
        for record in Records::of(&bytes) {
            prop_assert!(record.is_err());
        }
    }

    #[test]
    fn what_the_head_parser_accepts_is_what_it_prints(numbers: [u64; 4], flip in 0..200usize) {
        let [seq, segment, offset, oldest] = numbers;
        let head = Head { seq, segment, offset, oldest, hash: GENESIS };
        let mut line = Vec::new();
        head.put(&mut line);
        prop_assert_eq!(Head::parse(&line), Some(head));
        let at = flip % line.len();
        line[at] ^= 1;
        prop_assert_eq!(Head::parse(&line), None);
    }
}

#[test]
fn a_line_that_is_not_a_record_says_what_is_wrong_with_it() {
    let mut line = Vec::new();
    put_record(&mut line, &GENESIS, &Draft { seq: 1, at: at(0), entry: &noted("note") }).unwrap();
    assert!(parse_record(&line).is_ok());
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut line = line.clone();
        change(&mut line);
        format!("{:?}", parse_record(&line).unwrap_err())
    };
    assert_eq!(broken(|line| line.truncate(90)), "Torn");
    assert!(broken(|line| drop(line.drain(..line.len() - 60))).contains("too short"));
    assert!(broken(|line| line[7] ^= 1).contains("length"));
    assert!(broken(|line| line[10] ^= 1).contains("CRC"));
    assert!(broken(|line| line[90] ^= 1).contains("CRC"));
}
