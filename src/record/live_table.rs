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
//!             │ live: 3             │ live: 0  (skipped)
//!             ▼
//!   bucket   [ key key key  0  key  0   0  | passed ]    one cache line
//!   bucket   [ …                                    ]
//!   samples  [ sample × 7 ] [ sample × 7 ] …             a parallel array
//! ```
//!
//! An insert takes an empty slot of the key's home bucket; if there is none it
//! raises that bucket's `passed` count and tries the next bucket. A lookup goes
//! the same way and ends at the first bucket that nothing passed (F14 does the
//! same). A remove clears the slot and lowers the counts that its insert raised.
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
//! - *Slot reuse.* A remove reads the sample, then clears the key with Release;
//!   the exchange that takes the empty slot is an Acquire and pairs with it, so
//!   the next owner's writes cannot reach the former owner's reads.
//! - *Levels.* A level is published with Release and read with Acquire.

mod sample;

use core::ptr;

use super::arena::{Arena, Zeroed};
use super::lease::Lease;
use super::sketch::Sketch;
use super::sync::{AtomicPtr, AtomicU64, Ordering};

pub(crate) use sample::LiveSample;
use sample::SampleCell;

#[cfg(not(loom))]
const KEYS_PER_BUCKET: usize = 7;
/// Small, so that models reach full buckets and growth.
#[cfg(loom)]
const KEYS_PER_BUCKET: usize = 1;

const EMPTY: u64 = 0;
/// Taken, its sample not yet written. The null pointer alone is kept as this.
const RESERVED: u64 = u64::MAX;

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
/// Buckets an insert tries before it gives the level up as full.
#[cfg(not(loom))]
const MAX_PROBES: u64 = 32;
#[cfg(loom)]
const MAX_PROBES: u64 = 2;

/// A pointer as it is kept: no leak checker that looks through memory for pointers
/// is to find one here, and call a lost block reachable.
fn kept(key: usize) -> u64 {
    !(key as u64)
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct LiveTable {
    front: AtomicPtr<Level>,
    growing: Lease,
    sketch: Sketch,
}

#[derive(Debug)]
struct Level {
    buckets_log2: u32,
    /// What leaves so many bits of a hash.
    home_shift: u32,
    /// The number of buckets less one.
    mask: u64,
    buckets: &'static [Bucket],
    samples: &'static [[SampleCell; KEYS_PER_BUCKET]],
    /// Entries, and inserts and removes under way.
    live: AtomicU64,
    older: Option<&'static Level>,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Bucket {
    keys: [AtomicU64; KEYS_PER_BUCKET],
    /// Entries that live further on because this bucket was full.
    passed: AtomicU64,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64);

// SAFETY: made of atomics, for which zero bytes are a value.
unsafe impl Zeroed for Bucket {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Self {
            keys: core::array::from_fn(|_| AtomicU64::new(EMPTY)),
            passed: AtomicU64::new(0),
        }
    }
}

// SAFETY: made of atomics, for which zero bytes are a value.
unsafe impl Zeroed for [SampleCell; KEYS_PER_BUCKET] {
    #[cfg(loom)]
    fn zeroed() -> Self {
        core::array::from_fn(|_| SampleCell::zeroed())
    }
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

/// Where a key was found.
struct Slot {
    key: &'static AtomicU64,
    cell: &'static SampleCell,
    home: u64,
    /// Buckets passed on the way from home.
    passed: u64,
}

impl Level {
    fn new(
        buckets_log2: u32,
        older: Option<&'static Self>,
        arena: &Arena,
    ) -> Option<&'static Self> {
        // Together: a table that can no longer grow is asked to again and again,
        // and must not use up what is left for new stacks.
        let (buckets, samples) = arena.zeroed_pair(1_usize.checked_shl(buckets_log2)?)?;
        arena.place(Self {
            buckets_log2,
            home_shift: 64_u32.checked_sub(buckets_log2)?,
            mask: (buckets.len() as u64).wrapping_sub(1),
            buckets,
            samples,
            live: AtomicU64::new(0),
            older,
        })
    }

