#![forbid(unsafe_code)]
//! How long the blocks of one stack had lived when they were freed, by classes.
//!
//! Each class has two sums: objects and bytes, as the samples stand for them, and as
//! they are added to what was freed. So all classes together are exactly what was
//! freed, unless there was no memory for them. The sums are placed at a stack's first
//! free, in two cache lines; a free adds to one of them.
//!
//! # Atomic orderings
//! A sum is added to with Release and read with Acquire: who sees a block here sees
//! that it was allocated, and what else was counted before.

use super::arena::Arena;
use super::late::Late;
use super::sync::{AtomicU64, Ordering};
use super::tally::Sums;

/// Classes of lifetimes.
pub(crate) const CLASSES: usize = 8;

const SECOND: u64 = 1_000_000_000;

/// Where each class ends and the next begins, in nanoseconds; the last has no end.
/// The clock of [`clock`](super::clock) tells no shorter times apart.
pub(crate) const ENDS: [u64; CLASSES - 1] = [
    SECOND / 100,
    SECOND / 10,
    SECOND,
    10 * SECOND,
    60 * SECOND,
    600 * SECOND,
    3_600 * SECOND,
];

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Lifetimes(Late<[[AtomicU64; 2]; CLASSES]>);

/// What was freed of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// In 1/1024ths.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

impl Lifetimes {
    pub(super) fn new() -> Self {
        Self(Late::new())
    }

    /// Adds the free of a block that had lived for so many nanoseconds. False if there
    /// is no memory left to do so.
    #[must_use]
    pub(super) fn add(&self, nanoseconds: u64, freed: &Sums, arena: &Arena) -> bool {
        let classes = self.0.get_or_place(arena);
        let class = classes.and_then(|classes| classes.get(class_of(nanoseconds)));
        let Some([objects, bytes]) = class else {
            return false;
        };
        // Release pairs with the Acquire in `read`.
        objects.fetch_add(freed.objects, Ordering::Release);
        bytes.fetch_add(freed.bytes, Ordering::Release);
        true
    }

    /// What was freed, the shortest lives first. `None` if nothing was.
    pub(crate) fn read(&self) -> Option<[Freed; CLASSES]> {
        // Acquire pairs with the Release in `add`.
        let freed = |[objects, bytes]: &[AtomicU64; 2]| Freed {
            objects: objects.load(Ordering::Acquire),
            bytes: bytes.load(Ordering::Acquire),
        };
        Some(self.0.get()?.each_ref().map(freed))
    }
}

/// The number of the class that a time is in.
fn class_of(nanoseconds: u64) -> usize {
    ENDS.iter().filter(|&&end| end <= nanoseconds).count()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_where_the_next_begins() {
        assert!(ENDS.is_sorted());
        assert_eq!((class_of(0), class_of(u64::MAX)), (0, CLASSES - 1));
        for (class, end) in ENDS.into_iter().enumerate() {
            assert_eq!((class_of(end - 1), class_of(end)), (class, class + 1));
        }
    }

    #[test]
    fn every_free_is_in_one_class() {
        let (lifetimes, arena) = (Lifetimes::new(), Arena::new(1 << 20));
        assert_eq!(lifetimes.read(), None);
        let small = Sums::of_sample(8, 1_024, 8);
        let large = Sums::of_sample(64, 8_000_000, 500_000);
        for (nanoseconds, sums) in [(0, small), (1, large), (SECOND - 1, small), (SECOND, large)] {
            assert!(lifetimes.add(nanoseconds, &sums, &arena));
        }
        let freed = |objects, bytes| Freed { objects, bytes };
        let mut expected = [Freed::default(); CLASSES];
        expected[0] = freed(8_001_024, 500_008);
        expected[2] = freed(1_024, 8);
        expected[3] = freed(8_000_000, 500_000);
        assert_eq!(lifetimes.read(), Some(expected));
    }

    #[test]
    fn without_memory_it_is_said() {
        let (lifetimes, arena) = (Lifetimes::new(), Arena::new(0));
        let sums = Sums::of_sample(8, 1_024, 8);
        assert!(!lifetimes.add(0, &sums, &arena));
        assert_eq!(lifetimes.read(), None);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads free at a stack for the first time, and one reads: nothing is lost,
    /// and what is seen was counted as freed before.
    #[test]
    fn loom_what_is_seen_was_counted_before() {
        model(|| {
            let world = Arc::new((Lifetimes::new(), AtomicU64::new(0), Arena::new(1000)));
            let free = |(lifetimes, frees, arena): &(Lifetimes, AtomicU64, Arena)| {
                // Relaxed: carried along by what follows.
                frees.fetch_add(8, Ordering::Relaxed);
                assert!(lifetimes.add(0, &Sums::of_sample(8, 1_024, 8), arena));
            };
            let other = {
                let world = Arc::clone(&world);
                thread::spawn(move || free(&world))
            };
            let reader = {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    let [seen, ..] = world.0.read().unwrap_or_default();
                    let counted = world.1.load(Ordering::Relaxed);
                    assert!(seen.bytes <= counted && seen.objects <= counted * 128);
                })
            };
            free(&world);
            other.join().unwrap();
            reader.join().unwrap();
            let all = Freed {
                objects: 2_048,
                bytes: 16,
            };
            assert_eq!(world.0.read().unwrap()[0], all);
        });
    }
}
