//! A schema with every kind of field.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Set {
    flag: bool,
    count: u32,
    whole: u64,
    number: f64,
    numbers: [f64; 2],
    time: Duration,
    choice: usize,
    texts: Vec<String>,
}

impl Default for Set {
    fn default() -> Self {
        let time = Duration::from_millis(1_500);
        let (numbers, texts) = ([0.5, 1.0], vec!["a\"|\\\n".to_owned()]);
        Self { flag: true, count: 5, whole: 9, number: 1.0, numbers, time, choice: 1, texts }
    }
}

const SECOND: Duration = Duration::from_secs(1);

static SCHEMA: Schema<Set> = Schema {
    tables: &[
        Table {
            name: "plain",
            about: "Plain values.",
            keys: &[
                Key::new("flag", "A flag.", Field::Flag(|it| &mut it.flag)),
                Key::new("count", "A count.", Field::Count(|it| &mut it.count, 1, 7)),
                Key::new("whole", "A whole.", Field::Whole(|it| &mut it.whole, 1, 1 << 40)),
                Key::later(
                    "number",
                    "A number.",
                    Field::Number(|it| &mut it.number, 0.0, 1.5),
                    "tomorrow",
                ),
            ],
        },
        Table {
            name: "other",
            about: "Others, whose text is so long that it has to be broken between two words so that no line of the file \
                    is longer than lines may be.",
            keys: &[
                Key::new("numbers", "Two.", Field::Numbers(|it| &mut it.numbers, 0.0, 1.0)),
                Key::new(
                    "time",
                    "A time.",
                    Field::Time(|it| &mut it.time, SECOND, SECOND.saturating_mul(60)),
                ),
                Key::new(
                    "choice",
                    "A choice.",
                    Field::Choice(
                        &["red", "blue"],
                        |it| it.choice,
                        |it, choice| it.choice = choice,
                    ),
                ),
                Key::new(
                    "texts",
                    "Texts.",
                    Field::Texts(
                        |it| &mut it.texts,
                        2,
                        |text| {
                            if text.starts_with('a') {
                                Ok(())
                            } else {
                                Err("texts that begin with a")
                            }
                        },
                    ),
                ),
            ],
        },
    ],
    rules: &[|it| {
        let whole = it.whole;
        let problem = || format!("has to be at least plain.count, found {whole}");
        if whole >= u64::from(it.count) { Ok(()) } else { Err(("plain.whole", problem())) }
    }],
};

fn read(text: &str) -> Result<Set, SettingsError> {
    SCHEMA.patch(&Set::default(), text, &["export"])
}

#[test]
fn the_file_has_every_key_and_reads_back_as_what_it_was_made_of() {
    let other = Set { choice: 0, number: 1e-7, whole: 1 << 40, ..Set::default() };
    for set in [Set::default(), other] {
        let file = SCHEMA.file(&set);
        // Everything in the file is said: another base makes no difference.
        let base = Set { flag: false, count: 1, texts: Vec::new(), ..Set::default() };
        assert_eq!(SCHEMA.patch(&base, &file, &[]), Ok(set));
        assert!(file.lines().all(|line| line.len() <= 120), "{file}");
    }
}

#[test]
fn every_key_is_in_the_docs_with_its_default_and_range() {
    let docs = SCHEMA.docs(&Set::default());
    for name in SCHEMA.names() {
        let (_, key) = name.split_once('.').unwrap();
        assert!(docs.contains(&format!("| `{key}` | ")), "{key}: {docs}");
    }
    let number =
        "| `number` | `1.0` | a number from 0 to 1.5 | A number. A change takes effect tomorrow. |";
    assert!(docs.contains(number), "{docs}");
    assert!(docs.contains("\"a\\\"\\|"), "a bar would end the cell: {docs}");
}

#[test]
fn what_is_said_is_set_and_all_else_stays() {
    let base = Set { count: 3, ..Set::default() };
    let set = SCHEMA.patch(&base, "plain.whole = 0x10\n[other]\ntime = \"1min\"\n", &[]);
    let expected = Set { whole: 16, time: SECOND * 60, ..base };
    assert_eq!(set, Ok(expected));
}

