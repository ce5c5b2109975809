//! `fork`, and what a child would wait for without end.
//!
//! A child has one of its parent's threads. What the others had leased is free
//! there, see [`lease`](super::lease); but one lock is not ours to free:
//! `dl_iterate_phdr` takes one of the loader's that glibc, which frees most of
//! its own, leaves as it is. So a fork waits until no thread of ours is in
//! there, a few microseconds, and then none goes in until it is over.
//!
//! Neither waits for long: a handler of someone else's that forks where it
//! should not must not hang because of us.
//!
//! # Atomic orderings
//! Each side announces itself, then looks for the other, with a SeqCst fence in
//! between: of a listing and a fork that begin together, at least one sees the
//! other. Leaving is a Release that pairs with the Acquire of the one who looks.

use super::sync::{AtomicU32, Ordering, fence};

/// See the module's description.
#[derive(Debug)]
pub(crate) struct ForkGate {
    /// Threads that ask the loader what is loaded.
    listing: AtomicU32,
    /// Threads between the start of a fork and its end.
    forking: AtomicU32,
}

/// A thread that asks the loader; nobody forks while it lives.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    gate: &'a ForkGate,
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `nobody_lists`.
        self.gate.listing.fetch_sub(1, Ordering::Release);
    }
}

impl ForkGate {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            listing: AtomicU32::new(0),
            forking: AtomicU32::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            listing: AtomicU32::new(0),
            forking: AtomicU32::new(0),
        }
    }

    fn try_list(&self) -> Option<Listing<'_>> {
        // Relaxed: the fence orders it.
        self.listing.fetch_add(1, Ordering::Relaxed);
        let listing = Listing { gate: self };
        fence(Ordering::SeqCst);
        // Acquire pairs with the Release in `end_fork`.
        (self.forking.load(Ordering::Acquire) == 0).then_some(listing)
    }

    fn begin_fork(&self) {
        // Relaxed: the fence orders it.
        self.forking.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn nobody_lists(&self) -> bool {
        // Acquire pairs with the Release in `Listing::drop`.
        self.listing.load(Ordering::Acquire) == 0
    }

    fn end_fork(&self) {
        // Release pairs with the Acquire in `try_list`.
        self.forking.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(cfi, not(loom)))]
mod waiting {
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    impl ForkGate {
        /// Calls `list`, which asks the loader what is loaded, while nobody forks.
        /// Not inside an allocation.
        pub(crate) fn while_nobody_forks<R>(&self, list: impl FnOnce() -> R) -> R {
            let mut listing = None;
            wait_until(|| {
                listing = self.try_list();
                listing.is_some()
            });
            list()
        }

        /// Before a fork, on the thread that forks.
        pub(crate) fn close(&self) {
            self.begin_fork();
            wait_until(|| self.nobody_lists());
        }

        /// After a fork, in the parent, on the same thread.
        pub(crate) fn open(&self) {
            self.end_fork();
        }

        /// After a fork, in the child, on its only thread.
        pub(crate) fn open_in_child(&self) {
            // Relaxed, both: there is no other thread.
            self.listing.store(0, Ordering::Relaxed);
            self.forking.store(0, Ordering::Relaxed);
        }
    }

    fn wait_until(mut is_so: impl FnMut() -> bool) {
        if is_so() {
            return;
        }
        let start = Instant::now();
        while !is_so() && start.elapsed() < PATIENCE {
            std::thread::yield_now();
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

    /// A fork that found nobody listing, and a listing, never overlap.
    #[test]
    fn loom_no_fork_while_a_thread_lists() {
        model(|| {
            let shared = Arc::new((ForkGate::new(), UnsafeCell::new(0_u32)));
            let lister = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    if let Some(_listing) = shared.0.try_list() {
                        // SAFETY: the claim; loom reports any overlap.
                        shared.1.with_mut(|lock| unsafe { *lock += 1 });
                    }
                })
            };
            shared.0.begin_fork();
            if shared.0.nobody_lists() {
                // SAFETY: the claim; loom reports any overlap.
                shared.1.with_mut(|lock| unsafe { *lock += 1 });
            }
            shared.0.end_fork();
            lister.join().unwrap();
            assert!(shared.0.nobody_lists());
            assert!(shared.0.try_list().is_some(), "the gate is open again");
        });
    }
}
