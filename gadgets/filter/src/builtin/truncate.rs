use crate::filter::{Answer, Filter, Reason};

/// Cuts a text to a number of bytes, between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncate {
    bytes: usize,
}

impl Truncate {
    /// To that many bytes at most; with 0 the text is emptied.
    #[must_use]
    pub const fn to(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl Filter for Truncate {
    fn allows(&self, _: &str) -> bool {
        true
    }

    fn apply(&mut self, _: &str, text: &str, out: &mut String) -> Result<Answer, Reason> {
        if text.len() <= self.bytes {
            return Ok(Answer::Same);
        }
        out.push_str(&text[..text.floor_char_boundary(self.bytes)]);
        Ok(Answer::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_kept_whole_or_left_out() {
        let cut = |bytes| {
            let mut out = String::new();
            (Truncate::to(bytes).apply("command_line", "häst", &mut out), out)
        };
        assert_eq!(cut(5), (Ok(Answer::Same), String::new()));
        assert_eq!(cut(3), (Ok(Answer::Other), "hä".to_owned()));
        assert_eq!(cut(2), (Ok(Answer::Other), "h".to_owned()));
        assert_eq!(cut(0), (Ok(Answer::Other), String::new()));
    }
}
