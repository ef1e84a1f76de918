use proptest::prelude::*;

use super::*;
use crate::scan::Scanner;
use crate::span::Finder;

fn redacted(style: &Style, line: &[u8]) -> (Vec<u8>, Vec<Span>, Vec<Replaced>) {
    let (mut spans, mut out, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    Scanner::new().scan(line, &mut spans);
    style.redact(line, &spans, &mut out, &mut replaced);
    (out, spans, replaced)
}

fn text(line: &str) -> String {
    String::from_utf8(redacted(&Style::new(), line.as_bytes()).0).unwrap()
}

#[test]
fn each_kind_is_replaced_by_what_it_is() {
    for (line, want) in [
        ("ssn=123-45-6789 ok", "ssn=[SSN_REDACTED] ok"),
        ("mail to jane.doe@example.com.", "mail to ***@example.com."),
        ("GET /u?email=jane%40example.com&id=1", "GET /u?email=***%40example.com&id=1"),
        ("card 4111 1111 1111 1111 declined", "card [CARD_REDACTED] declined"),
        ("password=hunter2;", "password=[PASSWORD_REDACTED];"),
        ("token=sk-proj-abcdefghijklmnop123456", "token=sk-proj-abc...456"),
        ("https://app:s3cret@db/x", "https://app:[PASSWORD_REDACTED]@db/x"),
        ("at postgres://app:s3cret@db/x", "at [CONNECTION_STRING_REDACTED]"),
        ("Dear Mrs. Jane Doe, hello", "Dear Mrs. [NAME_REDACTED], hello"),
    ] {
        assert_eq!(text(line), want);
    }
}

#[test]
fn a_short_key_shows_nothing() {
    assert_eq!(text("api_key=ab12cd34ef56"), "api_key=[API_KEY_REDACTED]");
}

#[test]
fn json_stays_json() {
    for line in [
        r#"{"phone":"+1-844-732-1833","ssn":123456789,"n":1}"#,
        r#"{"cards":[4111111111111111,5555555555554444],"ok":true}"#,
        r#"{"msg":"{\"ssn\":123456789,\"email\":\"a@b.example\"}"}"#,
        r#"{"password":"a\"b\\","x":"\u00e9"}"#,
        r#"{"password":"abc\u00e9","user":{"email":"x\u0040y.example"}}"#,
    ] {
        let before: serde_json::Value = serde_json::from_str(line).unwrap();
        let after = text(line);
        assert_ne!(after, line);
        let after: serde_json::Value =
            serde_json::from_str(&after).unwrap_or_else(|error| panic!("{after}: {error}"));
        let keys = |value: &serde_json::Value| {
            value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&before), keys(&after));
        if let Some(inner) = after["msg"].as_str() {
            serde_json::from_str::<serde_json::Value>(inner).unwrap();
        }
    }
}

#[test]
fn a_value_that_overlaps_the_signs_of_json_takes_whole_texts_with_it() {
    let line = br#"{"a":"one \"two","b":["three",4],"c":5}"#;
    let at =
        |start, end| Span { start, end, entity: Entity::Address, by: Finder::Labeller, score: 255 };
    for span in [at(6, 20), at(8, 30), at(9, 36), at(1, 39), at(30, 39)] {
        let (mut out, mut replaced) = (Vec::new(), Vec::new());
        Style::new().redact(line, &[span], &mut out, &mut replaced);
        let text = String::from_utf8_lossy(&out);
        assert!(json::is_json(&out), "{span:?}: {text}");
        assert!(text.contains("[ADDRESS_REDACTED]"), "{text}");
        let (mut from, mut to) = (0, 0);
        for one in &replaced {
            assert_eq!(line[from..one.from.start as usize], out[to..one.to.start as usize]);
            (from, to) = (one.from.end as usize, one.to.end as usize);
        }
        assert_eq!(line[from..], out[to..]);
    }
}

