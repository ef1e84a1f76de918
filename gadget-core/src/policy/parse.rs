//! Settings from text, with errors that name the line and the key.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::PolicyError;
use super::nearest::nearest;
use super::settings::PolicySettings;

/// Reads settings; what is not in `text` has its default.
pub(super) fn parse(text: &str) -> Result<PolicySettings, PolicyError> {
    let table = DeTable::parse(text).map_err(|error| PolicyError::Syntax {
        line: line(text, error.span().map_or(0, |span| span.start)),
        problem: error.message().to_owned(),
    })?;
    let table = table.get_ref();
    refuse_unknown(text, table)?;
    let settings = toml::de::Deserializer::parse(text)
        .and_then(PolicySettings::deserialize)
        .map_err(|error| value_error(text, table, &error))?;
    settings.check().map_err(|error| match error {
        PolicyError::Value { key, problem, .. } => {
            PolicyError::Value { line: line_of(text, table, &key), key, problem }
        }
        other => other,
    })?;
    Ok(settings)
}

/// Every key of a policy, as the defaults have it; a table for each part.
pub(super) fn known_keys() -> toml::Table {
    toml::Table::try_from(PolicySettings::default()).expect("settings are made of TOML's own types")
}

fn refuse_unknown(text: &str, table: &DeTable<'_>) -> Result<(), PolicyError> {
    let known = known_keys();
    for (key, value) in table {
        let Some(part) = known.get(key.get_ref().as_ref()) else {
            return Err(unknown(text, "", key, &known));
        };
        let (Some(part), DeValue::Table(inner)) = (part.as_table(), value.get_ref()) else {
            continue;
        };
        for (inner_key, inner_value) in inner {
            let name = inner_key.get_ref().as_ref();
            if key.get_ref() == "autonomy" {
                refuse_odd_grant(text, inner_key, inner_value.get_ref())?;
            } else if !part.contains_key(name) {
                return Err(unknown(text, key.get_ref(), inner_key, part));
            }
        }
    }
    Ok(())
}

/// Any gadget may be named, so a mistyped `default` would be a grant to a gadget that does not exist.
fn refuse_odd_grant(
    text: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &DeValue<'_>,
) -> Result<(), PolicyError> {
    let name = key.get_ref().as_ref();
    let line = line(text, key.span().start);
    if matches!(value, DeValue::Table(_)) {
        return Err(PolicyError::Value {
            line: Some(line),
            key: format!("autonomy.{name}"),
            problem: format!("is a table; write \"{name}.freeze\" with quotes to grant one step"),
        });
    }
    if name != "default" && name.len() < 16 && strsim::osa_distance(name, "default") <= 2 {
        return Err(PolicyError::UnknownKey {
            line,
            key: format!("autonomy.{name}"),
            nearest: Some("autonomy.default".to_owned()),
        });
    }
    Ok(())
}

fn unknown(
    text: &str,
    part: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    known: &toml::Table,
) -> PolicyError {
    let full = |name: &str| {
        if part.is_empty() { name.to_owned() } else { format!("{part}.{name}") }
    };
    let name = key.get_ref().as_ref();
    PolicyError::UnknownKey {
        line: line(text, key.span().start),
        key: full(name),
        nearest: nearest(name, known.keys().map(String::as_str)).map(full),
    }
}

/// The error of a value, under the innermost key whose value it lies in.
fn value_error(text: &str, table: &DeTable<'_>, error: &toml::de::Error) -> PolicyError {
    let at = error.span().map_or(0, |span| span.start);
    let mut key = String::new();
    let mut inside = Some(table);
    while let Some(table) = inside.take() {
        let holder = table.iter().find(|(_, value)| {
            // The span of a table is its header only, or its braces; its keys lie wherever they were written.
            value.span().contains(&at) || contains(value.get_ref(), at)
        });
        if let Some((name, value)) = holder {
            key = if key.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{key}.{}", name.get_ref())
            };
            inside = match value.get_ref() {
                DeValue::Table(inner) => Some(inner),
                _ => None,
            };
        }
    }
    PolicyError::Value {
        line: Some(line(text, at)),
        key: if key.is_empty() { "the policy".to_owned() } else { key },
        problem: format!("is wrong: {}", error.message()),
    }
}

fn contains(value: &DeValue<'_>, at: usize) -> bool {
    match value {
        DeValue::Table(table) => table.iter().any(|(key, value)| {
            key.span().contains(&at) || value.span().contains(&at) || contains(value.get_ref(), at)
        }),
        _ => false,
    }
}

fn line_of(text: &str, table: &DeTable<'_>, key: &str) -> Option<usize> {
    let at = match key.split_once('.') {
        None => table.get_key_value(key)?.0.span().start,
        Some((part, key)) => match table.get(part)?.get_ref() {
            DeValue::Table(inner) => inner.get_key_value(key)?.0.span().start,
            _ => return None,
        },
    };
    Some(line(text, at))
}

