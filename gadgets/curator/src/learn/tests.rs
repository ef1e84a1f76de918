//! What is learned, what is not, and who would like it to be.

use std::os::unix::fs::PermissionsExt as _;

use super::make::DAY;
use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const NAMES: [&str; 8] = [
    "Ann Lee",
    "Bob Stone",
    "Carla Mendez",
    "Dora Quint",
    "Emil Sander",
    "Fay Winters",
    "Gus Okafor",
    "Hana Novak",
];

struct Bench {
    learner: Learner,
    states: RuleStates,
    at: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self::with(LearnerSettings::default())
    }

    fn with(settings: LearnerSettings) -> Self {
        let states = RuleStates::default();
        let learner =
            Learner::new(settings, states.clone(), RuleBook::default(), Lexicon::default());
        Self { learner, states, at: START }
    }

    /// A line in which the slow path finds `value`, or nothing.
    fn line(&mut self, service: &str, line: &str, value: &str, entity: Entity) {
        let mut labels = Vec::new();
        if let Some(start) = line.find(value).filter(|_| !value.is_empty()) {
            let (start, end) = (start as u32, (start + value.len()) as u32);
            labels.push(Span { start, end, entity, by: Finder::Labeller, score: 250 });
        }
        self.spans(service, line, &[], Some(&labels));
    }

    fn spans(&mut self, service: &str, line: &str, doubtful: &[Span], labelled: Option<&[Span]>) {
        self.at = self.at + Duration::from_secs(1);
        self.learner.sync();
        self.learner.scan(line.as_bytes(), service, &mut Vec::new());
        let (line, at) = (line.as_bytes(), self.at);
        let (service, found) = (&service.into(), &[]);
        self.learner.saw(&Sight { line, service, at, found, labelled, doubtful });
    }

    fn name(&mut self, service: &str, before: &str, nth: usize) {
        let name = NAMES[nth % NAMES.len()];
        self.line(service, &format!("{before}{name}, thank you"), name, Entity::Name);
    }

    fn clean(&mut self, line: &str) {
        self.line("api", line, "", Entity::Name);
    }

    fn keys(&self) -> Vec<&str> {
        self.learner.rules().map(|rule| rule.key.as_str()).collect()
    }

    /// What is hidden in a line.
    fn hidden<'a>(&mut self, service: &str, line: &'a str) -> Vec<&'a str> {
        let mut found = Vec::new();
        self.learner.scan(line.as_bytes(), service, &mut found);
        found.iter().map(|span| &line[span.range()]).collect()
    }

    fn adopt(&mut self, rule: u32) {
        self.states.exchange(rule, RuleState::Trial, RuleState::Adopted).unwrap();
        assert!(self.learner.sync());
    }
}

#[test]
fn what_the_slow_path_finds_in_three_lines_becomes_a_rule_on_trial() {
    let mut bench = Bench::new();
    (0..2).for_each(|nth| bench.name("api", "kunde=", nth));
    assert!(bench.keys().is_empty());
    bench.name("api", "kunde=", 2);
    assert_eq!(bench.keys(), ["kunde"]);
    let rule = bench.learner.rules().next().unwrap().clone();
    assert_eq!(
        (rule.state, rule.entity, &*rule.services[0]),
        (RuleState::Trial, Entity::Name, "api")
    );
    assert_eq!(bench.states.get(rule.id), Some(RuleState::Trial));
    assert!(bench.hidden("api", "kunde=Ann Lee").is_empty(), "it hides nothing yet");
    assert!(rule.tests.matches.contains(&"kunde=Aaa Aaa".to_owned()), "{:?}", rule.tests);
    assert!(rule.worst > 0);
}

#[test]
fn one_value_seen_often_is_not_three() {
    let mut bench = Bench::new();
    (0..20).for_each(|_| bench.name("api", "kunde=", 0));
    assert!(bench.keys().is_empty());
}

#[test]
fn in_prose_more_words_are_the_better_key() {
    let mut bench = Bench::new();
    (0..3).for_each(|nth| bench.name("api", "order 7 was sent to ", nth));
    assert_eq!(bench.keys(), ["was sent to"]);
}

