//! Clean lines, as they are logged here, that no rule may touch.

use std::collections::VecDeque;

/// Lines that are kept...
const LINES: usize = 1024;
/// ...and bytes of each.
const BYTES: usize = 512;

/// The last lines in which neither rules nor the slow path found anything. In memory alone: they are what was logged.
#[derive(Default)]
pub(crate) struct Stock {
    lines: VecDeque<Box<[u8]>>,
}

impl Stock {
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.lines.len() >= LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line[..line.len().min(BYTES)].into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| &**line)
    }
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stock({} lines)", self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_keeps_the_newest_and_prints_no_line() {
        let mut stock = Stock::default();
        for nth in 0..LINES + 10 {
            stock.push(format!("line {nth} {}", "x".repeat(2 * BYTES)).as_bytes());
        }
        assert_eq!(stock.iter().count(), LINES);
        assert!(stock.iter().all(|line| line.len() == BYTES));
        assert!(stock.iter().next().unwrap().starts_with(b"line 10 "));
        assert_eq!(format!("{stock:?}"), "Stock(1024 lines)");
    }
}
