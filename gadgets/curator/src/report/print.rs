//! The report for people and for programs.

use std::fmt;

use super::{Leak, LeakReport};

/// Rows of the table for people; the rest is a sum.
const SHOWN: usize = 50;

impl LeakReport {
    /// As JSON: `{"leaks": [...], "other": n}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"leaks": self.leaks, "other": self.other})
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.entity, self.service)?;
        if *self.origin != *self.service {
            write!(f, " ({})", self.origin)?;
        }
        if let Some(logger) = &self.logger {
            write!(f, ", logger {logger}")?;
        }
        write!(f, ": {}", self.template)
    }
}

/// A table, the most values first.
impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.leaks.is_empty() {
            return writeln!(f, "no leaks");
        }
        let mut rows: Vec<&Leak> = self.leaks.iter().collect();
        rows.sort_by(|a, b| b.values.cmp(&a.values).then(a.first.cmp(&b.first)));
        let shown = &rows[..rows.len().min(SHOWN)];
        let width = |of: &dyn Fn(&Leak) -> usize, least: usize| {
            shown.iter().map(|leak| of(leak)).max().unwrap_or(0).clamp(least, 28)
        };
        let service = width(&|leak| leak.service.len(), 7);
        let logger = width(&|leak| leak.logger.as_deref().unwrap_or("-").len(), 6);
        let entity = width(&|leak| leak.entity.name().len(), 5);
        writeln!(
            f,
            "{:>8}  {:entity$}  {:service$}  {:logger$}  line",
            "values", "leaks", "service", "logger"
        )?;
        for leak in shown {
            let name = leak.logger.as_deref().unwrap_or("-");
            let (values, kind) = (leak.values, leak.entity);
            let (who, name) = (end_of(&leak.service, service), end_of(name, logger));
            writeln!(
                f,
                "{values:>8}  {kind:entity$}  {who:service$}  {name:logger$}  {}",
                leak.template
            )?;
        }
        let hidden: u64 =
            rows[shown.len()..].iter().map(|leak| leak.values).sum::<u64>() + self.other;
        if hidden > 0 {
            writeln!(f, "{hidden:>8}  in {} other places", rows.len() - shown.len())?;
        }
        Ok(())
    }
}

/// What fits, of the end: the last part of a logger's name says most.
fn end_of(text: &str, width: usize) -> &str {
    let mut from = text.len().saturating_sub(width);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;
    use crate::entity::Entity;
    use gadget_core::{LogSource, LogSources, Timestamp};

    #[test]
    fn the_table_has_the_most_values_first_and_sums_up_the_rest() {
        let (mut report, sources) = (LeakReport::default(), LogSources::default());
        let source = sources.id(&LogSource {
            service: "api".into(),
            origin: "api.log".into(),
            container: None,
        });
        for shape in 0..60 {
            let (tens, ones) = (b'a' + shape as u8 / 10, b'a' + shape as u8 % 10);
            let place = [tens, ones].map(char::from);
            let redacted = format!("INFO ab.Pay - {}{} [SSN_REDACTED]", place[0], place[1]);
            let redacted = redacted.as_bytes();
            let at = Timestamp::from_secs(shape);
            report.add(
                Found { source, at, redacted, shape, entity: Entity::Ssn, values: 1 + shape },
                &sources,
            );
        }
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  values  leaks  service  logger  line");
        assert_eq!(lines[1], "      60  ssn    api      ab.Pay  INFO ab.Pay - fj [SSN_REDACTED]");
        assert_eq!(lines.len(), 1 + SHOWN + 1);
        assert_eq!(lines[51], "      55  in 10 other places");
        let first = report.leaks()[0].to_string();
        assert_eq!(first, "ssn in api (api.log), logger ab.Pay: INFO ab.Pay - aa [SSN_REDACTED]");
        let json = report.to_json();
        assert_eq!(json["leaks"][3]["entity"], "ssn");
        assert_eq!(json["leaks"].as_array().map(Vec::len), Some(60));
    }
}