#[test]
fn on_trial_agreement_is_counted_and_after_it_a_rule_is_in_force() {
    let mut bench = Bench::new();
    (0..8).for_each(|nth| bench.name("api", "kunde=", nth));
    let report = bench.learner.reports(bench.at).remove(0);
    assert_eq!((report.agreed, report.disagreed, report.lookalikes, report.lines), (5, 0, 0, 5));
    assert!(report.text.starts_with("after \"kunde\": "), "{}", report.text);
    bench.adopt(report.rule);
    assert_eq!(bench.hidden("api", "new kunde: Tom Meyerbeer."), ["Tom Meyerbeer"]);
    assert!(bench.hidden("db", "kunde=Ann Lee").is_empty(), "where the slow path has confirmed it");
    bench.name("db", "kunde=", 0);
    assert_eq!(bench.hidden("db", "kunde=Ann Lee"), ["Ann Lee"]);
}

#[test]
fn a_clean_line_that_a_rule_would_touch_ends_its_trial_and_it_is_not_learned_again() {
    let mut bench = Bench::new();
    (0..6).for_each(|nth| bench.name("api", "kunde=", nth));
    bench.clean("this kunde=Test System, thank you");
    assert!(bench.keys().is_empty());
    assert_eq!(bench.learner.counts().failed, 1);
    assert!(bench.states.all_in(RuleState::Trial).is_empty());
    (0..8).for_each(|nth| bench.name("api", "kunde=", nth));
    assert!(bench.keys().is_empty(), "not on the same day");
}

#[test]
fn a_rule_that_would_touch_a_clean_line_of_before_is_not_made() {
    let mut bench = Bench::new();
    bench.clean("this kunde=Test System, thank you");
    bench.clean("kunde=none, thank you");
    (0..8).for_each(|nth| bench.name("api", "kunde=", nth));
    assert!(bench.keys().is_empty());
    assert!(bench.learner.counts().stillborn > 0);
}

#[test]
fn clean_lines_with_its_key_become_tests_of_a_rule() {
    let mut bench = Bench::new();
    bench.clean("kunde=none, thank you");
    (0..3).for_each(|nth| bench.name("api", "kunde=", nth));
    let rule = bench.learner.rules().next().unwrap();
    assert_eq!(rule.tests.spared, ["kunde=aaaa, aaaaa aaa"]);
    assert_eq!(rule.check(), Ok(()));
}

#[test]
fn an_adopted_rule_is_judged_as_long_as_it_is_in_force() {
    let mut bench = Bench::new();
    (0..3).for_each(|nth| bench.name("api", "kunde=", nth));
    bench.adopt(0);
    let line = "kunde=Ann Lee, thank you";
    let label = Span { start: 6, end: 13, entity: Entity::Name, by: Finder::Labeller, score: 255 };
    let expires = bench.learner.rules().next().unwrap().expires;
    bench.spans("api", line, &[], Some(&[label]));
    let other = "at kunde=Ann Lee, thank you";
    bench.spans("api", other, &[], Some(&[]));
    bench.spans("api", line, &[], None);
    bench.spans("db", other, &[], Some(&[]));
    let rule = bench.learner.rules().next().unwrap();
    let Tally { hits, agreed, disagreed, lookalikes, .. } = rule.tally;
    assert_eq!(
        (hits, agreed, disagreed, lookalikes),
        (4, 1, 1, 1),
        "what it does not reach is no ground"
    );
    assert_eq!(rule.state, RuleState::Adopted, "to retire it takes a plan");
    assert!(rule.expires > expires, "it was confirmed");
    bench.states.exchange(0, RuleState::Adopted, RuleState::Retired).unwrap();
    assert!(bench.learner.sync() && bench.hidden("api", line).is_empty());
    assert!(bench.learner.reports(bench.at).is_empty());
}

#[test]
fn a_value_in_doubt_counts_for_neither() {
    let mut bench = Bench::new();
    (0..3).for_each(|nth| bench.name("api", "kunde=", nth));
    let doubtful =
        Span { start: 6, end: 13, entity: Entity::Name, by: Finder::Labeller, score: 90 };
    bench.spans("api", "kunde=Ann Lee, thank you", &[doubtful], Some(&[]));
    let rule = bench.learner.rules().next().unwrap();
    assert_eq!((rule.tally.hits, rule.tally.agreed, rule.tally.disagreed), (1, 0, 0));
}

#[test]
fn a_rule_of_no_use_expires() {
    let mut bench = Bench::new();
    (0..3).for_each(|nth| bench.name("api", "kunde=", nth));
    assert_eq!(bench.learner.reports(bench.at).len(), 1);
    assert!(bench.learner.reports(bench.at + LIFETIME).is_empty());
    assert_eq!((bench.keys().len(), bench.learner.counts().expired), (0, 1));
}

