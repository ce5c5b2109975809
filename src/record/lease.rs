//! Things that one thread at a time may use, and nobody waits for.
//!
//! # Atomic orderings
//! Taking is an Acquire that pairs with the Release of the one who had it
//! before: what the former holder wrote is seen by the next one.
//!
//! # Fork
//! A child process has only the thread that forked. A lease remembers the
//! process generation of its holder; one of another generation is free, because
//! its holder does not exist here.

use super::sync::{AtomicU64, Ordering};

const FREE: u64 = 0;

/// A place for one holder. Holders never wait: they take it or do without.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The holder's process generation, or [`FREE`].
    holder: AtomicU64,
}

impl Lease {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            holder: AtomicU64::new(FREE),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            holder: AtomicU64::new(FREE),
        }
    }

    /// Takes the lease for the given process generation (1 or more).
    pub(crate) fn try_take(&self, generation: u64) -> Option<Held<'_>> {
        // Relaxed: the exchange below decides.
        let seen = self.holder.load(Ordering::Relaxed);
        if seen == generation {
            return None;
        }
        self.holder
            // Acquire pairs with the Release in `Held::drop`.
            .compare_exchange(seen, generation, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| Held { lease: self })
    }
}

/// A taken lease; given back on drop.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    lease: &'a Lease,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Lease::try_take`.
        self.lease.holder.store(FREE, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let lease = Lease::new();
        let held = lease.try_take(1);
        assert!(held.is_some());
        assert!(lease.try_take(1).is_none());
        drop(held);
        assert!(lease.try_take(1).is_some());
    }

    #[test]
    fn a_holder_of_another_process_does_not_count() {
        let lease = Lease::new();
        std::mem::forget(lease.try_take(1));
        assert!(lease.try_take(1).is_none());
        assert!(lease.try_take(2).is_some());
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// What lies behind a lease is never touched by two threads at once, and
    /// the next holder sees what the former one wrote.
    #[test]
    fn loom_holders_exclude_each_other() {
        model(|| {
            let shared = Arc::new((Lease::new(), UnsafeCell::new(0_u32)));
            let add = |shared: &(Lease, UnsafeCell<u32>)| {
                shared.0.try_take(1).map(|_held| {
                    // SAFETY: the lease is held; loom reports any overlap.
                    shared.1.with_mut(|value| unsafe { *value += 1 });
                })
            };
            let other = {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || add(&shared).is_some())
            };
            let mine = add(&shared).is_some();
            let theirs = other.join().unwrap();
            assert!(mine || theirs, "someone gets it");
            let held = shared.0.try_take(1);
            assert!(held.is_some());
            // SAFETY: the lease is held.
            shared
                .1
                .with(|value| assert_eq!(unsafe { *value }, u32::from(mine) + u32::from(theirs)));
        });
    }
}
