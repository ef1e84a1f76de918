//! Cgroup paths: an id that is found stands in the path.

#![no_main]

use gadget_signals::container_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(path) = std::str::from_utf8(text)
        && let Some(container) = container_of(path)
    {
        assert!(path.contains(&*container.id));
        assert_eq!(container.pod.is_some(), container.qos.is_some());
    }
});
