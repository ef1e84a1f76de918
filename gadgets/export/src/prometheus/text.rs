//! The text format that Prometheus scrapes, version 0.0.4.

use std::fmt::Write as _;

/// One label: a name and a value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A growing exposition. Samples of one family follow its head.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// The head of a family.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str("# HELP ");
        self.0.push_str(name);
        self.0.push(' ');
        escape(&mut self.0, help, false);
        self.0.push_str("\n# TYPE ");
        self.0.push_str(name);
        self.0.push(' ');
        self.0.push_str(kind);
        self.0.push('\n');
    }

    /// One sample; `suffix` is `_sum` or `_count` of a summary, and empty otherwise.
    pub(super) fn sample<'a>(
        &mut self,
        name: &str,
        suffix: &str,
        labels: impl IntoIterator<Item = Label<'a>>,
        value: f64,
    ) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        let mut between = '{';
        for (label, value) in labels {
            self.0.push(between);
            self.0.push_str(label);
            self.0.push_str("=\"");
            escape(&mut self.0, value, true);
            self.0.push('"');
            between = ',';
        }
        if between == ',' {
            self.0.push('}');
        }
        self.0.push(' ');
        number(&mut self.0, value);
        self.0.push('\n');
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, "", [], value);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

fn number(to: &mut String, value: f64) {
    // A string takes whatever it is given.
    let _ = match value {
        _ if value.is_nan() => write!(to, "NaN"),
        f64::INFINITY => write!(to, "+Inf"),
        f64::NEG_INFINITY => write!(to, "-Inf"),
        // Without an exponent these are long.
        _ if value != 0.0 && !(1e-7..1e17).contains(&value.abs()) => write!(to, "{value:e}"),
        _ => write!(to, "{value}"),
    };
}

/// Backslash, end of line and, in a label, quote have a form of their own. A zero byte would end the text for its reader.
fn escape(to: &mut String, text: &str, label: bool) {
    for char in text.chars() {
        match char {
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '"' if label => to.push_str("\\\""),
            '\0' => to.push('\u{fffd}'),
            _ => to.push(char),
        }
    }
}

/// `name` as a name of a metric or label: what may not be in one becomes `_`.
pub(super) fn sanitized(name: &str) -> String {
    let mut text: String =
        name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    if text.starts_with(|first: char| first.is_ascii_digit()) || text.is_empty() {
        text.insert(0, '_');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_labels_and_a_number() {
        let mut text = Text::default();
        text.family("a", "gauge", "what\\\nit is");
        text.sample("a", "", [], 1.5);
        text.sample("a", "_sum", [("x", "1"), ("y", "two")], 1e21);
        text.sample("a", "_count", [], 12_345_678_901_234_567.0);
        text.single("b", "counter", "h", f64::INFINITY);
        let expected = "# HELP a what\\\\\\nit is\n# TYPE a gauge\na 1.5\n\
                        a_sum{x=\"1\",y=\"two\"} 1e21\na_count 12345678901234568\n\
                        # HELP b h\n# TYPE b counter\nb +Inf\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn any_name_stays_within_its_quotes() {
        let mut text = Text::default();
        text.sample("a", "", [("x", "q\"b\\n\nz\0é\t")], f64::NAN);
        assert_eq!(text.finish(), "a{x=\"q\\\"b\\\\n\\nz\u{fffd}é\t\"} NaN\n");
    }

    #[test]
    fn a_name_of_a_metric_is_made_of_any_text() {
        assert_eq!(sanitized("process.cpu.percent"), "process_cpu_percent");
        assert_eq!((sanitized("9é"), sanitized("")), ("_9_".to_owned(), "_".to_owned()));
    }
}
