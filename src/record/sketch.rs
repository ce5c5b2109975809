//! A sketch of a set of pointers: counts of them by the low bits of their page
//! number. A count of zero says for certain that a pointer is not in the set, at
//! the price of one load.
//!
//! # Atomic orderings
//! Relaxed throughout. A pointer is asked for by its owner, whose own raise
//! happened before: by coherence the count is at least one until it is lowered.

use super::sync::{AtomicU32, Ordering};

/// 32 KiB of counts, touched as they are used.
#[cfg(not(loom))]
const LEN_LOG2: u32 = 13;
#[cfg(loom)]
const LEN_LOG2: u32 = 0;
const LEN: usize = 1 << LEN_LOG2;
const PAGE_LOG2: u32 = 12;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Sketch {
    counts: [AtomicU32; LEN],
}

impl Sketch {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; LEN],
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            counts: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Could this pointer be in the set? False is certain.
    #[inline(always)]
    pub(crate) fn may_contain(&self, key: usize) -> bool {
        self.count_of(key)
            .is_some_and(|count| count.load(Ordering::Relaxed) != 0)
    }

    /// A pointer comes: raised before it is looked for anywhere.
    pub(crate) fn raise(&self, key: usize) {
        if let Some(count) = self.count_of(key) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A pointer that was raised is gone.
    pub(crate) fn lower(&self, key: usize) {
        if let Some(count) = self.count_of(key) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The count that a pointer's page shares with others.
    #[inline(always)]
    fn count_of(&self, key: usize) -> Option<&AtomicU32> {
        self.counts.get((key >> PAGE_LOG2) & LEN.wrapping_sub(1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn says_no_for_certain_and_forgets() {
        let sketch = Sketch::new();
        let pointers = (0..500).map(|i| 0x7F00_0000_0000 + i * 4096 * 17);
        pointers.clone().for_each(|pointer| sketch.raise(pointer));
        assert!(pointers.clone().all(|pointer| sketch.may_contain(pointer)));
        let others = (0..10_000).map(|i| 0x5600_0000_0000 + i * 4096);
        let mistaken = others.filter(|&other| sketch.may_contain(other)).count();
        assert!(mistaken < 1_500, "{mistaken} of 10,000");
        pointers.clone().for_each(|pointer| sketch.lower(pointer));
        assert!(!pointers.clone().any(|pointer| sketch.may_contain(pointer)));
    }
}
