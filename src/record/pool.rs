//! A value that many threads read without waiting and one replaces, with a
//! scratch space of its own for every reader at work.
//!
//! A reader takes a seat, looks at the current value, works with both, and gives
//! the seat back. A seat gets its scratch space from who takes it first. There
//! are few seats; who finds none does without. A value that was replaced is freed
//! once it is certain that nobody looks at it: the one who replaced it takes
//! every seat once and gives it back.
//!
//! # Atomic orderings
//! - A value is published with Release and read with Acquire.
//! - *Freeing.* Every seat is taken after the new value was published. Whoever had
//!   a seat before has given it back (Release), which pairs with our taking it
//!   (Acquire): their reads are over. Whoever takes it later pairs with our
//!   giving it back, and so sees the new value.
//! - A seat's scratch space, and whether it has one, belong to who holds the seat.
#![allow(clippy::disallowed_types)]

use core::ptr;

use super::lease::{Held, Lease};
use super::sync::{AtomicPtr, AtomicUsize, Ordering};

/// See the module's description. `N` is the number of seats there can be.
#[derive(Debug)]
pub(crate) struct Pool<T, S, const N: usize> {
    /// Null until the first value.
    current: AtomicPtr<Published<T>>,
    seats: [Seat<S>; N],
    /// So many of the first seats are worth a look: they have a scratch space, or
    /// are about to get one.
    opened: AtomicUsize,
    changing: Lease,
}

#[derive(Debug)]
struct Seat<S> {
    lease: Lease,
    /// Null until somebody took the seat. Lasts for ever.
    scratch: AtomicPtr<S>,
}

#[derive(Debug)]
struct Published<T> {
    value: T,
    /// The one that this replaced, if it may still be in use. Touched by the
    /// holder of `changing` alone.
    replaced: *mut Self,
}

impl<T, S: 'static, const N: usize> Pool<T, S, N> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            current: AtomicPtr::new(ptr::null_mut()),
            seats: [const {
                Seat {
                    lease: Lease::new(),
                    scratch: AtomicPtr::new(ptr::null_mut()),
                }
            }; N],
            opened: AtomicUsize::new(0),
            changing: Lease::new(),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            current: AtomicPtr::new(ptr::null_mut()),
            seats: core::array::from_fn(|_| Seat {
                lease: Lease::new(),
                scratch: AtomicPtr::new(ptr::null_mut()),
            }),
            opened: AtomicUsize::new(0),
            changing: Lease::new(),
        }
    }

    /// Calls `f` with the current value and a scratch space, which `make` makes
    /// where there is none. `None` if there is no value yet, no seat free, or no
    /// scratch space to be had. Readers that begin to look for a seat at different
    /// places get in each other's way less.
    pub(crate) fn read<R>(
        &self,
        begin_at: usize,
        process_generation: u64,
        make: impl FnOnce() -> Option<&'static mut S>,
        f: impl FnOnce(&T, &mut S) -> R,
    ) -> Option<R> {
        let (seat, _held) = self.take_seat(begin_at, process_generation)?;
        // Acquire pairs with the Release in `publish`.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: null or whole, and not freed before the seat is given back.
        let current = unsafe { current.as_ref() }?;
        // Relaxed, both: the seat is ours.
        let mut scratch = seat.scratch.load(Ordering::Relaxed);
        if scratch.is_null() {
            scratch = make()?;
            seat.scratch.store(scratch, Ordering::Relaxed);
        }
        // SAFETY: null or whole, lasts for ever, and is the seat's holder's alone.
        let scratch = unsafe { scratch.as_mut() }?;
        Some(f(&current.value, scratch))
    }

    /// A free seat: an open one, or else the next.
    fn take_seat(&self, begin_at: usize, process_generation: u64) -> Option<(&Seat<S>, Held<'_>)> {
        // Relaxed: where to look, no more.
        let opened = self.opened.load(Ordering::Relaxed).min(N);
        let among_open =
            (0..opened).filter_map(|step| begin_at.wrapping_add(step).checked_rem(opened));
        for at in among_open.chain(opened..N) {
            let seat = self.seats.get(at)?;
            if let Some(held) = seat.lease.try_take(process_generation) {
                if at >= opened {
                    self.opened.fetch_max(at.wrapping_add(1), Ordering::Relaxed);
                }
                return Some((seat, held));
            }
        }
        None
    }

    /// The right to change the value, unless another thread has it.
    pub(crate) fn try_change(&self, process_generation: u64) -> Option<Change<'_, T, S, N>> {
        let _held = self.changing.try_take(process_generation)?;
        Some(Change {
            pool: self,
            process_generation,
            _held,
        })
    }
}

/// The right to change a pool.
#[derive(Debug)]
pub(crate) struct Change<'a, T, S, const N: usize> {
    pool: &'a Pool<T, S, N>,
    process_generation: u64,
    _held: Held<'a>,
}

