//! A chain of things that are never taken out again, and among which there are no two
//! alike: what the insert-only tables are made of. Lock-free.
//!
//! # Atomic orderings
//! A member is published by a Release exchange on the head and read after an Acquire
//! load of it; whatever is in it is then plain memory.

use core::ptr;

use super::arena::Zeroed;
use super::sync::{AtomicPtr, Ordering};

/// A member's link to those that were there before it.
pub(super) trait Linked: Sync + Sized + 'static {
    fn next(&self) -> &AtomicPtr<Self>;
}

/// The head. See the module's description.
#[derive(Debug)]
pub(super) struct Chain<T>(AtomicPtr<T>);

// SAFETY: an atomic pointer, for which zero bytes are a value.
unsafe impl<T: Linked> Zeroed for Chain<T> {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Self::new()
    }
}

impl<T: Linked> Chain<T> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The member that is it, or the one that `make` makes, which nobody else knows of.
    /// `None` if that makes none.
    pub(super) fn find_or_add(
        &self,
        is_it: impl Fn(&T) -> bool,
        make: impl FnOnce() -> Option<&'static T>,
    ) -> Option<&'static T> {
        // Acquire pairs with the Release below.
        let mut first = self.0.load(Ordering::Acquire);
        if let Some(known) = find(first, ptr::null_mut(), &is_it) {
            return Some(known);
        }
        let made = make()?;
        loop {
            // Relaxed: published with the rest of it.
            made.next().store(first, Ordering::Relaxed);
            match self.0.compare_exchange(
                first,
                ptr::from_ref(made).cast_mut(),
                // Release pairs with the Acquire loads of the head.
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(made),
                // Lost the race; perhaps to its like, which then serves. What was made
                // is left unused.
                Err(newer) => {
                    if let Some(theirs) = find(newer, first, &is_it) {
                        return Some(theirs);
                    }
                    first = newer;
                }
            }
        }
    }

    /// The latest first.
    pub(super) fn members(&self) -> impl Iterator<Item = &'static T> + use<T> {
        // Acquire pairs with the Release in `find_or_add`.
        members_from(self.0.load(Ordering::Acquire))
    }
}

/// Looks from `first` on, up to but without `last`.
fn find<T: Linked>(first: *mut T, last: *mut T, is_it: impl Fn(&T) -> bool) -> Option<&'static T> {
    members_from(first)
        .take_while(|&member| !ptr::eq(member, last))
        .find(|member| is_it(member))
}

fn members_from<T: Linked>(first: *mut T) -> impl Iterator<Item = &'static T> {
    core::iter::successors(member_at(first), |member| {
        // Relaxed: published with the member.
        member_at(member.next().load(Ordering::Relaxed))
    })
}

fn member_at<T: Linked>(at: *mut T) -> Option<&'static T> {
    // SAFETY: null, or a member, which was added as a reference that lasts for ever.
    unsafe { at.as_ref() }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    #[derive(Debug)]
    struct Number {
        next: AtomicPtr<Number>,
        value: u32,
    }

    impl Linked for Number {
        fn next(&self) -> &AtomicPtr<Self> {
            &self.next
        }
    }

    fn add(chain: &Chain<Number>, value: u32) -> &'static Number {
        let make = || {
            let next = AtomicPtr::new(ptr::null_mut());
            Some(&*Box::leak(Box::new(Number { next, value })))
        };
        let added = chain.find_or_add(|number| number.value == value, make);
        added.unwrap()
    }

    /// Two threads with the same number, and each with another: each is there once, and
    /// whole.
    #[test]
    fn loom_no_two_alike() {
        model(|| {
            let chain = Arc::new(Chain::new());
            let other = {
                let chain = Arc::clone(&chain);
                thread::spawn(move || {
                    add(&chain, 2);
                    ptr::from_ref(add(&chain, 1)).addr()
                })
            };
            let mine = ptr::from_ref(add(&chain, 1)).addr();
            add(&chain, 3);
            assert_eq!(other.join().unwrap(), mine);
            let mut values: Vec<_> = chain.members().map(|number| number.value).collect();
            values.sort_unstable();
            assert_eq!(values, [1, 2, 3]);
        });
    }
}
