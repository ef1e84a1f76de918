//! The known name that reads most like a mistyped one.

/// The one of `known` that reads most like `name`, if any reads alike at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing takes the product of both lengths; nobody mistypes a name into something this long.
    if name.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|&(likeness, _)| likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_put_right_and_a_stranger_is_not() {
        let known = ["cooldown", "budget", "confidence"];
        assert_eq!(nearest("cooldwon", known.into_iter()), Some("cooldown"));
        assert_eq!(nearest("bugdet", known.into_iter()), Some("budget"));
        assert_eq!(nearest("zzzzz", known.into_iter()), None);
        assert_eq!(nearest(&"cooldown".repeat(9_999), known.into_iter()), None);
    }
}