impl<T, S, const N: usize> Change<'_, T, S, N> {
    /// The current value.
    pub(crate) fn current(&self) -> Option<&T> {
        // Relaxed: only the holder of this right stores, and the lease pairs.
        // SAFETY: null or whole, and replaced or freed through `&mut self` alone.
        unsafe { self.pool.current.load(Ordering::Relaxed).as_ref() }.map(|current| &current.value)
    }

    /// Makes `value` the current one.
    pub(crate) fn publish(&mut self, value: T) {
        let replaced = self.pool.current.load(Ordering::Relaxed);
        let published = Box::into_raw(Box::new(Published { value, replaced }));
        // Release pairs with the Acquire in `read`.
        self.pool.current.store(published, Ordering::Release);
    }

    /// Frees what was replaced, unless someone is reading just now: then the
    /// next call will.
    pub(crate) fn free_replaced(&mut self) {
        let current = self.pool.current.load(Ordering::Relaxed);
        // SAFETY: null or whole; `replaced` is ours alone to touch.
        let Some(replaced) = (unsafe { current.as_ref() }).map(|current| current.replaced) else {
            return;
        };
        if replaced.is_null() {
            return;
        }
        for seat in &self.pool.seats {
            if seat.lease.try_take(self.process_generation).is_none() {
                return;
            }
        }
        // SAFETY: every seat was free after the current value was published, so
        // nobody reads the older ones. They were boxed by `publish`, and nobody
        // else follows `replaced`.
        unsafe {
            (&raw mut (*current).replaced).write(ptr::null_mut());
            let mut at = replaced;
            while !at.is_null() {
                at = Box::from_raw(at).replaced;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn make<S: Default>() -> Option<&'static mut S> {
        Some(Box::leak(Box::default()))
    }

    #[test]
    fn replaced_values_are_freed_when_nobody_reads_them() {
        let pool = Pool::<Arc<u32>, (), 2>::new();
        let (first, second) = (Arc::new(1), Arc::new(2));
        {
            let mut change = pool.try_change(1).unwrap();
            assert!(pool.try_change(1).is_none());
            change.publish(Arc::clone(&first));
        }
        pool.read(0, 1, make, |value, ()| {
            assert_eq!(**value, 1);
            let mut change = pool.try_change(1).unwrap();
            change.publish(Arc::clone(&second));
            change.free_replaced();
            assert_eq!(Arc::strong_count(&first), 2, "someone reads it");
        })
        .unwrap();
        pool.try_change(1).unwrap().free_replaced();
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 2)
        );
        assert_eq!(pool.read(5, 1, make, |value, ()| **value), Some(2));
    }

    #[test]
    fn nothing_is_read_before_there_is_anything() {
        let pool = Pool::<u32, u32, 1>::new();
        assert_eq!(pool.read(0, 1, make, |value, _| *value), None);
        pool.try_change(1).unwrap().publish(1);
        assert_eq!(pool.read(0, 1, || None, |value, _| *value), None);
        let count = |value: &u32, scratch: &mut u32| {
            *scratch += 1;
            (*value, *scratch)
        };
        assert_eq!(pool.read(0, 1, make, count), Some((1, 1)));
        assert_eq!(pool.read(0, 1, || None, count), Some((1, 2)), "it is kept");
        pool.read(0, 1, make, |_, _| {
            assert_eq!(
                pool.read(0, 1, make, |_, _| ()),
                None,
                "the only seat is taken"
            );
            assert!(
                pool.read(0, 2, make, |_, _| ()).is_some(),
                "but not in a forked child"
            );
        });
    }

    #[test]
    fn as_many_read_as_there_are_seats() {
        let pool = Pool::<u32, u32, 3>::new();
        pool.try_change(1).unwrap().publish(7);
        let read = |f: &dyn Fn()| {
            let number = |value: &u32, _: &mut u32| {
                f();
                *value
            };
            pool.read(0, 1, make, number)
        };
        let none_left = || assert_eq!(read(&|| ()), None);
        let third = || assert_eq!(read(&none_left), Some(7));
        let second = || assert_eq!(read(&third), Some(7));
        assert_eq!(read(&second), Some(7));
        assert_eq!(read(&second), Some(7), "they are given back");
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// Readers and freeing touch this; loom reports any overlap.
    struct Watched(UnsafeCell<u32>);

    impl Drop for Watched {
        fn drop(&mut self) {
            // SAFETY: nobody reads what is being freed; that is the claim.
            self.0.with_mut(|value| unsafe { *value = 0 });
        }
    }

    type Model = Pool<Watched, UnsafeCell<u32>, 2>;

    fn read(pool: &Model, begin_at: usize) -> Option<u32> {
        let make = || Some(Box::leak(Box::new(UnsafeCell::new(0))));
        pool.read(begin_at, 1, make, |value, scratch| {
            // SAFETY: the scratch space is the reader's alone.
            scratch.with_mut(|scratch| unsafe { *scratch += 1 });
            // SAFETY: the value is not freed while it is read.
            value.0.with(|value| unsafe { *value })
        })
    }

    /// A value is replaced and freed while two threads read.
    #[test]
    fn loom_no_value_is_freed_under_a_reader() {
        model(|| {
            let pool = Arc::new(Model::new());
            {
                let mut change = pool.try_change(1).unwrap();
                change.publish(Watched(UnsafeCell::new(1)));
            }
            let reader = {
                let pool = Arc::clone(&pool);
                loom::thread::spawn(move || read(&pool, 0))
            };
            let changer = {
                let pool = Arc::clone(&pool);
                loom::thread::spawn(move || {
                    let mut change = pool.try_change(1).unwrap();
                    change.publish(Watched(UnsafeCell::new(2)));
                    change.free_replaced();
                })
            };
            let seen = [read(&pool, 0), reader.join().unwrap()];
            changer.join().unwrap();
            assert!(seen.iter().flatten().all(|value| (1..=2).contains(value)));
            assert_eq!(read(&pool, 0), Some(2));
        });
    }
}
