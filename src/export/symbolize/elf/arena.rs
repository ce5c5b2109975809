#![forbid(unsafe_code)]
//! Values that others borrow from while more are being added.

use std::cell::{Cell, OnceCell};

/// Holds values in place until it is dropped.
///
/// Level n has room for 2^n values and is never moved, so that a shared
/// reference is enough to add one.
#[derive(Debug)]
pub(super) struct Arena<T> {
    len: Cell<usize>,
    levels: [OnceCell<Box<[OnceCell<T>]>>; usize::BITS as usize],
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            len: Cell::new(0),
            levels: [const { OnceCell::new() }; usize::BITS as usize],
        }
    }
}

impl<T> Arena<T> {
    /// Keeps `value` as long as the arena lives.
    pub(super) fn keep(&self, value: T) -> &T {
        let number = self.len.get() + 1;
        self.len.set(number);
        let level = number.ilog2();
        let slots = self.levels[level as usize]
            .get_or_init(|| (0..1_usize << level).map(|_| OnceCell::new()).collect());
        slots[number - (1 << level)].get_or_init(|| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_are() {
        let arena = Arena::default();
        let kept: Vec<&String> = (0..1000).map(|n: i32| arena.keep(n.to_string())).collect();
        assert!(
            kept.iter()
                .enumerate()
                .all(|(n, text)| **text == n.to_string())
        );
    }
}
