//! Mines templates of log lines.
