//! Reads files of learned rules: any bytes as a file, and a sound one with any bytes in their place. What is accepted is kept and read
//! back the same, and goes through any line in bounded time.
#![no_main]

use std::sync::Once;

use gadget_curator::learn::{Rule, RuleBook};
use gadget_curator::scan::{CompiledRule, Learned};
use libfuzzer_sys::fuzz_target;

/// One rule after a key, and one for a value behind others.
const SOUND: &str = r#"{"version":1,"next":2,"rules":[
{"id":0,"key":"kunde","shape":[{"class":"upper","least":1,"most":1},{"class":"lower","least":2,"most":20}],"entity":"name",
"services":["api"],"state":"trial","made":1800000003000000000,"expires":1800604803000000000,
"tests":{"matches":["kunde=Aaaa"],"spared":["kunde=aaaa"]},"tally":{"hits":1,"agreed":1,"disagreed":0,"lines":9,"lookalikes":0},"worst":9},
{"id":1,"key":"imported row","past":[",",", "],"shape":[{"class":"digit","least":3,"most":4},{"class":{"sign":45},"least":1,"most":1},
{"class":"token","least":2,"most":20}],"entity":"national-id","services":["api"],"state":"adopted","made":1800000003000000000,
"expires":1800604803000000000,"tests":{"matches":["imported row -, -, 9999-aaa"],"spared":[]},
"tally":{"hits":0,"agreed":0,"disagreed":0,"lines":0,"lookalikes":0},"worst":9}]}"#;

static CHECKED: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    CHECKED.call_once(|| {
        let book = RuleBook::from_json(SOUND.as_bytes()).expect("as it stands it is read");
        assert_eq!((book.rules().count(), book.dropped()), (2, &[][..]));
    });
    read(bytes, bytes);
    let Some((&[high, low, skipped], text)) = bytes.split_first_chunk() else { return };
    let from = usize::from(u16::from_be_bytes([high, low])) % SOUND.len();
    let rest = (from + usize::from(skipped)).min(SOUND.len());
    read(&[&SOUND.as_bytes()[..from], text, &SOUND.as_bytes()[rest..]].concat(), text);
});

fn read(file: &[u8], line: &[u8]) {
    let Ok(book) = RuleBook::from_json(file) else { return };
    assert!(book.rules().all(|rule| rule.check().is_ok()));
    let again =
        RuleBook::from_json(&book.to_json().expect("rules are text")).expect("it was written here");
    assert!(again.rules().eq(book.rules()) && again.dropped().is_empty());
    let compiled: Vec<CompiledRule> = book.rules().map(Rule::compiled).collect();
    let (learned, mut spans) = (Learned::new(&compiled), Vec::new());
    let keyed = compiled.iter().flat_map(|rule| [&*rule.key, b" ", line].concat());
    for line in [line.to_vec(), keyed.collect()] {
        spans.clear();
        let steps = learned.steps(&line, &mut spans) as usize;
        // At each byte a key of each rule may end.
        assert!(steps <= line.len() * compiled.len() * 2 * CompiledRule::REACH, "{steps}");
        assert!(spans.iter().all(|span| span.start < span.end && span.end as usize <= line.len()));
    }
}
