//! The interval in force, and a number that tells of its changes.
//!
//! # Atomic orderings
//! A change stores the interval, then raises the generation with Release, which
//! pairs with the Acquire in `load`: who sees the new generation sees the new
//! interval. Who sees the new interval with the old generation looks again soon.

use super::sampler::OFF;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Settings {
    interval: AtomicU64,
    /// 0 until the recorder is prepared.
    generation: AtomicU32,
}

impl Settings {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            interval: AtomicU64::new(OFF),
            generation: AtomicU32::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            interval: AtomicU64::new(OFF),
            generation: AtomicU32::new(0),
        }
    }

    pub(crate) fn set_interval(&self, bytes: u64) {
        // Relaxed: the Release that follows carries it along.
        self.interval.store(bytes, Ordering::Relaxed);
        // Release pairs with the Acquire in `load`.
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn interval(&self) -> u64 {
        // Relaxed: a number that stands alone.
        self.interval.load(Ordering::Relaxed)
    }

    /// The generation and an interval that is at least as new.
    pub(crate) fn load(&self) -> (u32, u64) {
        // Acquire pairs with the Release in `set_interval`.
        (self.generation.load(Ordering::Acquire), self.interval())
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Two changes and a thread that looks: if no change comes after, what it saw
    /// is what holds.
    #[test]
    fn loom_the_last_generation_has_the_last_interval() {
        model(|| {
            let settings = Arc::new(Settings::new());
            let change_to = |bytes| {
                let settings = Arc::clone(&settings);
                thread::spawn(move || settings.set_interval(bytes))
            };
            let changes = [change_to(1), change_to(2)];
            let (generation, interval) = settings.load();
            for change in changes {
                change.join().unwrap();
            }
            let (last_generation, last_interval) = settings.load();
            assert_eq!(last_generation, 2);
            assert!(generation < last_generation || interval == last_interval);
        });
    }
}