/// The line that a byte is on, counted from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::StepKind;
    use crate::policy::grants::Autonomy;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_policy_is_the_default_one() {
        assert_eq!(parse("").unwrap(), PolicySettings::default());
    }

    #[test]
    fn what_is_written_is_read() {
        let text = "pause_files = []\n[autonomy]\noracle = \"act\"\n\"oracle.terminate\" = \"approve\"\n\
                    [cooldown]\ntarget = \"1min\"\n[confidence]\nhigh = 1\n[protect]\nuid = [0]\n";
        let settings = parse(text).unwrap();
        assert!(settings.pause_files.is_empty());
        assert_eq!(settings.autonomy.level("oracle", StepKind::Terminate), Autonomy::Approve);
        assert_eq!(settings.autonomy.level("oracle", StepKind::Freeze), Autonomy::Act);
        assert_eq!(settings.cooldown.target, Duration::from_secs(60));
        assert_eq!(settings.confidence.high.get(), 1.0);
        assert_eq!(settings.protect.uid, [0]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
        assert_eq!(
            refusal("\n[cooldown]\ntarget = \"1s\"\nkidn = \"1s\""),
            "line 4: there is no cooldown.kidn; did you mean cooldown.kind?"
        );
        assert_eq!(refusal("\n[bugdet]"), "line 2: there is no bugdet; did you mean budget?");
        assert_eq!(refusal("qqq = 1"), "line 1: there is no qqq");
        assert_eq!(
            refusal("[autonomy]\ndefualt = \"act\""),
            "line 2: there is no autonomy.defualt; did you mean autonomy.default?"
        );
        let kind = refusal("[autonomy]\n\"oracle.terminat\" = \"act\"");
        assert!(kind.contains("did you mean oracle.terminate?"), "{kind}");
        let table = refusal("[autonomy]\noracle.freeze = \"act\"");
        assert!(table.starts_with("line 2: autonomy.oracle is a table"), "{table}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_its_range_and_what_was_found() {
        for (text, parts) in [
            ("[budget]\n\nsteps = 9999", ["line 3: budget.steps", "from 0 to 1000", "9999"]),
            ("[budget]\nsteps = -1", ["line 2: budget.steps", "u32", "-1"]),
            ("[cooldown]\nkind = \"2h\"", ["line 2: cooldown.kind", "from 0s to 1h", "2h"]),
            ("[cooldown]\nkind = \"soon\"", ["line 2: cooldown.kind", "250ms", "soon"]),
            ("[cooldown]\nkind = 5", ["line 2: cooldown.kind", "string", "5"]),
            ("[confidence]\nhigh = 1.5", ["line 2: confidence.high", "from 0 to 1", "1.5"]),
            (
                "[confidence]\nlow = 0.9",
                ["line 2: confidence.low", "at most confidence.medium", "0.9"],
            ),
            ("[blast_radius]\nmemory = nan", ["line 2: blast_radius.memory", "from 0 to 1", "NaN"]),
            ("[permit]\nlifetime = \"5s\"", ["line 2: permit.lifetime", "from 10ms to 1s", "5s"]),
            ("pause_files = [\"x\"]", ["line 1: pause_files", "absolute", "x"]),
            ("[protect]\ncomm = [\"a\", \"\"]", ["line 2: protect.comm", "1 to 256 bytes", "0"]),
            ("[autonomy]\noracle = \"atc\"", ["autonomy", "act", "atc"]),
            ("autonomy = 5", ["line 1: autonomy", "map", "5"]),
            ("budget.steps = true", ["line 1: budget.steps", "u32", "true"]),
        ] {
            let refusal = refusal(text);
            for part in parts {
                assert!(refusal.contains(part), "{text:?}: {refusal:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        assert!(refusal("\n\n[budget\n").starts_with("line 3: "), "{}", refusal("\n\n[budget\n"));
        assert!(refusal("a = 1\na = 2").starts_with("line 2: "));
    }

    #[test]
    fn settings_are_the_same_after_a_round_trip() {
        let mut settings = PolicySettings::default();
        settings.autonomy = settings.autonomy.with_kind("oracle", StepKind::Kill, Autonomy::Act);
        settings.cooldown.kind = Duration::from_millis(1500);
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<PolicySettings>(&text).unwrap(), settings);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_text_that_looks_like_a_policy_makes_it_panic(
            text in "((\\[|\\[\\[)?(autonomy|protect|budget|cooldown|comm|steps|kind|default|oracle\\.kill|[\"'.])?(\\]|=|\\.)?( |\n|\"5s\"|-?[0-9]{1,30}|\\{|\\}|\\[|nan|1e400|\"*\"|\u{e9})?){0,12}"
        ) {
            let _ = parse(&text);
        }
    }
}
