//! `/proc/PID/cgroup`: a path that is accepted begins with `/` and stands in the text.

#![no_main]

use std::path::Path;

use gadget_core::CgroupVersion;
use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for version in [CgroupVersion::V1, CgroupVersion::V2] {
        if let Ok(Some(path)) = parse::membership(text, Path::new("cgroup"), version) {
            assert!(path.starts_with('/') && !path.contains('\n'));
        }
    }
});
