//! The Oracle foresees out of memory, on the host and in every cgroup with a limit.