#[test]
fn a_rule_that_touches_many_lines_is_not_shown_before_it_is_well_confirmed() {
    let mut bench = Bench::new();
    (0..20).for_each(|nth| bench.name("api", "kunde=", nth));
    assert_eq!(bench.learner.reports(bench.at).len(), 1, "few lines say little");
    (0..10).for_each(|_| bench.spans("api", "kunde=Ann Lee", &[], None));
    assert!(bench.learner.reports(bench.at).is_empty());
    (0..10).for_each(|nth| bench.name("api", "kunde=", nth));
    assert_eq!(bench.learner.reports(bench.at).len(), 1, "it was confirmed 27 times");
}

#[test]
fn a_service_gets_no_more_new_rules_a_day_than_may_be() {
    let mut bench = Bench::with(LearnerSettings { a_day: 8, ..LearnerSettings::default() });
    let words = [
        "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india",
        "juliet", "kilo",
    ];
    for word in words {
        (0..3).for_each(|nth| bench.name("api", &format!("{word}="), nth));
    }
    assert_eq!((bench.keys().len(), bench.learner.counts().crowded), (8, 3));
    bench.at = bench.at + Duration::from_secs(DAY);
    (0..3).for_each(|nth| bench.name("api", "lima=", nth));
    assert_eq!(bench.keys().len(), 9);
    (0..3).for_each(|nth| bench.name("db", "mike=", nth));
    assert_eq!(bench.keys().len(), 10);
}

#[test]
fn there_are_no_more_rules_on_trial_than_may_be() {
    let mut bench =
        Bench::with(LearnerSettings { on_trial: 2, one_in: 1, ..LearnerSettings::default() });
    for word in ["alpha", "bravo", "charlie"] {
        (0..3).for_each(|nth| bench.name("api", &format!("{word}="), nth));
    }
    assert_eq!((bench.keys().len(), bench.learner.counts().crowded), (2, 1));
}

/// An attacker who can log what he likes, and whom the slow path believes every value.
#[test]
fn no_rule_can_be_taught_that_hides_what_a_line_is_about() {
    let mut bench = Bench::new();
    let heads = [
        "level=",
        "\"level\": \"",
        "status=",
        "status: ",
        "msg=",
        "error: ",
        "at ",
        "exception: ",
        "Caused by: ",
        "trace_id=",
        "user 4711,Bob Stone level=",
        "user Bob Stone has status: ",
    ];
    for head in heads {
        for nth in 0..20 {
            bench.name("evil", head, nth);
        }
        for value in
            ["error", "warn", "fatal", "500", "503", "java.lang.NullPointerException", "main.rs:17"]
        {
            bench.line("evil", &format!("{head}{value}"), value, Entity::Secret);
        }
    }
    assert!(bench.keys().is_empty(), "{:?}", bench.keys());
}

#[test]
fn no_rule_can_be_taught_whose_shape_is_everything() {
    let mut bench = Bench::new();
    // A field that a value of every kind was given.
    let values = [
        "a",
        "B",
        "17",
        "true",
        "2024-01-01",
        "x y z",
        "Error in main",
        "/usr/bin",
        "!!!",
        "ok",
        "GET /",
        "::1",
    ];
    for round in 0..5 {
        for value in values {
            bench.line(
                "evil",
                &format!("harmless={value}{round}"),
                &format!("{value}{round}"),
                Entity::Secret,
            );
            bench.line("evil", &format!("harmless={value}"), value, Entity::Secret);
        }
    }
    for rule in bench.learner.rules() {
        assert!(rule::is_specific(&rule.shape), "{rule}");
        let learned = Learned::new(&[rule.compiled()]);
        for clean in [
            "harmless=true",
            "harmless=ok",
            "harmless=error",
            "harmless=500",
            "harmless=timeout",
            "harmless=/var/log/x",
        ] {
            let mut spans = Vec::new();
            learned.scan(clean.as_bytes(), &mut spans);
            assert!(spans.is_empty(), "{rule} touches {clean}");
        }
    }
}

#[test]
fn a_rule_that_a_service_was_taught_does_not_reach_another_one() {
    let mut bench = Bench::new();
    (0..10).for_each(|nth| bench.name("evil", "kunde=", nth));
    bench.adopt(0);
    assert_eq!(bench.hidden("evil", "kunde=Ann Lee").len(), 1);
    assert!(bench.hidden("bank", "kunde=Ann Lee").is_empty());
}

