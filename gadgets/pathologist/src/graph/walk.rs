//! Following the owners.

use super::{End, Node};

/// What following every chain of owners came to.
pub(super) struct Walk {
    pub(super) cycles: Vec<Vec<u32>>,
    pub(super) ends: Vec<End>,
}

const UNSEEN: u32 = u32::MAX;

impl Walk {
    /// Follows every thread's owners. Each thread is stepped on once and its chain's end noted, so that the work is in
    /// proportion to the threads.
    pub(super) fn over(nodes: &[Node]) -> Self {
        let count = nodes.len() as u32;
        let mut walk = Self { cycles: Vec::new(), ends: (0..count).map(End::Thread).collect() };
        // On the walk from which node each one was stepped on.
        let mut stepped = vec![UNSEEN; nodes.len()];
        let mut path = Vec::new();
        for start in 0..count {
            path.clear();
            let mut at = start;
            let end = loop {
                if stepped[at as usize] == start {
                    break walk.close(nodes, &path, at);
                }
                if stepped[at as usize] != UNSEEN {
                    break walk.ends[at as usize];
                }
                stepped[at as usize] = start;
                path.push(at);
                match nodes[at as usize].waits.as_ref().map(|edge| edge.to) {
                    Some(Some(owner)) => at = owner,
                    Some(None) => break End::Unseen(at),
                    None => break End::Thread(at),
                }
            };
            for &at in &path {
                walk.ends[at as usize] = end;
            }
        }
        walk
    }

    /// The path has come back to `at`.
    fn close(&mut self, nodes: &[Node], path: &[u32], at: u32) -> End {
        let from = path.iter().position(|&other| other == at).unwrap_or(0);
        let mut cycle = path[from..].to_vec();
        let first = (0..cycle.len()).min_by_key(|&place| nodes[cycle[place] as usize].id);
        cycle.rotate_left(first.unwrap_or(0));
        self.cycles.push(cycle);
        End::Cycle(self.cycles.len() as u32 - 1)
    }
}
