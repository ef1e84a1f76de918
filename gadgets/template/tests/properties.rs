//! What holds for any line.

use gadget_template::{Miner, MinerSettings, shape_of};
use proptest::prelude::*;

/// Lines as programs write them, with all that the reader knows: brackets, quotes, keys, numbers, breaks.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,9}",
        "[0-9a-f]{1,12}",
        Just("failed".to_owned()),
        Just("msg=".to_owned()),
        Just("\"msg\":\"".to_owned()),
        "[\\[\\](){}\"'=:,;/ \\n\\\\]{1,3}",
        "\\PC{1,3}",
        Just("Exception: ".to_owned()),
        Just("\tat a.b.C(".to_owned()),
    ];
    prop::collection::vec((piece, prop::bool::ANY), 0..60).prop_map(|pieces| {
        pieces
            .into_iter()
            .fold(String::new(), |all, (piece, space)| all + &piece + if space { " " } else { "" })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_line_is_no_news_twice(lines in prop::collection::vec(line(), 1..20)) {
        let mut miner = Miner::new(MinerSettings::default());
        for line in &lines {
            let first = miner.observe(1, line.as_bytes());
            let again = miner.observe(1, line.as_bytes());
            prop_assert!(!again.new);
            prop_assert_eq!(first.template, again.template);
            prop_assert_eq!(first.shape, shape_of(line.as_bytes()));
        }
    }

    #[test]
    fn numbers_in_the_same_place_are_neither_news_nor_shown(line in line(), a in 1_000_000u32.., b in 1_000_000u32..) {
        let (one, two) = (format!("{line} job {a} ended"), format!("{line} job {b} ended"));
        prop_assert_eq!(shape_of(one.as_bytes()), shape_of(two.as_bytes()));
        let mut miner = Miner::new(MinerSettings::default());
        let seen = miner.observe(1, one.as_bytes());
        prop_assert!(!miner.observe(1, two.as_bytes()).new);
        let text = miner.template(seen.template).map(ToString::to_string).unwrap_or_default();
        prop_assert!(!text.contains(&a.to_string()), "{}", text);
    }

    #[test]
    fn lines_of_one_shape_have_one_template(line in line(), ids in prop::collection::vec("[0-9]{1,9}", 1..6)) {
        let templates: Vec<_> = ids.iter().map(|id| {
            // Each by a miner that knows no shape, so that none is found by its shape.
            let mut miner = Miner::new(MinerSettings::default());
            let seen = miner.observe(1, line.replace('0', id).as_bytes());
            (seen.shape, miner.template(seen.template).map(ToString::to_string))
        }).collect();
        for (shape, template) in &templates {
            if *shape == templates[0].0 {
                prop_assert_eq!(template, &templates[0].1);
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_and_bounds_hold(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6000), 1..6)) {
        let settings = MinerSettings { services: 2, templates: 3, all_templates: 4, shapes: 4, alike: 60 };
        let mut miner = Miner::new(settings);
        for (service, line) in lines.iter().enumerate() {
            let seen = miner.observe(service as u32, line);
            let text = miner.template(seen.template).map(ToString::to_string).unwrap_or_default();
            prop_assert!(text.len() <= 3 * 768 + 3);
            prop_assert!(miner.stats().templates <= 4 && miner.stats().services <= 2);
        }
    }
}