#[test]
fn equal_values_have_equal_hashes_and_others_have_others() {
    let style = Style::keyed(b"a key of the operator");
    let of = |line: &str| String::from_utf8(redacted(&style, line.as_bytes()).0).unwrap();
    let (one, same, other) =
        (of("ssn: 123-45-6789"), of("ssn: 123 45 6789"), of("ssn: 123-45-6780"));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(
        one.starts_with("ssn: [SSN_REDACTED:") && one.ends_with(']') && one.len() == 36,
        "{one}"
    );
    let another = Style::keyed(b"another key");
    assert_ne!(redacted(&another, b"ssn: 123-45-6789").0, one.into_bytes());
    assert_eq!(format!("{style:?}"), "Style { keyed: true }");
}

#[test]
fn it_says_what_stands_where() {
    let (out, _, replaced) = redacted(&Style::new(), b"a 123-45-6789 b jane@example.com");
    let [ssn, mail] = replaced.as_slice() else { panic!("{replaced:?}") };
    assert_eq!((ssn.from.clone(), ssn.to.clone(), ssn.entity), (2..13, 2..16, Entity::Ssn));
    assert_eq!(&out[mail.to.start as usize..mail.to.end as usize], b"***@example.com");
}

#[test]
fn spans_out_of_order_or_out_of_the_line_are_left_out() {
    let span =
        |start, end| Span { start, end, entity: Entity::Name, by: Finder::Labeller, score: 255 };
    let (mut out, mut replaced) = (Vec::new(), Vec::new());
    Style::new().redact(
        b"abcdef",
        &[span(2, 4), span(3, 5), span(1, 2), span(9, 12), span(4, 99)],
        &mut out,
        &mut replaced,
    );
    assert_eq!(out, b"ab[NAME_REDACTED][NAME_REDACTED]");
    assert_eq!(replaced.len(), 2);
}

/// Values, and the text around them, put together at random.
fn lines() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("ssn=123-45-6789".to_owned()),
        Just("\"ssn\":123456789,".to_owned()),
        Just("4111-1111-1111-1111".to_owned()),
        Just("jane.doe@example.com".to_owned()),
        Just("email=jane%40example.com&".to_owned()),
        Just("password=\"a\\\"b c\"".to_owned()),
        Just("token: ghp_abcdefghijklmnopqrst0123456789".to_owned()),
        Just("https://u:p4ss@h.example/".to_owned()),
        Just("name=\"Jane Doe\"".to_owned()),
        Just("call +44 20 7998 4657".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
        "[\\\\\"%u0-9a-f:,\\[\\]{}]{0,8}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.join(" "))
}

proptest! {
    #[test]
    fn no_value_is_left_and_nothing_else_is_changed(line in lines(), keyed: bool) {
        let style = if keyed { Style::keyed(b"key") } else { Style::new() };
        let (out, spans, replaced) = redacted(&style, line.as_bytes());
        prop_assert_eq!(spans.len(), replaced.len());
        let (mut from, mut to) = (0, 0);
        for (span, one) in spans.iter().zip(&replaced) {
            prop_assert_eq!(&line.as_bytes()[from..one.from.start as usize], &out[to..one.to.start as usize]);
            prop_assert!(one.from.start as usize <= span.range().start && one.from.end as usize + 1 >= span.range().end);
            (from, to) = (one.from.end as usize, one.to.end as usize);
        }
        prop_assert_eq!(&line.as_bytes()[from..], &out[to..]);
        prop_assert!(std::str::from_utf8(&out).is_ok(), "characters are not cut");
    }

    #[test]
    fn what_was_redacted_is_redacted_no_further(line in lines()) {
        let (once, ..) = redacted(&Style::new(), line.as_bytes());
        let (twice, ..) = redacted(&Style::new(), &once);
        prop_assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&once));
    }

    #[test]
    fn json_of_any_text_stays_json(texts in prop::collection::vec(lines(), 1..4), number: u64) {
        let value = serde_json::json!({ "msg": texts, "n": number, "ssn": 123_456_789, "inner": { "email": "a@b.example", "list": [number, 4111111111111111u64] } });
        let (out, ..) = redacted(&Style::new(), value.to_string().as_bytes());
        let after = serde_json::from_slice::<serde_json::Value>(&out);
        prop_assert!(after.is_ok(), "{:?} in {}", after, String::from_utf8_lossy(&out));
    }
}
