//! What this process may do (capabilities(7)).

use rustix::thread::{CapabilitySet, capabilities};

/// The effective capabilities that steps need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capabilities(CapabilitySet);

impl Capabilities {
    /// Those of this thread; none if they cannot be read.
    pub(crate) fn ours() -> Self {
        Self(capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective))
    }

    /// True if we have the one with this name.
    pub(crate) fn has(self, name: &str) -> bool {
        CapabilitySet::from_name(name.trim_start_matches("CAP_"))
            .is_some_and(|one| self.0.contains(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_what_proc_says() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let bits = u64::from_str_radix(bits.trim(), 16).unwrap();
        for (name, bit) in [
            ("CAP_KILL", 5),
            ("CAP_SYS_PTRACE", 19),
            ("CAP_SYS_NICE", 23),
            ("CAP_SYS_RESOURCE", 24),
        ] {
            assert_eq!(Capabilities::ours().has(name), bits >> bit & 1 == 1, "{name}");
        }
        assert!(!Capabilities::ours().has("CAP_NO_SUCH"));
    }
}
