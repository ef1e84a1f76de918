//! The documented policy file against the code.

use gadget_core::{Policy, PolicyError, PolicySettings, StepKind};

const REFERENCE: &str = include_str!("../policy.toml");

#[test]
fn the_reference_holds_the_defaults() {
    let policy = Policy::from_toml(REFERENCE).unwrap();
    assert_eq!(*policy.settings(), PolicySettings::default());
}

#[test]
fn the_reference_documents_every_key_and_no_other() {
    let keys = |table: &toml::Table| {
        let mut keys = Vec::new();
        for (key, value) in table {
            keys.push(key.clone());
            if let Some(inner) = value.as_table() {
                keys.extend(inner.keys().map(|name| format!("{key}.{name}")));
            }
        }
        keys
    };
    let known = keys(&toml::Table::try_from(PolicySettings::default()).unwrap());
    assert!(known.len() > 25, "{known:?}");
    assert_eq!(keys(&toml::from_str(REFERENCE).unwrap()), known);

    let lines: Vec<&str> = REFERENCE.lines().collect();
    for pair in lines.windows(2) {
        let says_something = !pair[1].is_empty() && !pair[1].starts_with('#');
        assert!(!says_something || pair[0].starts_with("# "), "{:?} has no comment", pair[1]);
    }
}

#[test]
fn the_reference_names_every_kind_of_step_under_its_risk() {
    let text = REFERENCE.replace("\n# ", " ");
    let of = |from: &str, to: &str| {
        let start = text.find(from).unwrap() + from.len();
        let names = text[start..start + text[start..].find(to).unwrap()].trim_end_matches('.');
        names
            .split(',')
            .map(|name| name.trim().trim_end_matches('.').to_owned())
            .collect::<Vec<_>>()
    };
    let documented = [
        of("Steps of low risk: ", ". Of medium"),
        of("Of medium risk: ", ". Of high"),
        of("Of high risk: ", ".\n"),
    ];
    for &kind in StepKind::ALL {
        let names = &documented[kind.risk() as usize];
        assert!(names.iter().any(|name| name == kind.name()), "{kind} is not in {names:?}");
    }
    assert_eq!(documented.iter().map(Vec::len).sum::<usize>(), StepKind::ALL.len());
}

#[test]
fn the_examples_in_the_comments_are_good() {
    let example = "[autonomy]\noracle = \"act\"\n\"oracle.terminate\" = \"approve\"\n";
    for line in example.lines().skip(1) {
        assert!(REFERENCE.contains(&format!("#   {line}\n")), "{line}");
    }
    Policy::from_toml(example).unwrap();
    for list in REFERENCE.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(": [")) {
        Policy::from_toml(&format!("[protect]\ncomm = [{}", list.1)).unwrap();
    }
}

#[test]
fn a_missing_or_broken_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.toml");
    assert!(matches!(Policy::load(&path), Err(PolicyError::Read { .. })));
    std::fs::write(&path, "[budget]\nstep = 5\n").unwrap();
    let error = Policy::load(&path).unwrap_err();
    assert!(error.to_string().contains("policy.toml"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "line 2: there is no budget.step; did you mean budget.steps?");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(Policy::load(&path), Err(PolicyError::Read { .. })));
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(matches!(Policy::load(&path), Err(PolicyError::Read { .. })));
    std::fs::write(&path, REFERENCE).unwrap();
    Policy::load(&path).unwrap();
}