    /// Three quarters full: probing would grow long.
    fn is_crowded(&self) -> bool {
        let slots = (KEYS_PER_BUCKET as u64) << self.buckets_log2;
        // Relaxed: an estimate.
        self.live.load(Ordering::Relaxed) >= slots.wrapping_sub(slots >> 2)
    }

    #[inline(always)]
    fn home(&self, key: u64) -> u64 {
        // Fibonacci hashing: the high bits of the product depend on all of the key.
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_shr(self.home_shift)
    }

    /// The bucket `step` places after home, and its number.
    #[inline(always)]
    fn bucket(&self, home: u64, step: u64) -> Option<(&'static Bucket, usize)> {
        let number = (home.wrapping_add(step) & self.mask) as usize;
        Some((self.buckets.get(number)?, number))
    }

    fn cell(&self, bucket: usize, slot: usize) -> Option<&'static SampleCell> {
        self.samples.get(bucket)?.get(slot)
    }

    fn insert(&self, key: u64, sample: &LiveSample) -> bool {
        // Raised first, so that the level is never skipped while the key is in it.
        self.live.fetch_add(1, Ordering::Relaxed);
        let home = self.home(key);
        for step in 0..MAX_PROBES {
            let Some((bucket, number)) = self.bucket(home, step) else {
                break;
            };
            for (at, slot) in bucket.keys.iter().enumerate() {
                // A look first: an exchange takes the line away from its readers.
                if slot.load(Ordering::Relaxed) == EMPTY
                    && let Some(cell) = self.cell(number, at)
                    // Acquire pairs with the Release in `remove`.
                    && slot
                        .compare_exchange(EMPTY, RESERVED, Ordering::Acquire, Ordering::Relaxed)
                        .is_ok()
                {
                    cell.write(sample);
                    // Release pairs with the Acquire in `find`.
                    slot.store(key, Ordering::Release);
                    return true;
                }
            }
            // Relaxed, as everywhere: see "owner's own writes".
            bucket.passed.fetch_add(1, Ordering::Relaxed);
        }
        self.lower_passed(home, MAX_PROBES);
        self.live.fetch_sub(1, Ordering::Relaxed);
        false
    }

    #[inline(always)]
    fn find(&self, key: u64) -> Option<Slot> {
        let home = self.home(key);
        for step in 0..MAX_PROBES {
            let (bucket, number) = self.bucket(home, step)?;
            // Acquire pairs with the Release in `insert`.
            let is_it = |slot: &AtomicU64| slot.load(Ordering::Acquire) == key;
            if let Some(at) = bucket.keys.iter().position(is_it) {
                return Some(Slot {
                    key: bucket.keys.get(at)?,
                    cell: self.cell(number, at)?,
                    home,
                    passed: step,
                });
            }
            if bucket.passed.load(Ordering::Relaxed) == 0 {
                return None;
            }
        }
        None
    }

    fn remove(&self, key: u64) -> Option<LiveSample> {
        let slot = self.find(key)?;
        let sample = slot.cell.read();
        // Release pairs with the Acquire exchange in `insert`.
        slot.key.store(EMPTY, Ordering::Release);
        self.lower_passed(slot.home, slot.passed);
        // Lowered last, so that the level is never skipped too early.
        self.live.fetch_sub(1, Ordering::Relaxed);
        sample
    }

    fn samples(&self) -> impl Iterator<Item = LiveSample> {
        let slots = self
            .buckets
            .iter()
            .zip(self.samples)
            .flat_map(|(bucket, cells)| bucket.keys.iter().zip(cells));
        slots.filter_map(|(slot, cell)| {
            // Acquire pairs with the Release in `insert`: its sample is seen.
            let is_key = |key| key != EMPTY && key != RESERVED;
            // A look first: most of a large table is empty.
            if !is_key(slot.load(Ordering::Relaxed)) {
                return None;
            }
            cell.read_if(|| is_key(slot.load(Ordering::Acquire)))
        })
    }

    fn lower_passed(&self, home: u64, steps: u64) {
        for step in 0..steps {
            if let Some((bucket, _)) = self.bucket(home, step) {
                bucket.passed.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
