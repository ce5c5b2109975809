#![forbid(unsafe_code)]
//! How much is done at a time. Whoever comes while all places are taken is told
//! to come again, and does not wait for one.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places.
#[derive(Debug)]
pub(super) struct Limit {
    free: AtomicUsize,
}

/// A place, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Limit);

impl Limit {
    pub(super) const fn new(places: usize) -> Self {
        Self {
            free: AtomicUsize::new(places),
        }
    }

    /// A place, if one is free.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        // Relaxed, here and below: the number alone counts, nothing is handed over.
        let take_one = |free: usize| free.checked_sub(1);
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one);
        taken.is_ok().then(|| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let limit = Limit::new(2);
        let first = limit.enter();
        let second = limit.enter();
        assert!(first.is_some() && second.is_some());
        for _ in 0..3 {
            assert!(limit.enter().is_none());
        }
        drop(first);
        assert!(limit.enter().is_some());
    }
}
