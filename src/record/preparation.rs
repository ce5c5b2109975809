//! Something that is done once, by whoever comes first, while nobody waits: the
//! others go on without it until it is done.
//!
//! # Atomic orderings
//! The end is stored with Release and read with Acquire: who sees it sees
//! everything that was prepared.

use super::sync::{AtomicU32, Ordering};

const NOT_BEGUN: u32 = 0;
const BEGUN: u32 = 1;
const DONE: u32 = 2;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Preparation {
    phase: AtomicU32,
}

impl Preparation {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            phase: AtomicU32::new(NOT_BEGUN),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU32::new(NOT_BEGUN),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        // Acquire pairs with the Release in `run_once`.
        self.phase.load(Ordering::Acquire) == DONE
    }

    /// Runs `prepare`, unless somebody else has begun to.
    pub(crate) fn run_once(&self, prepare: impl FnOnce()) {
        // Relaxed: the one who comes first reads nothing of others.
        let first = self
            .phase
            .compare_exchange(NOT_BEGUN, BEGUN, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if first {
            prepare();
            // Release pairs with the Acquire in `is_done`.
            self.phase.store(DONE, Ordering::Release);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn loom_prepared_once_and_seen_whole() {
        model(|| {
            let shared = Arc::new((Preparation::new(), UnsafeCell::new(0_u32)));
            let run = |shared: &(Preparation, UnsafeCell<u32>)| {
                shared.0.run_once(|| {
                    // SAFETY: one thread prepares, and nobody reads before the
                    // end; loom reports any overlap.
                    shared.1.with_mut(|value| unsafe { *value += 1 });
                });
                if shared.0.is_done() {
                    // SAFETY: nobody writes after the end.
                    shared.1.with(|value| assert_eq!(unsafe { *value }, 1));
                }
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || run(&shared))
            };
            run(&shared);
            other.join().unwrap();
            assert!(shared.0.is_done());
        });
    }
}