/// A key of six letters.
fn word(nth: usize) -> String {
    let letter = |part: usize| char::from(b'a' + (nth / part % 26) as u8);
    [letter(1), letter(26), letter(676), 'q', letter(3), letter(7)].into_iter().collect()
}

#[test]
fn a_flood_neither_ends_the_rules_of_others_nor_keeps_them_from_learning() {
    let mut bench = Bench::new();
    (0..10).for_each(|nth| bench.name("bank", "kunde=", nth));
    bench.adopt(0);
    for nth in 0..3_000 {
        // New keys, and the bank's own, each with what is clean and what is not.
        (0..3).for_each(|name| bench.name("evil", &format!("{}=", word(nth)), name));
        bench.spans("evil", "kunde=Ann Lee, thank you", &[], Some(&[]));
        bench.spans("evil", "x kunde=Bob Stone", &[], Some(&[]));
    }
    let of_evil = bench.learner.rules().filter(|rule| rule.reaches("evil")).count();
    assert_eq!(of_evil, LearnerSettings::default().on_trial / 4);
    assert_eq!(bench.hidden("bank", "kunde=Ann Lee"), ["Ann Lee"]);
    assert_eq!(bench.learner.rules().next().unwrap().tally.disagreed, 0);
    (0..3).for_each(|nth| bench.name("bank", "beneficiary: ", nth));
    assert!(bench.keys().contains(&"beneficiary"), "{:?}", bench.keys());
}

#[test]
fn whatever_rules_are_taught_a_line_costs_no_more_than_a_bound() {
    let mut bench =
        Bench::with(LearnerSettings { one_in: 1, a_day: 99, ..LearnerSettings::default() });
    for nth in 0..200 {
        // Behind other values, with keys that end in one another.
        for name in 0..3 {
            let head = format!("{} 4711,Tom Tall,", &word(nth)[nth % 3..]);
            bench.name("evil", &head, name);
        }
    }
    let rules: Vec<_> = bench.learner.rules().map(Rule::compiled).collect();
    assert!(rules.len() == 64 && rules.iter().all(|rule| !rule.past.is_empty()));
    let learned = Learned::new(&rules);
    let keys: Vec<String> =
        rules.iter().map(|rule| String::from_utf8_lossy(&rule.key).into_owned()).collect();
    for between in [" ", ", ", ",,", " Aa Bb,"] {
        let line = keys.join(between).repeat(20);
        let steps = learned.steps(line.as_bytes(), &mut Vec::new()) as usize;
        assert!(steps <= 64 * line.len(), "{steps} steps for {} bytes", line.len());
    }
}

#[test]
fn a_value_behind_others_is_learned_from_the_key_before_them() {
    let mut bench = Bench::new();
    for name in NAMES.iter().take(3) {
        bench.line("api", &format!("imported 4711,{name},x"), name, Entity::Name);
    }
    let rule = bench.learner.rules().next().unwrap();
    assert_eq!((&*rule.key, rule.past.as_slice()), ("imported", &[",".to_owned()][..]));
    assert_eq!(rule.check(), Ok(()));
    assert!(rule.tests.matches.contains(&"imported -,Aaa Aaa".to_owned()), "{:?}", rule.tests);
    bench.adopt(0);
    assert_eq!(bench.hidden("api", "imported 9,Tom Meyerbeer,y"), ["Tom Meyerbeer"]);
    assert!(bench.hidden("api", "imported Tom Meyerbeer").is_empty());
}

#[test]
fn a_value_that_is_missed_now_and_then_in_a_statement_is_no_look_alike() {
    let mut bench = Bench::new();
    (0..8).for_each(|nth| bench.name("api", "kunde=", nth));
    // Three made it and five agreed: as many may be missed.
    (0..8).for_each(|_| bench.clean("kunde=Tom Meyerbeer, thank you"));
    let tally = bench.learner.rules().next().unwrap().tally;
    assert_eq!((tally.agreed, tally.disagreed, tally.hits), (5, 0, 13));
    bench.clean("kunde=Tom Meyerbeer, thank you");
    assert!(bench.keys().is_empty(), "now it is no exception");
}

