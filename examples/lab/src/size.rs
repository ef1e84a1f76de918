//! Sizes as people write them: `384M`.

use std::str::FromStr;

/// A size in bytes, written with a binary suffix: `64K`, `384M`, `1G`, or plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KIB" => 10,
            "M" | "MIB" => 20,
            "G" | "GIB" => 30,
            unit => return Err(format!("unknown unit {unit:?}: use K, M or G")),
        };
        let count: u64 = digits.parse().map_err(|_| format!("not a size: {text:?}"))?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(|| format!("too large: {text:?}"))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_multiple_of(1 << 20) {
            write!(f, "{}M", self.0 >> 20)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back_as_they_print() {
        for text in ["384M", "1025", "0M"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("1G".parse::<Size>().unwrap(), Size(1 << 30));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "M", "-1M", "3X", "99999999999999G", "1.5G"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
