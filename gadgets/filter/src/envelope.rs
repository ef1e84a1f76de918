//! The fields of envelopes by name. One name is one meaning everywhere: a name that is redacted in rows is in sums, too.

use std::collections::BTreeMap;

use gadget_envelope::{AggregateRow, Envelope, ProcessEphemeralSummary, ProcessRow};

use crate::filter::Fields;

/// A name in each of the messages that hold it.
const DISPLAY_NAME: &str = "process_display_name";
const USER_NAME: &str = "user_name";
const CONTAINER_ID: &str = "container_id";

impl Fields for ProcessRow {
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
        visit(DISPLAY_NAME, &mut self.process_display_name);
        visit("command_name", &mut self.command_name);
        visit("command_line", &mut self.command_line);
        visit(USER_NAME, &mut self.user_name);
        if let Some(detail) = &mut self.detail {
            visit("exe", &mut detail.exe);
        }
        if let Some(container) = &mut self.container {
            visit(CONTAINER_ID, &mut container.id);
            visit("pod", &mut container.pod);
            visit("cgroup", &mut container.cgroup);
        }
    }
}

impl Fields for AggregateRow {
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
        visit(DISPLAY_NAME, &mut self.process_display_name);
        each_key(&mut self.key, visit);
    }
}

/// What a sum is kept by.
fn each_key(keys: &mut BTreeMap<String, String>, visit: &mut dyn FnMut(&str, &mut String)) {
    for (key, text) in keys {
        let field = match key.as_str() {
            "user" => USER_NAME,
            "container" => CONTAINER_ID,
            other => other,
        };
        visit(field, text);
    }
}

impl Fields for ProcessEphemeralSummary {
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
        visit(DISPLAY_NAME, &mut self.process_display_name);
        for parent in &mut self.parents {
            visit(DISPLAY_NAME, &mut parent.name);
        }
    }
}

impl Fields for Envelope {
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
        match self {
            Self::Process(envelope) => {
                let Some(batch) = &mut envelope.payload else { return };
                batch.rows.iter_mut().for_each(|row| row.each_field(visit));
                batch
                    .tail
                    .iter_mut()
                    .chain(&mut batch.residual)
                    .for_each(|row| row.each_field(visit));
            }
            Self::Sketch(envelope) => each_key(&mut envelope.key, visit),
            Self::Ephemeral(summary) => summary.each_field(visit),
            Self::Diag(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::Timestamp;
    use gadget_envelope::{Container, Parent, ProcessEnvelope, SketchEnvelope, TopNBatch};

    use super::*;
    use crate::{MARKER, Pipeline, Secrets, Stage, Truncate};

    #[test]
    fn a_name_that_is_cut_in_rows_is_cut_wherever_it_is_sent() {
        let name = || "secret-project".to_owned();
        let key = || {
            BTreeMap::from([
                (DISPLAY_NAME.to_owned(), name()),
                ("user".to_owned(), "root".to_owned()),
            ])
        };
        let row = ProcessRow {
            process_display_name: name(),
            command_line: "a --token x".to_owned(),
            user_name: "root".to_owned(),
            container: Some(Container { id: "abc".to_owned(), ..Container::default() }),
            ..ProcessRow::default()
        };
        let sum =
            AggregateRow { process_display_name: name(), key: key(), ..AggregateRow::default() };
        let payload = TopNBatch {
            rows: vec![row],
            tail: vec![sum.clone()],
            residual: vec![sum],
            ..TopNBatch::default()
        };
        let mut envelopes = [
            Envelope::Process(Box::new(ProcessEnvelope {
                payload: Some(payload),
                ..ProcessEnvelope::default()
            })),
            Envelope::Sketch(Box::new(SketchEnvelope { key: key(), ..SketchEnvelope::default() })),
            Envelope::Ephemeral(Box::new(ProcessEphemeralSummary {
                process_display_name: name(),
                parents: vec![Parent { name: name(), ..Parent::default() }],
                ..ProcessEphemeralSummary::default()
            })),
        ];
        let mut pipeline = Pipeline::new()
            .stage(Stage::new("cut", &[DISPLAY_NAME], Truncate::to(3)))
            .stage(Stage::new("secrets", &["command_line"], Secrets))
            .stage(Stage::loaded(
                "lost",
                &[USER_NAME],
                Err::<Secrets, _>(crate::LoadError::Signature),
            ));
        let mut seen = BTreeMap::<_, Vec<String>>::new();
        for envelope in &mut envelopes {
            pipeline.run(envelope, Timestamp::from_secs(1), |_| ());
            envelope.each_field(&mut |field, text| {
                seen.entry(field.to_owned()).or_default().push(text.clone());
            });
        }
        assert_eq!(seen[DISPLAY_NAME], vec!["sec"; 8]);
        assert_eq!(seen[USER_NAME], vec![MARKER; 4]);
        assert_eq!(seen["command_line"], ["a --token *"]);
        assert_eq!(seen[CONTAINER_ID], ["abc"]);
    }
}
