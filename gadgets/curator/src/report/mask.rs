//! A line without its values.

/// The longest template, in bytes.
const MOST: usize = 160;
/// A longer word is a value.
const MOST_WORD: usize = 32;

/// Words of dates.
#[rustfmt::skip]
const DATES: &[&str] = &[
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// What is kept of a redacted line: words of letters, the redactions, and what stands between them. All that may be a value becomes
/// `<*>`: words with a digit in them, long ones, and those of other letters than ASCII's.
pub(crate) fn template(redacted: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = redacted;
    while !rest.is_empty() && text.len() < MOST {
        let masked = text.len();
        let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if spaces > 0 && !text.is_empty() {
            text.push(' ');
        }
        rest = &rest[spaces..];
        let word = rest.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let (word, later) = rest.split_at(word);
        rest = later;
        push_word(word, &mut text);
        // One for however many values in a row.
        if &text[masked..] == " <*>" && text[..masked].ends_with("<*>") {
            text.truncate(masked);
        }
    }
    if text.len() > MOST {
        let cut = (0..=MOST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// A word in parts, as `key=value` and JSON have them.
fn push_word(word: &[u8], text: &mut String) {
    let is_part = |byte: &u8| {
        !matches!(
            byte,
            b'=' | b'"'
                | b'\''
                | b','
                | b';'
                | b'{'
                | b'}'
                | b'('
                | b')'
                | b'<'
                | b'>'
                | b'['
                | b']'
        )
    };
    let mut rest = word;
    while !rest.is_empty() {
        let part = rest.iter().take_while(|byte| is_part(byte)).count();
        if part == 0 {
            text.push(char::from(rest[0]));
            rest = &rest[1..];
            continue;
        }
        let (part, later) = rest.split_at(part);
        rest = later;
        let part = match part.split_first() {
            Some((b':', value)) if !value.is_empty() => {
                text.push(':');
                value
            }
            _ => part,
        };
        match std::str::from_utf8(part) {
            Ok(part) if is_plain(part) => text.push_str(part),
            _ if text.ends_with("<*>") => {}
            _ => text.push_str("<*>"),
        }
    }
}

fn is_plain(part: &str) -> bool {
    part.ends_with("_REDACTED")
        || part.len() <= MOST_WORD
            && part.bytes().all(|byte| byte.is_ascii_alphabetic() || byte.is_ascii_punctuation())
            && !part.contains(['@', '%', '\\'])
            && !DATES.contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_and_words_are_kept() {
        let cases = [
            (
                "user 17 paid 3.50 by card [CARD_REDACTED]",
                "user <*> paid <*> by card [CARD_REDACTED]",
            ),
            (r#"{"id":17,"mail":"[EMAIL_REDACTED]"}"#, r#"{"id":<*>,"mail":"[EMAIL_REDACTED]"}"#),
            ("Sun Dec 04 to ann@example.com", "<*> to <*>"),
            ("a=1 b=x-y path=/srv/app", "a=<*> b=x-y path=/srv/app"),
            ("Zoë 0x1f ok", "<*> ok"),
            ("  two   spaces ", "two spaces "),
        ];
        for (line, expected) in cases {
            assert_eq!(template(line.as_bytes()), expected);
        }
    }

    #[test]
    fn a_template_is_short() {
        assert!(template("word ".repeat(100).as_bytes()).len() <= MOST + '…'.len_utf8());
        assert_eq!(template(&[b'x'; 10_000]), "<*>");
        assert_eq!(template(b"\xff\xfe"), "<*>");
    }
}
