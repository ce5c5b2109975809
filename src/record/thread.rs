//! What every thread keeps for itself: its place in the stream of bytes, the busy
//! guard, and for whom it allocates.
//!
//! One thread-local, initialized in the image and without `Drop`: a plain slot
//! beside the thread pointer that works from a thread's first allocation to its
//! last, inside destructors of other thread-locals too.

use core::cell::Cell;

use super::account;
use super::label_table;
use super::sampler::{self, EVERY_ALLOCATION, OFF, Random};
use super::settings::Settings;

/// The slot never holds more than this. The rest of a longer gap waits beside
/// it, so that a change of the interval takes hold within this many bytes.
const SLOT_BYTES: u64 = 1 << 20;

thread_local! {
    static THREAD: Thread = const { Thread::new() };
}

/// See the module's description.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Thread {
    /// Bytes that may still be allocated without a sample: the next byte after
    /// them is marked, or they are the first part of a longer gap.
    bytes_until_sample: Cell<i64>,
    /// The part of the gap beyond the slot.
    gap_rest: Cell<u64>,
    /// The interval that the gap was drawn with, and its generation (0: none
    /// was drawn yet).
    interval: Cell<u64>,
    settings_generation: Cell<u32>,
    random: Cell<u64>,
    busy: Cell<bool>,
    /// That every allocation is counted for, see [`account`].
    account: Cell<u32>,
    /// In force here, see [`label_table`].
    labels: Cell<u32>,
    /// The thread's name as a set of labels, once it was asked for.
    name_label: Cell<Option<u16>>,
    /// The limits of this thread's stack; the upper one is 0 while they are unknown.
    stack_bounds: Cell<(usize, usize)>,
}

impl Thread {
    pub(crate) const fn new() -> Self {
        Self {
            bytes_until_sample: Cell::new(0),
            gap_rest: Cell::new(0),
            interval: Cell::new(OFF),
            settings_generation: Cell::new(0),
            random: Cell::new(0),
            busy: Cell::new(false),
            account: Cell::new(account::NONE),
            labels: Cell::new(label_table::NONE),
            name_label: Cell::new(None),
            stack_bounds: Cell::new((0, 0)),
        }
    }

    /// Calls `f` with the calling thread's state.
    #[inline(always)]
    pub(crate) fn with<R>(f: impl FnOnce(&Self) -> R) -> R {
        THREAD.with(f)
    }

    /// Takes `bytes` off the counter. False when it ran out: then `judge` must
    /// be asked before anything else is taken.
    #[inline(always)]
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let left = self.bytes_until_sample.get().wrapping_sub(bytes as i64);
        self.bytes_until_sample.set(left);
        left >= 0
    }

    /// After `take(size)` ran out: does a mark fall on this allocation? If so,
    /// returns the interval that its weight is to be computed with.
    ///
    /// The allocation is judged by the gap it began in. A change of the interval
    /// takes hold after it: judging it by a new gap would lose a mark that the
    /// old one had already set.
    pub(crate) fn judge(
        &self,
        size: usize,
        settings: &Settings,
        seed: impl FnOnce() -> u64,
    ) -> Option<u64> {
        if self.account.get() != account::NONE {
            self.bytes_until_sample.set(0);
            return Some(EVERY_ALLOCATION);
        }
        if self.settings_generation.get() == 0 {
            let (generation, _) = settings.load();
            if generation == 0 {
                // Nobody knows the interval yet. Ask again at the next allocation.
                self.bytes_until_sample.set(0);
                return None;
            }
            // The first gap is drawn before the first allocation is judged, or
            // threads that live shortly would be sampled too rarely.
            self.random.set(seed());
            self.draw_gap(settings);
            if self.take(size) {
                return None;
            }
        }
        let missing = self.bytes_until_sample.get().unsigned_abs();
        let interval = self.interval.get();
        let marked = interval != OFF && missing > self.gap_rest.get();
        let (generation, interval_now) = settings.load();
        if marked || generation != self.settings_generation.get() {
            self.draw_gap(settings);
        } else {
            self.fill_slot(self.gap_rest.get().saturating_sub(missing));
        }
        (marked && interval_now != OFF).then_some(interval)
    }

    /// Begins a new gap at the interval in force.
    pub(crate) fn draw_gap(&self, settings: &Settings) {
        let (generation, interval) = settings.load();
        let mut random = Random(self.random.get());
        let gap = sampler::draw_gap(interval, &mut random);
        self.random.set(random.0);
        self.settings_generation.set(generation);
        self.interval.set(interval);
        self.fill_slot(gap);
    }

    fn fill_slot(&self, gap: u64) {
        if self.interval.get() == OFF {
            self.bytes_until_sample.set(SLOT_BYTES as i64);
            self.gap_rest.set(0);
        } else {
            let slot = gap.min(SLOT_BYTES);
            self.bytes_until_sample.set(slot as i64);
            self.gap_rest.set(gap.saturating_sub(slot));
        }
    }

    /// Has this thread allocated, and hence drawn a gap?
    pub(crate) fn has_drawn(&self) -> bool {
        self.settings_generation.get() != 0
    }

    /// What the thread's allocations are counted for.
    pub(crate) fn account(&self) -> u32 {
        self.account.get()
    }

    /// From now on all allocations are counted for this account, each a sample; or for
    /// none. Returns the account before.
    ///
    /// What was left of a gap is dropped: the thread is one again that has not drawn
    /// any. Gaps have no memory, so nothing is sampled more or less often for it.
    fn set_account(&self, account: u32) -> u32 {
        self.settings_generation.set(0);
        self.bytes_until_sample.set(0);
        self.account.replace(account)
    }

    /// The labels in force.
    pub(crate) fn labels(&self) -> u32 {
        self.labels.get()
    }

    /// Puts others in force; returns those before.
    pub(crate) fn replace_labels(&self, labels: u32) -> u32 {
        self.labels.replace(labels)
    }

    /// The thread's name as a set of labels, found by `find` when it is asked for
    /// first.
    pub(crate) fn name_label(&self, find: impl FnOnce() -> u16) -> u16 {
        self.name_label.get().unwrap_or_else(|| {
            let found = find();
            self.name_label.set(Some(found));
            found
        })
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    #[cfg(cfi)]
    pub(crate) fn stack_bounds(&self) -> &Cell<(usize, usize)> {
        &self.stack_bounds
    }
}

/// Keeps the profiler's own allocations on this thread out of the profile while
/// it lives. Frees still find and remove their entries.
#[derive(Debug)]
pub(crate) struct Busy {
    before: bool,
}

/// Marks the calling thread as busy with the profiler's own work.
pub(crate) fn busy() -> Busy {
    Busy {
        before: Thread::with(|thread| thread.busy.replace(true)),
    }
}

/// Calls `f`, which is not the profiler's, from the midst of its work.
#[cfg(not(loom))]
pub(crate) fn not_busy<R>(f: impl FnOnce() -> R) -> R {
    let _busy = Busy {
        before: Thread::with(|thread| thread.busy.replace(false)),
    };
    f()
}

impl Drop for Busy {
    fn drop(&mut self) {
        Thread::with(|thread| thread.busy.set(self.before));
    }
}

/// While it lives, the calling thread's allocations are counted for an account.
#[derive(Debug)]
pub(crate) struct Charged {
    before: u32,
}

/// Has the calling thread's allocations counted for `account`.
pub(crate) fn charge_to(account: u32) -> Charged {
    Charged {
        before: Thread::with(|thread| thread.set_account(account)),
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        Thread::with(|thread| thread.set_account(self.before));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
