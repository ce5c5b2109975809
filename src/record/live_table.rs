//! The live table: sampled pointer -> what is known of it. Lock-free.
//!
//! A live pointer has one owner: it is inserted once, by the thread that
//! allocated it, and removed once, by the thread that frees it; the program
//! itself orders the two. On that rests the one promise that matters here:
//! **looking up a sampled pointer that is live never misses.** A miss would leave
//! a sample live for ever: a leak that is none.
//!
//! ```text
//!  front ─▶ level (8n buckets) ─▶ level (n buckets) ─▶ none
//!             live: 3               live: 0  (skipped)
//! ```
//!
//! A full level stays where it is and a larger one is linked in front of it.
//! Entries never move and levels are never unlinked: moving loses a racing
//! lookup, unlinking a racing insert. A level without entries is skipped.
//!
//! In front of it all stands a [`Sketch`], which every free asks: nearly all
//! pointers are not in the table, and nowhere near one that is.
//!
//! # Atomic orderings
//! - *Owner's own writes.* An insert happens before the matching remove, so by
//!   coherence alone the remover sees the key, the `passed` counts of at least
//!   the insert's own raises, and a `live` and a sketch of at least one. Relaxed
//!   serves them.
//! - *Levels.* A level is published with Release and read with Acquire.

mod level;
mod sample;

use core::ptr;

use super::arena::Arena;
use super::lease::Lease;
use super::sketch::Sketch;
use super::sync::{AtomicPtr, Ordering};
use level::{Level, kept};
pub(crate) use sample::LiveSample;

/// Buckets of the first level: 28,672 entries, 0.25 MiB of keys.
#[cfg(not(loom))]
const FIRST_LEVEL_LOG2: u32 = 12;
#[cfg(loom)]
const FIRST_LEVEL_LOG2: u32 = 1;
/// Each level has 8 times the buckets of the one before.
#[cfg(not(loom))]
const GROWTH_LOG2: u32 = 3;
#[cfg(loom)]
const GROWTH_LOG2: u32 = 1;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct LiveTable {
    front: AtomicPtr<Level>,
    growing: Lease,
    sketch: Sketch,
}

impl LiveTable {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            front: AtomicPtr::new(ptr::null_mut()),
            growing: Lease::new(),
            sketch: Sketch::new(),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            front: AtomicPtr::new(ptr::null_mut()),
            growing: Lease::new(),
            sketch: Sketch::new(),
        }
    }

    /// Could this pointer be in the table? Asked by its owner; false is certain.
    #[inline(always)]
    pub(crate) fn may_contain(&self, key: usize) -> bool {
        self.sketch.may_contain(key)
    }

    /// Makes the first level, so that threads that come later never find none.
    pub(crate) fn prepare(&self, arena: &Arena, process_generation: u64) {
        self.grow(None, arena, process_generation);
    }

    /// Inserts a pointer that is not in the table. False if there is no place
    /// and none can be made.
    #[must_use]
    pub(crate) fn insert(
        &self,
        key: usize,
        sample: &LiveSample,
        arena: &Arena,
        process_generation: u64,
    ) -> bool {
        // Raised first, so that the key is never overlooked while it is in the table.
        self.sketch.raise(key);
        let is_in = self.insert_below(key, sample, arena, process_generation);
        if !is_in {
            self.sketch.lower(key);
        }
        is_in
    }

    fn insert_below(
        &self,
        key: usize,
        sample: &LiveSample,
        arena: &Arena,
        process_generation: u64,
    ) -> bool {
        loop {
            let front = self.front();
            if let Some(level) = front
                && !level.is_crowded()
                && level.insert(kept(key), sample)
            {
                return true;
            }
            if !self.grow(front, arena, process_generation) {
                // At the limit, or another thread is growing the table: what
                // place is left in the crowded level serves.
                return front.is_some_and(|level| level.insert(kept(key), sample));
            }
        }
    }

    /// Takes a pointer out and returns what was known of it. Asked when the sketch
    /// could not rule it out.
    #[inline]
    pub(crate) fn remove(&self, key: usize) -> Option<LiveSample> {
        let sample = self.levels().find_map(|level| level.remove(kept(key)))?;
        self.sketch.lower(key);
        Some(sample)
    }

    /// What is known of a live pointer; asked by its owner.
    #[cfg(test)]
    pub(crate) fn get(&self, key: usize) -> Option<LiveSample> {
        self.levels()
            .find_map(|level| level.find(kept(key))?.cell.read())
    }

    /// Every entry that is there all the time while this looks, whole, and some of
    /// those that come and go meanwhile.
    pub(crate) fn samples(&self) -> impl Iterator<Item = LiveSample> {
        core::iter::successors(self.front(), |level| level.older).flat_map(Level::samples)
    }

    /// Live entries; exact when nothing is inserted or removed meanwhile.
    pub(crate) fn len(&self) -> u64 {
        self.levels()
            .map(|level| level.live.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    fn front(&self) -> Option<&'static Level> {
        // Acquire pairs with the Release in `grow`.
        let front = self.front.load(Ordering::Acquire);
        // SAFETY: null, or a level in the arena, which lasts for ever.
        unsafe { front.as_ref() }
    }

    /// The levels that may hold anything, newest first.
    fn levels(&self) -> impl Iterator<Item = &'static Level> {
        core::iter::successors(self.front(), |level| level.older)
            // Relaxed: an owner sees its own raise.
            .filter(|level| level.live.load(Ordering::Relaxed) != 0)
    }

    /// Links a larger level in front of `front`. True if the table has a new
    /// front, whoever made it.
    fn grow(&self, front: Option<&'static Level>, arena: &Arena, process_generation: u64) -> bool {
        let Some(_held) = self.growing.try_take(process_generation) else {
            return false;
        };
        if self.front().map(ptr::from_ref) != front.map(ptr::from_ref) {
            return true;
        }
        let buckets_log2 = front.map_or(FIRST_LEVEL_LOG2, |level| {
            level.buckets_log2.saturating_add(GROWTH_LOG2)
        });
        let Some(level) = Level::new(buckets_log2, front, arena) else {
            return false;
        };
        // Release pairs with the Acquire in `front`. Only the holder of the
        // lease stores here.
        self.front
            .store(ptr::from_ref(level).cast_mut(), Ordering::Release);
        true
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