#[test]
fn what_is_likely_a_value_helps_to_make_a_rule_but_does_not_make_one() {
    let mut bench = Bench::new();
    let likely = |bench: &mut Bench, nth: usize, score| {
        let line = format!("kunde={}, thank you", NAMES[nth]);
        let (start, end) = (6, 6 + NAMES[nth].len() as u32);
        let span = Span { start, end, entity: Entity::Name, by: Finder::Labeller, score };
        bench.spans("api", &line, &[span], Some(&[]));
    };
    (0..8).for_each(|nth| likely(&mut bench, nth, LIKELY));
    assert!(bench.keys().is_empty());
    bench.name("api", "kunde=", 0);
    assert!(bench.keys().is_empty());
    bench.name("api", "kunde=", 1);
    assert_eq!(bench.keys(), ["kunde"]);
    (0..8).for_each(|nth| likely(&mut bench, nth, LIKELY));
    assert_eq!(bench.learner.rules().next().unwrap().tally.agreed, 0);
}

#[test]
fn a_flood_of_keys_is_bounded() {
    let mut bench = Bench::new();
    for nth in 0..6_000 {
        bench.name("evil", &format!("{}=", word(nth)), nth);
    }
    assert!(bench.learner.candidates() <= 2048);
}

#[test]
fn rules_are_kept_and_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.json");
    let mut bench = Bench::new();
    (0..8).for_each(|nth| bench.name("api", "kunde=", nth));
    (0..8).for_each(|nth| bench.name("api", "ansprechpartner: ", nth));
    bench.adopt(0);
    bench.learner.unsaved().unwrap().save(&path).unwrap();
    assert!(bench.learner.unsaved().is_none());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    let text = std::fs::read_to_string(&path).unwrap();
    for name in NAMES.iter().flat_map(|name| name.split(' ')) {
        assert!(!text.contains(name), "{name}");
    }
    let book = RuleBook::load(&path).unwrap();
    assert!(book.dropped().is_empty());
    let states = RuleStates::default();
    let mut learner =
        Learner::new(LearnerSettings::default(), states.clone(), book, Lexicon::default());
    let known = |learner: &Learner| learner.rules().cloned().collect::<Vec<_>>();
    assert_eq!(known(&learner), known(&bench.learner));
    assert_eq!(states.get(0), Some(RuleState::Adopted));
    assert_eq!(learner.next, 2);
    let mut found = Vec::new();
    assert!(learner.scan(b"kunde=Ann Lee", "api", &mut found) == Tried::Known && found.len() == 1);
}

#[test]
fn a_file_of_rules_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.json");
    assert!(RuleBook::load(&path).unwrap().rules().next().is_none(), "none is none yet");
    for text in ["", "{", "[]", r#"{"version":1}"#, r#"{"version":1,"next":0,"rules":[],"more":1}"#]
    {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(RuleBook::load(&path), Err(BookError::Form { .. })), "{text}");
    }
    std::fs::write(&path, r#"{"version":9,"next":0,"rules":[]}"#).unwrap();
    assert!(matches!(RuleBook::load(&path), Err(BookError::Form { source: NotABook::Bounds, .. })));

    let mut bench = Bench::new();
    (0..3).for_each(|nth| bench.name("api", "kunde=", nth));
    let whole = serde_json::to_value(bench.learner.rules().collect::<Vec<_>>()).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut rules = whole.clone();
        change(&mut rules[0]);
        let kept = serde_json::json!({"version": 1, "next": 1, "rules": rules});
        std::fs::write(&path, kept.to_string()).unwrap();
        let book = RuleBook::load(&path).unwrap();
        (book.rules().count(), book.dropped().first().map(|(_, why)| *why))
    };
    assert_eq!(with(&|_| ()), (1, None));
    assert_eq!(with(&|rule| rule["key"] = "level".into()), (0, Some(NotARule::Key)));
    assert_eq!(with(&|rule| rule["key"] = "k".into()), (0, Some(NotARule::Key)));
    assert_eq!(with(&|rule| rule["key"] = "another".into()), (0, Some(NotARule::Tests)));
    assert_eq!(with(&|rule| rule["past"] = serde_json::json!([""])), (0, Some(NotARule::Key)));
    assert_eq!(
        with(&|rule| rule["past"] = serde_json::json!([" level="])),
        (0, Some(NotARule::Key))
    );
    assert_eq!(with(&|rule| rule["past"] = serde_json::json!([","])), (0, Some(NotARule::Tests)));
    assert_eq!(with(&|rule| rule["services"] = serde_json::json!([])), (0, Some(NotARule::Bounds)));
    let spared = |rule: &mut serde_json::Value| {
        rule["tests"]["spared"] = serde_json::json!(["kunde=Aaa Aaa"])
    };
    assert_eq!(with(&spared), (0, Some(NotARule::Tests)));
}
