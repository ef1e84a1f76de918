//! Which lines may hold a value that no rule found, at a glance.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Words near which values stand, in the languages that logs are written in.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "name", "phone", "mobile", "tel", "fax", "call", "contact", "customer", "client ", "patient", "member", "passenger", "guest", "tenant",
    "employee", "holder", "owner", "caller", "user", "account", "ssn", "social", "national", "passport", "licen", "tax", "birth", "born",
    "dob", "address", "street", "addr", "deliver", "ship", "recipient", "beneficiary", "iban", "bank", "card", "payment", "credit", "pan=",
    "mail", "token", "secret", "passw", "passphrase", "pwd", "auth", "bearer", "credential", "apikey", "api_key", "api-key", "private",
    "session", "cookie", "signature", "kunde", "telefon", "adresse", "geburt", "nombre", "correo", "cliente", "nom=", "nome",
];

/// How suspicious a line with one of the words is, of 255.
const SUSPICIOUS: u8 = 200;

/// Looks for words near which values stand.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion(Option<AhoCorasick>);

impl Default for Suspicion {
    fn default() -> Self {
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(WORDS);
        Self(words.ok())
    }
}

impl Suspicion {
    /// 0 for a line that has none of the words.
    pub(crate) fn of(&self, line: &[u8]) -> u8 {
        let has = self.0.as_ref().is_some_and(|words| words.is_match(line));
        if has { SUSPICIOUS } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_names_what_values_are_of_is_suspicious() {
        let suspicion = Suspicion::default();
        assert_eq!(suspicion.of(b"Patient admitted: Ann Lee"), SUSPICIOUS);
        assert_eq!(suspicion.of(b"gc took 17 ms"), 0);
        assert_eq!(suspicion.of(b""), 0);
    }
}
