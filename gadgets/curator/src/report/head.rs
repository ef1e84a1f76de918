//! Who writes a line, as its head says.

/// How much of a line is its head.
const HEAD: usize = 192;
/// A longer name is none.
const MOST: usize = 96;

/// The logger in the head of a line: a word in JSON's `logger`, or a dotted or bracketed name between the severity and the message,
/// `com.shop.Billing`, `dfs.FSNamesystem:`, `[QuorumCnxManager]`.
pub(super) fn logger(line: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(&line[..line.len().min(HEAD)]) {
        Ok(text) => text,
        Err(wrong) => std::str::from_utf8(&line[..wrong.valid_up_to()]).ok()?,
    };
    ["\"logger\":", "\"logger_name\":", "\"class\":", "logger=", "class="]
        .iter()
        .find_map(|key| named(text, key))
        .or_else(|| text.split_ascii_whitespace().take(10).find_map(dotted))
}

fn named<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.split_once(key)?.1.trim_start().trim_start_matches('"');
    let end = value.find(['"', ' ', ',', '}']).unwrap_or(value.len());
    Some(&value[..end]).filter(|name| is_name(name))
}

/// A word of two names at least with dots, colons or dollars between: what loggers are called, and hardly anything else.
fn dotted(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c: char| matches!(c, '[' | ']' | ':' | '(' | ')' | '-' | ','));
    let word = word.split(['@', '[']).next()?;
    let parts: Vec<&str> =
        word.split(['.', '$', '#', ':']).filter(|part| !part.is_empty()).collect();
    let named = parts.len() >= 2
        && parts
            .iter()
            .all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.len() >= 2)
        && !word.contains(['/', '*']);
    // Hosts and files have such names too, but in lower case and with an end that is known.
    let file = ["log", "com", "org", "net", "local", "io", "txt", "conf", "json"];
    let ends = |end: &str| parts.last().is_some_and(|last| *last == end);
    (named && is_name(word) && !file.iter().any(|end| ends(end))).then_some(word)
}

fn is_name(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphabetic).count();
    let digits = name.chars().filter(char::is_ascii_digit).count();
    (1..=MOST).contains(&name.len())
        && letters > 2 * digits
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '$' | ':' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loggers_are_found_where_logs_have_them() {
        let cases = [
            ("2024-01-01 10:00:00,123 INFO com.shop.Billing - paid", Some("com.shop.Billing")),
            ("081110 103850 32 INFO dfs.FSNamesystem: BLOCK*", Some("dfs.FSNamesystem")),
            ("17/06/09 20:10:53 INFO executor.Executor: Finished", Some("executor.Executor")),
            (r#"{"ts":"2024","logger":"shop.cart","msg":"x"}"#, Some("shop.cart")),
            ("- WARN  [RecvWorker:188978561024:QuorumCnxManager$RecvWorker@762] - x", None),
            ("host sshd[17]: session opened", None),
            ("***@example.com said so", None),
            ("Sun Dec 04 [notice] plain words", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(logger(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(logger(b"INFO a.Bcd \xff\xff"), None, "one letter is no name");
        assert_eq!(logger(b"INFO ab.Bcd \xff\xff"), Some("ab.Bcd"));
    }
}
