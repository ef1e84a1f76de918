//! The vocabulary, traits, policy, ledger and agent that every gadget stands on.
