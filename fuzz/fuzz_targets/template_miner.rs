//! Lines of any bytes, of two services: the bounds hold, the same line is never news twice, and no long number is in a template.

#![no_main]

use gadget_template::{Miner, MinerSettings, shape_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings =
        MinerSettings { services: 2, templates: 8, all_templates: 12, shapes: 16, alike: 60 };
    let mut miner = Miner::new(settings);
    // A zero ends a line, so that one may have breaks.
    for (i, line) in bytes.split(|&byte| byte == 0).enumerate() {
        let service = i as u32 % 3;
        let first = miner.observe(service, line);
        let again = miner.observe(service, line);
        assert!(!again.new && first.template == again.template);
        assert_eq!(first.shape, shape_of(line));
        let text = miner.template(first.template).map(ToString::to_string).unwrap_or_default();
        assert!(!text.bytes().any(|byte| byte.is_ascii_digit()), "a value is shown: {text}");
        let stats = miner.stats();
        assert!(stats.templates <= 12 && stats.services <= 2);
    }
});
