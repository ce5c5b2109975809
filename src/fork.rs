#![forbid(unsafe_code)]
//! `fork`, and what a child would wait for without end.
//!
//! A child has one of its parent's threads. What the others had leased is free
//! there, see [`lease`](crate::record::lease); but one lock is not ours to free:
//! `dl_iterate_phdr` takes one of the loader's that glibc, which frees most of
//! its own, leaves as it is. So a fork waits until no thread of ours is in
//! there, a few microseconds, and then none goes in until it is over.
//!
//! Neither waits for long: a handler of someone else's that forks where it
//! should not must not hang because of us.
//!
//! # Atomic orderings
//! Each side announces itself, then looks for the other. All SeqCst: of a
//! listing and a fork that begin together, at least one sees the other.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::record::recorder::RECORDER;

/// Threads that ask the loader what is loaded.
static LISTING: AtomicU32 = AtomicU32::new(0);
/// Threads between the start of a fork and its end.
static FORKING: AtomicU32 = AtomicU32::new(0);

const PATIENCE: Duration = Duration::from_secs(1);

/// Calls `list`, which asks the loader what is loaded, while nobody forks.
pub(crate) fn while_nobody_forks<R>(list: impl FnOnce() -> R) -> R {
    struct Listing;
    impl Drop for Listing {
        fn drop(&mut self) {
            LISTING.fetch_sub(1, Ordering::SeqCst);
        }
    }

    let mut listing = None;
    wait_until(|| {
        LISTING.fetch_add(1, Ordering::SeqCst);
        listing = Some(Listing);
        let is_alone = FORKING.load(Ordering::SeqCst) == 0;
        if !is_alone {
            listing = None;
        }
        is_alone
    });
    list()
}

/// Runs before a fork, on the thread that forks.
#[cfg(cfi)]
pub(crate) extern "C" fn prepare() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    wait_until(|| LISTING.load(Ordering::SeqCst) == 0);
}

/// Runs after it, on the same thread.
#[cfg(cfi)]
pub(crate) extern "C" fn go_on_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// Runs after it, on the child's only thread.
#[cfg(cfi)]
pub(crate) extern "C" fn go_on_in_child() {
    LISTING.store(0, Ordering::SeqCst);
    FORKING.store(0, Ordering::SeqCst);
    RECORDER.enter_child();
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
