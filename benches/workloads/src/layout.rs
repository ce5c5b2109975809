//! Heaps of many layouts.
//!
//! Where a program's blocks happen to lie decides up to 15 % of what some workloads
//! take: a few small blocks more at the start are enough. A contender that makes
//! such blocks of its own would be judged by its luck (Mytkowicz et al., "Producing
//! wrong data without doing anything obviously wrong!", ASPLOS 2009).

use std::hint::black_box;

use crate::Random;

/// Gives the heap another layout each time it is asked.
pub(crate) struct Layouts {
    random: Random,
    kept: Vec<Vec<u8>>,
}

/// Blocks of one step, of which half stay.
const BLOCKS: u64 = 256;

impl Layouts {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            random: Random::seeded(seed),
            kept: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self) {
        let blocks = 1 + self.random.next() % BLOCKS;
        let mut blocks: Vec<Vec<u8>> = (0..blocks)
            .map(|_| black_box(vec![1; 1 + (self.random.next() >> 32) as usize % 1024]))
            .collect();
        blocks.retain(|_| self.random.next() >> 63 != 0);
        self.kept.append(&mut blocks);
    }
}
