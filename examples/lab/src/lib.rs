//! Real memory incidents, staged in cgroups of their own.
