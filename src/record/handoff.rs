//! What signal handlers hand to the thread that asked for it.
//!
//! A handler takes a free slot, fills it and leaves; the one who asks looks through
//! the slots. Nobody waits: who finds no free slot drops what it has. Slots last as
//! long as the process does, so that a handler that comes late, long after nobody
//! asks any more, finds memory to write to. What it leaves there carries the number
//! of the round that it was asked in, and is thrown away in any other.
//!
//! # Atomic orderings
//! What is in a slot, and whether there is anything, belongs to who holds the
//! slot's lease: all pairs through it. Looking at the round without the lease is a
//! guess at where it is worth while to take one.
#![allow(clippy::disallowed_types)]

use core::cell::UnsafeCell;

use super::lease::Lease;
use super::sync::{AtomicU64, Ordering};

const EMPTY: u64 = 0;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Handoff<T> {
    /// The latest round.
    round: AtomicU64,
    slots: Box<[Slot<T>]>,
}

#[derive(Debug)]
struct Slot<T> {
    lease: Lease,
    /// That its content is of, or [`EMPTY`].
    round: AtomicU64,
    content: UnsafeCell<T>,
}

// SAFETY: the content is the lease's holder's alone, and passes from thread to thread.
unsafe impl<T: Send> Sync for Handoff<T> {}

impl<T> Handoff<T> {
    /// One slot for each of the contents, which are written over.
    pub(crate) fn new(contents: impl Iterator<Item = T>) -> Self {
        let slot = |content| Slot {
            lease: Lease::new(),
            round: AtomicU64::new(EMPTY),
            content: UnsafeCell::new(content),
        };
        Self {
            round: AtomicU64::new(EMPTY),
            slots: contents.map(slot).collect(),
        }
    }

    /// Begins a round. What was asked for in another is no longer wanted.
    pub(crate) fn begin_round(&self) -> u64 {
        // Relaxed, here and below: a number that guards nothing.
        self.round.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// The latest round.
    pub(crate) fn round(&self) -> u64 {
        self.round.load(Ordering::Relaxed)
    }

    /// Fills a free slot; false if there is none. For signal handlers.
    pub(crate) fn put(
        &self,
        round: u64,
        process_generation: u64,
        fill: impl FnOnce(&mut T),
    ) -> bool {
        for slot in &self.slots {
            if slot.round.load(Ordering::Relaxed) != EMPTY {
                continue;
            }
            let Some(_held) = slot.lease.try_take(process_generation) else {
                continue;
            };
            if slot.round.load(Ordering::Relaxed) != EMPTY {
                continue;
            }
            // SAFETY: the lease is held.
            fill(unsafe { &mut *slot.content.get() });
            slot.round.store(round, Ordering::Relaxed);
            return true;
        }
        false
    }

    /// Empties every slot that is full, and calls `f` with what is of this round.
    pub(crate) fn take(&self, round: u64, process_generation: u64, mut f: impl FnMut(&T)) {
        for slot in &self.slots {
            if slot.round.load(Ordering::Relaxed) == EMPTY {
                continue;
            }
            let Some(_held) = slot.lease.try_take(process_generation) else {
                continue;
            };
            if slot.round.load(Ordering::Relaxed) == round {
                // SAFETY: the lease is held.
                f(unsafe { &*slot.content.get() });
            }
            slot.round.store(EMPTY, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn taken(handoff: &Handoff<u32>, round: u64) -> Vec<u32> {
        let mut all = Vec::new();
        handoff.take(round, 1, |&value| all.push(value));
        all
    }

    #[test]
    fn what_is_put_is_taken_once() {
        let handoff = Handoff::new([0; 2].into_iter());
        let round = handoff.begin_round();
        assert!(handoff.put(round, 1, |slot| *slot = 7));
        assert!(handoff.put(round, 1, |slot| *slot = 8));
        assert!(!handoff.put(round, 1, |_| unreachable!("both are full")));
        assert_eq!(taken(&handoff, round), [7, 8]);
        assert!(taken(&handoff, round).is_empty());
        assert!(handoff.put(round, 1, |slot| *slot = 9));
        assert_eq!(taken(&handoff, round), [9]);
    }

    #[test]
    fn what_comes_late_is_thrown_away() {
        let handoff = Handoff::new([0].into_iter());
        let first = handoff.begin_round();
        assert!(handoff.put(first, 1, |slot| *slot = 7));
        let second = handoff.begin_round();
        assert_eq!(handoff.round(), second);
        assert!(taken(&handoff, second).is_empty());
        assert!(handoff.put(second, 1, |slot| *slot = 8));
        assert_eq!(taken(&handoff, second), [8]);
    }

    #[test]
    fn a_handler_of_a_parent_process_holds_nothing_here() {
        let handoff = Handoff::new([0].into_iter());
        let round = handoff.begin_round();
        handoff.put(round, 1, |_| {
            assert!(!handoff.put(round, 1, |_| unreachable!("it is being filled")));
            assert!(handoff.put(round, 2, |slot| *slot = 7));
        });
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    type Model = Handoff<UnsafeCell<u32>>;

    fn put(handoff: &Model, round: u64, value: u32) -> bool {
        handoff.put(round, 1, |slot| {
            // SAFETY: the slot is ours; loom reports any overlap.
            slot.with_mut(|slot| unsafe { *slot = value });
        })
    }

    fn take(handoff: &Model, round: u64) -> Vec<u32> {
        let mut all = Vec::new();
        handoff.take(round, 1, |slot| {
            // SAFETY: as above.
            slot.with(|slot| all.push(unsafe { *slot }));
        });
        all
    }

    /// Two handlers, one of them late, and one who takes: what was put in this round
    /// arrives once, whole, and nothing of another does.
    #[test]
    fn loom_what_is_put_is_taken_once() {
        model(|| {
            let slots = (0..2).map(|_| UnsafeCell::new(0));
            let handoff = Arc::new(Model::new(slots));
            let late = handoff.begin_round();
            let round = handoff.begin_round();
            let handlers = [(late, 1), (round, 2)].map(|(round, value)| {
                let handoff = Arc::clone(&handoff);
                loom::thread::spawn(move || put(&handoff, round, value))
            });
            let mut all = take(&handoff, round);
            let [_, is_put] = handlers.map(|handler| handler.join().unwrap());
            all.extend(take(&handoff, round));
            assert_eq!(all, if is_put { vec![2] } else { vec![] });
        });
    }
}
