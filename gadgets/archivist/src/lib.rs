//! Keeps the last minutes of every log.
