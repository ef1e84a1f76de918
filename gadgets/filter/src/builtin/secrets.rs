use crate::filter::{Answer, Filter, Reason};

/// What stands for a secret; cut where the secret is shorter.
const MASK: &str = "***";

/// The last part of a name whose value is secret, in lower case without `-`, `_` and `.`.
const SECRET: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secretkey",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "signature",
];

/// Masks the values of arguments whose names say that they are secret.
///
/// - `--password VALUE`, `-token VALUE`, `--password=VALUE`, `DB_PASSWORD=VALUE`, `-Ddb.password=VALUE`, `password:VALUE`: up to the
///   end of the word, or of the quotes that the value begins with.
/// - `Authorization: Bearer VALUE`, and `Bearer VALUE` alone.
/// - `scheme://user:VALUE@host`.
///
/// A name counts by its end, so that `--password-file PATH` stays. Names without meaning (`-p`) are not known. Arguments come
/// joined by spaces: of a secret that holds a space and no quotes, only the first word is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secrets;

impl Filter for Secrets {
    fn allows(&self, _: &str) -> bool {
        true
    }

    fn apply(&mut self, _: &str, text: &str, out: &mut String) -> Result<Answer, Reason> {
        let mut hide = Hide::Nothing;
        for piece in text.split_inclusive(is_space) {
            let word = piece.trim_end_matches(is_space);
            hide = mask_word(word, hide, out);
            out.push_str(&piece[word.len()..]);
        }
        Ok(if out == text { Answer::Same } else { Answer::Other })
    }
}

/// What the words so far say about the next.
#[derive(Clone, Copy)]
enum Hide {
    Nothing,
    /// The next word is a secret.
    Word,
    /// Everything is, up to a word that ends with this quote.
    Quoted(char),
}

fn is_space(it: char) -> bool {
    it.is_whitespace() || it == '\0'
}

fn mask_word(word: &str, hide: Hide, out: &mut String) -> Hide {
    match hide {
        Hide::Quoted(quote) => {
            mask(word, out);
            return if word.ends_with(quote) { Hide::Nothing } else { hide };
        }
        Hide::Word if word.is_empty() => return hide,
        Hide::Word if !is_scheme(word) => return mask_value(word, out),
        Hide::Word | Hide::Nothing => {}
    }
    if is_scheme(word) {
        out.push_str(word);
        return Hide::Word;
    }
    for (at, _) in word.match_indices(['=', ':']) {
        if is_secret(name_before(word, at)) {
            out.push_str(&word[..=at]);
            return match &word[at + 1..] {
                "" => Hide::Word,
                value => mask_value(value, out),
            };
        }
    }
    if let Some((from, to)) = url_password(word) {
        out.push_str(&word[..from]);
        mask(&word[from..to], out);
        out.push_str(&word[to..]);
        return Hide::Nothing;
    }
    out.push_str(word);
    if word.starts_with('-') && is_secret(name_before(word, word.len())) {
        Hide::Word
    } else {
        Hide::Nothing
    }
}

fn mask_value(value: &str, out: &mut String) -> Hide {
    mask(value, out);
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) if value.len() == 1 || !value.ends_with(quote) => {
            Hide::Quoted(quote)
        }
        _ => Hide::Nothing,
    }
}

fn mask(secret: &str, out: &mut String) {
    out.push_str(&MASK[..MASK.len().min(secret.len())]);
}

/// The run of letters, digits, `-`, `_` and `.` that ends at `end`; one pair of quotes around it is left out.
fn name_before(word: &str, end: usize) -> &str {
    let name = word[..end].trim_end_matches(['"', '\'']);
    let part = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
    &name[name.trim_end_matches(part).len()..]
}

fn is_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|it| it.to_ascii_lowercase())
        .collect();
    let plain = plain.trim_end_matches(|it: char| it.is_ascii_digit());
    let singular = plain.strip_suffix('s').unwrap_or(plain);
    SECRET.iter().any(|end| plain.ends_with(end) || singular.ends_with(end))
        || matches!(plain, "pass" | "auth")
}

/// `Bearer` and `Basic`, which come before a secret.
fn is_scheme(word: &str) -> bool {
    let word = word.trim_start_matches(['"', '\'']);
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// Where the password of a URL lies; up to the last `@`, since a password that was not escaped may hold any of them.
fn url_password(word: &str) -> Option<(usize, usize)> {
    let authority = word.find("://")? + 3;
    let from = authority + word[authority..].find(':')? + 1;
    let to = from + word[from..].rfind('@')?;
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(text: &str) -> String {
        let mut out = String::new();
        match Secrets.apply("command_line", text, &mut out) {
            Ok(Answer::Same) => text.to_owned(),
            Ok(Answer::Other) => out,
            Err(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn values_of_secret_names_are_masked() {
        for (text, expected) in [
            ("mysql --user root --password hunter2 db", "mysql --user root --password *** db"),
            ("mysql --password=hunter2 db", "mysql --password=*** db"),
            ("env PGPASSWORD=hunter2 psql", "env PGPASSWORD=*** psql"),
            ("java -Ddb.password=a=b:c,d -jar x.jar", "java -Ddb.password=*** -jar x.jar"),
            ("vault login -token s.1234", "vault login -token ***"),
            ("x --api-key abc --API_KEY2=def", "x --api-key *** --API_KEY2=***"),
            ("x --secrets a", "x --secrets *"),
            (
                "curl -H Authorization: Bearer abc.def http://h/",
                "curl -H Authorization: Bearer *** http://h/",
            ),
            ("curl -H Authorization:Basic dTpw", "curl -H Authorization:*** dTpw"),
            ("curl http://h/?a=1&access_token=zzzz&b=2", "curl http://h/?a=1&access_token=***"),
            ("psql postgres://bob:p@ss/w@db:5432/x", "psql postgres://bob:***@db:5432/x"),
            ("sh -c x --password=\"two words\" --port 1", "sh -c x --password=*** *** --port 1"),
            ("sh -c x --password 'two words' --port 1", "sh -c x --password *** *** --port 1"),
            ("x {\"password\":\"abc\",\"user\":\"u\"}", "x {\"password\":***"),
            ("x --password  spaced", "x --password  ***"),
            ("x\0--password\0zero", "x\0--password\0***"),
        ] {
            assert_eq!(filtered(text), expected);
        }
    }

    #[test]
    fn what_is_not_secret_stays() {
        for text in [
            "postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql.conf",
            "x --password-file /etc/x --token-ttl 60",
            "python -m tokenizer --tokenizer=bpe --bypass",
            "http://host:80/path",
            "",
            "  two  spaces ",
        ] {
            assert_eq!(filtered(text), text);
        }
    }

    proptest! {
        #[test]
        fn it_never_grows_and_hides_the_value_of_a_flag(
            words in prop::collection::vec("[ -~]{0,12}|\\PC{0,6}|--password|token=|\"", 0..8),
            secret in "[A-Z]{8,12}",
        ) {
            let text = words.join(" ");
            prop_assert!(filtered(&text).len() <= text.len());
            let hidden = filtered(&format!("{text} --token={secret}"));
            prop_assert!(!hidden.ends_with(&secret), "{hidden}");
        }
    }
}
