//! Where sampled blocks begin: a count for each KiB of a stretch of the address
//! space, which repeats. A count of zero says for certain that a pointer is none of
//! a sampled block, at the price of one load.
//!
//! At the default interval one KiB in 512 has one. The counts of what a program
//! works on are in its caches: a line of them stands for 64 KiB.
//!
//! # Atomic orderings
//! Relaxed throughout. A pointer is asked for by its owner, whose own raise
//! happened before: by coherence the count is at least one until it is lowered.

use super::sync::{AtomicU8, Ordering};

/// 4 MiB of counts, for 4 GiB; they take memory where there are sampled blocks. That
/// the stretch ends with the lower half of an address saves an instruction.
#[cfg(not(loom))]
const LEN_LOG2: u32 = 22;
#[cfg(loom)]
const LEN_LOG2: u32 = 0;
const LEN: usize = 1 << LEN_LOG2;
const KIB_LOG2: u32 = 10;

/// A count that comes this far stays there: nobody knows any more when to lower it.
const STUCK: u8 = u8::MAX;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Sketch {
    counts: [AtomicU8; LEN],
}

impl Sketch {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            counts: [const { AtomicU8::new(0) }; LEN],
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            counts: core::array::from_fn(|_| AtomicU8::new(0)),
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
        self.change(key, |count| count.saturating_add(1));
    }

    /// A pointer that was raised is gone.
    pub(crate) fn lower(&self, key: usize) {
        self.change(key, |count| count.saturating_sub(1));
    }

    fn change(&self, key: usize, to: impl Fn(u8) -> u8) {
        let Some(count) = self.count_of(key) else {
            return;
        };
        let mut now = count.load(Ordering::Relaxed);
        while now != STUCK {
            match count.compare_exchange_weak(now, to(now), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => now = newer,
            }
        }
    }

    /// The count that a pointer's KiB shares with others.
    #[inline(always)]
    fn count_of(&self, key: usize) -> Option<&AtomicU8> {
        self.counts.get((key >> KIB_LOG2) & LEN.wrapping_sub(1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Too large for a stack.
    fn sketch() -> &'static Sketch {
        static SKETCHES: [Sketch; 2] = [const { Sketch::new() }; 2];
        static TAKEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        &SKETCHES[TAKEN.fetch_add(1, Ordering::Relaxed)]
    }

    #[test]
    fn says_no_for_certain_and_forgets() {
        let sketch = sketch();
        let pointers = (0..500).map(|i| 0x7F00_0000_0000 + i * 4096 * 17 + i * 16);
        pointers.clone().for_each(|pointer| sketch.raise(pointer));
        assert!(pointers.clone().all(|pointer| sketch.may_contain(pointer)));
        assert!(
            sketch.may_contain(0x7F00_0000_0008),
            "its KiB is all it knows"
        );
        let others = (0..10_000).map(|i| 0x5600_0010_0000 + i * 4096);
        let mistaken = others.filter(|&other| sketch.may_contain(other)).count();
        assert!(mistaken < 1_000, "{mistaken} of 10,000");
        pointers.clone().for_each(|pointer| sketch.lower(pointer));
        assert!(!pointers.clone().any(|pointer| sketch.may_contain(pointer)));
    }

    #[test]
    fn a_count_at_its_limit_stays_there() {
        let sketch = sketch();
        (0..255).for_each(|i| sketch.raise(0x1000 + i));
        (0..255).for_each(|i| sketch.lower(0x1000 + i));
        assert!(sketch.may_contain(0x1000));
        (0..254).for_each(|i| sketch.raise(0x2000 + i));
        (0..254).for_each(|i| sketch.lower(0x2000 + i));
        assert!(!sketch.may_contain(0x2000));
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Others come and go in the same KiB.
    #[test]
    fn loom_an_owner_is_never_told_no() {
        model(|| {
            let sketch = Arc::new(Sketch::new());
            let others = [1, 2].map(|other| {
                let sketch = Arc::clone(&sketch);
                thread::spawn(move || {
                    sketch.raise(other);
                    assert!(sketch.may_contain(other));
                    sketch.lower(other);
                })
            });
            sketch.raise(3);
            assert!(sketch.may_contain(3));
            sketch.lower(3);
            for other in others {
                other.join().unwrap();
            }
            assert!(!sketch.may_contain(0));
        });
    }
}
