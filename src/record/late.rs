//! Parts of the tables that are placed in the arena when they are first needed, by
//! whoever comes first.
//!
//! # Atomic orderings
//! What is placed is published with Release and read with Acquire.

use core::ptr;

use super::arena::{Arena, Zeroed};
use super::sync::{AtomicPtr, Ordering};

/// A value of zeros; see the module's description.
#[derive(Debug)]
pub(super) struct Late<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Late<T> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&'static T> {
        // Acquire pairs with the Release in `publish`.
        // SAFETY: null, or a value placed in the arena, which lasts for ever.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// The one that is there from now on.
    fn publish(&self, made: &'static T) -> Option<&'static T> {
        let place = ptr::from_ref(made).cast_mut();
        // Release pairs with the Acquire in `get`. Losing the race leaves untouched
        // memory unused, once.
        let _ =
            self.0
                .compare_exchange(ptr::null_mut(), place, Ordering::Release, Ordering::Relaxed);
        self.get()
    }
}

impl<T: Zeroed + Sync> Late<T> {
    /// `None` if there is no memory left for it.
    #[inline]
    pub(super) fn get_or_place(&self, arena: &Arena) -> Option<&'static T> {
        self.get().or_else(|| self.place(arena))
    }

    #[cold]
    fn place(&self, arena: &Arena) -> Option<&'static T> {
        self.publish(arena.zeroed(1)?.first()?)
    }
}

/// A slice of zeros, as long as whoever comes first says.
#[derive(Debug)]
pub(super) struct LateSlice<T: 'static>(Late<&'static [T]>);

impl<T: Zeroed + Sync> LateSlice<T> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(Late::new())
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(Late::new())
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&'static [T]> {
        self.0.get().copied()
    }

    /// `None` if there is no memory left for it.
    #[inline]
    pub(super) fn get_or_place(&self, len: usize, arena: &Arena) -> Option<&'static [T]> {
        self.get().or_else(|| self.place(len, arena))
    }

    #[cold]
    fn place(&self, len: usize, arena: &Arena) -> Option<&'static [T]> {
        let made = arena.zeroed(len)?;
        self.0.publish(arena.place(made)?).copied()
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::{AtomicU64, model};
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads need it at the same moment: both have the same one.
    #[test]
    fn loom_there_is_one_for_all() {
        model(|| {
            let shared = Arc::new((LateSlice::<AtomicU64>::new(), Arena::new(1000)));
            let add = |shared: &(LateSlice<AtomicU64>, Arena)| {
                let numbers = shared.0.get_or_place(1, &shared.1).unwrap();
                numbers[0].fetch_add(1, Ordering::Relaxed);
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || add(&shared))
            };
            add(&shared);
            other.join().unwrap();
            let numbers = shared.0.get().unwrap();
            assert_eq!(numbers[0].load(Ordering::Relaxed), 2);
        });
    }
}