#[test]
fn what_is_wrong_is_refused_with_its_line_its_range_and_what_was_found() {
    for (text, refusal) in [
        ("[plain]\ncuont = 5", "line 2: there is no plain.cuont; did you mean plain.count?"),
        ("[plian]", "line 1: there is no plian; did you mean plain?"),
        ("[exprot]", "line 1: there is no exprot; did you mean export?"),
        ("x = 1", "line 1: there is no x"),
        ("plain = 5", "line 1: plain has to be a table"),
        ("[[plain]]", "line 1: plain has to be a table"),
        ("[plain]\nflag = 1", "line 2: plain.flag has to be true or false, found 1"),
        ("[plain]\ncount = 8", "line 2: plain.count has to be a whole number from 1 to 7, found 8"),
        (
            "[plain]\ncount = -1",
            "line 2: plain.count has to be a whole number from 1 to 7, found -1",
        ),
        (
            "[plain]\ncount = 4294967297",
            "line 2: plain.count has to be a whole number from 1 to 7, found 4294967297",
        ),
        (
            "[plain]\nnumber = nan",
            "line 2: plain.number has to be a number from 0 to 1.5, found nan",
        ),
        (
            "[plain]\nnumber = inf",
            "line 2: plain.number has to be a number from 0 to 1.5, found inf",
        ),
        ("[plain]\nwhole = 2", "line 2: plain.whole has to be at least plain.count, found 2"),
        (
            "[other]\nnumbers = [1]",
            "line 2: other.numbers has to be as many numbers as the default, each from 0 to 1, found [1]",
        ),
        (
            "[other]\nnumbers = [1, 2]",
            "line 2: other.numbers has to be as many numbers as the default, each from 0 to 1, found [1.0, 2.0]",
        ),
        (
            "[other]\ntime = 5",
            "line 2: other.time has to be a time from \"1s\" to \"1min\", found 5",
        ),
        (
            "[other]\ntime = \"5ms\"",
            "line 2: other.time has to be a time from \"1s\" to \"1min\", found \"5ms\"",
        ),
        (
            "[other]\nchoice = \"green\"",
            "line 2: other.choice has to be one of \"red\", \"blue\", found \"green\"",
        ),
        (
            "[other]\ntexts = [\"a\", \"b\"]",
            "line 2: other.texts has to hold texts that begin with a, found \"b\"",
        ),
        (
            "[other]\ntexts = [\"a\", \"a\", \"a\"]",
            "line 2: other.texts has to be a list of at most 2 texts, found [\"a\", \"a\", \"a\"]",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), refusal);
    }
    assert!(read("[plain]\n[plain]").unwrap_err().to_string().starts_with("line 2: "));
    assert!(read(&"#".repeat(MAX_TEXT + 1)).is_err());
}

#[test]
fn tables_of_others_are_left_to_them() {
    assert_eq!(read("[export]\nanything = 1"), Ok(Set::default()));
    assert!(SCHEMA.patch(&Set::default(), "[export]", &[]).is_err());
}

#[test]
fn settings_from_code_are_checked_too() {
    let refused = SCHEMA.check(&Set { number: f64::NAN, ..Set::default() }).unwrap_err();
    assert_eq!(refused.to_string(), "plain.number has to be a number from 0 to 1.5, found nan");
}

#[test]
fn what_takes_effect_later_is_told_and_can_be_kept_back() {
    let next = read("[plain]\nnumber = 0.5\ncount = 6").unwrap();
    let changes: Vec<_> =
        SCHEMA.changes(&Set::default(), &next).iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["plain.count 5 -> 6", "plain.number 1.0 -> 0.5, tomorrow"]);
    let now = SCHEMA.at_once(&Set::default(), &next);
    assert_eq!(now, Set { number: 1.0, ..next });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic_and_what_it_takes_prints_back(
        text in "((\\[|\\[\\[)?(plain|other|export|count|numbers|time|choice|texts|[\"'.])?(\\]|=|\\.)?( |\n|\"5s\"|-?[0-9]{1,30}|\\{|\\}|\\[|nan|1e400|\"a*\"|\u{e9})?){0,12}"
    ) {
        if let Ok(set) = read(&text) {
            prop_assert_eq!(read(&SCHEMA.file(&set)), Ok(set));
        }
    }
}
