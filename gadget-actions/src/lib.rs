//! Action backends: real effects on a Linux host, each with its undo.
