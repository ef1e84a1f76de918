//! What a plug-in says about itself; signed with it.

use std::fmt;

use serde::Deserialize;

/// The version of the interface between plug-in and host that this crate speaks.
pub const ABI: u32 = 1;

/// The most fields that one plug-in may name.
const MOST_FIELDS: usize = 32;
/// The most bytes of a name.
const MOST_NAME: usize = 64;
/// The most bytes that a plug-in may take at once: half of its memory.
const MOST_INPUT: u32 = 2 << 20;

/// A plug-in's name, version, and the fields it may see.
///
/// The text is TOML with exactly these keys; [`Display`](fmt::Display) writes it.
///
/// ```
/// # use gadget_filter::Manifest;
/// let text = "abi = 1\nname = \"redact\"\nversion = \"1.0.0\"\nfields = [\"command_line\"]\ninput_bytes = 65536\n";
/// let manifest = Manifest::parse(text)?;
/// assert!(manifest.fields.contains(&"command_line".to_owned()));
/// assert_eq!(manifest.to_string(), text);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// The interface it was built for: [`ABI`].
    pub abi: u32,
    /// Its name: lower case letters, digits, `-` and `_`, 64 bytes at most.
    pub name: String,
    /// Its version: three numbers with points between them.
    pub version: String,
    /// The fields that it may see, 32 at most; it knows them by their place in this list.
    pub fields: Vec<String>,
    /// The longest text that it takes, bytes: the size of its input buffer, 2 MiB at most.
    pub input_bytes: u32,
}

impl Manifest {
    /// Reads and checks one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.abi != ABI {
            return Err(format!("abi is {}, this host speaks {ABI}", self.abi));
        }
        if !is_name(&self.name) {
            return Err(format!(
                "name {:?} is not 1 to {MOST_NAME} of a-z, 0-9, - and _",
                self.name
            ));
        }
        let numbers: Vec<&str> = self.version.split('.').collect();
        if numbers.len() != 3 || !numbers.iter().all(|it| is_number(it)) {
            return Err(format!("version {:?} is not three numbers as in 1.0.0", self.version));
        }
        if !(1..=MOST_FIELDS).contains(&self.fields.len()) {
            return Err(format!("{} fields are not 1 to {MOST_FIELDS}", self.fields.len()));
        }
        for (at, field) in self.fields.iter().enumerate() {
            if !is_name(field) {
                return Err(format!(
                    "field {field:?} is not 1 to {MOST_NAME} of a-z, 0-9, - and _"
                ));
            }
            if self.fields[..at].contains(field) {
                return Err(format!("field {field:?} is named twice"));
            }
        }
        if !(1..=MOST_INPUT).contains(&self.input_bytes) {
            return Err(format!("input_bytes {} is not 1 to {MOST_INPUT}", self.input_bytes));
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |it: u8| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=MOST_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|it| it.to_string() == text)
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // None of these holds a character that TOML would have escaped.
        let Self { abi, name, version, fields, input_bytes } = self;
        let fields = fields.join("\", \"");
        writeln!(f, "abi = {abi}\nname = \"{name}\"\nversion = \"{version}\"")?;
        writeln!(f, "fields = [\"{fields}\"]\ninput_bytes = {input_bytes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "abi = 1\nname = \"a\"\nversion = \"1.0.0\"\nfields = [\"b\", \"c\"]\ninput_bytes = 1\n";

    #[test]
    fn each_wrong_value_is_refused_by_name() {
        assert_eq!(Manifest::parse(GOOD).unwrap().to_string(), GOOD);
        for (was, is, names) in [
            ("abi = 1", "abi = 2", "abi is 2"),
            ("\"a\"", "\"A\"", "name \"A\""),
            ("\"a\"", "\"\"", "name \"\""),
            ("1.0.0", "1.0", "version"),
            ("1.0.0", "1.0.01", "version"),
            ("1.0.0", "1.0.x", "version"),
            ("\"b\", \"c\"", "", "0 fields"),
            ("\"c\"", "\"b\"", "named twice"),
            ("\"c\"", "\"\\u0000\"", "field"),
            ("input_bytes = 1", "input_bytes = 0", "input_bytes 0"),
            ("input_bytes = 1", "input_bytes = 2097153", "input_bytes 2097153"),
            ("input_bytes = 1", "", "input_bytes"),
            ("abi", "more = 1\nabi", "more"),
        ] {
            let error = Manifest::parse(&GOOD.replace(was, is)).unwrap_err();
            assert!(error.contains(names), "{is}: {error}");
        }
    }
}
