//! One level of the [live table](super): a hash table that keeps its size.
//!
//! ```text
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
//! # Atomic orderings
//! - *Owner's own writes.* Relaxed serves them, as the table says.
//! - *Slot reuse.* A remove reads the sample, then clears the key with Release;
//!   the exchange that takes the empty slot is an Acquire and pairs with it, so
//!   the next owner's writes cannot reach the former owner's reads.

use super::sample::{LiveSample, SampleCell};
use crate::record::arena::{Arena, Zeroed};
use crate::record::sync::{AtomicU64, Ordering};

#[cfg(not(loom))]
pub(super) const KEYS_PER_BUCKET: usize = 7;
/// Small, so that models reach full buckets and growth.
#[cfg(loom)]
pub(super) const KEYS_PER_BUCKET: usize = 1;

pub(super) const EMPTY: u64 = 0;
/// Taken, its sample not yet written. The null pointer alone is kept as this.
const RESERVED: u64 = u64::MAX;

/// Buckets an insert tries before it gives the level up as full.
#[cfg(not(loom))]
const MAX_PROBES: u64 = 32;
#[cfg(loom)]
const MAX_PROBES: u64 = 2;

/// A pointer as it is kept: no leak checker that looks through memory for pointers
/// is to find one here, and call a lost block reachable.
pub(super) fn kept(key: usize) -> u64 {
    !(key as u64)
}

#[derive(Debug)]
pub(super) struct Level {
    pub(super) buckets_log2: u32,
    /// What leaves so many bits of a hash.
    home_shift: u32,
    /// The number of buckets less one.
    mask: u64,
    pub(super) buckets: &'static [Bucket],
    samples: &'static [[SampleCell; KEYS_PER_BUCKET]],
    /// Entries, and inserts and removes under way.
    pub(super) live: AtomicU64,
    pub(super) older: Option<&'static Self>,
}

#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub(super) keys: [AtomicU64; KEYS_PER_BUCKET],
    /// Entries that live further on because this bucket was full.
    pub(super) passed: AtomicU64,
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

/// Where a key was found.
pub(super) struct Slot {
    key: &'static AtomicU64,
    pub(super) cell: &'static SampleCell,
    home: u64,
    /// Buckets passed on the way from home.
    passed: u64,
}

impl Level {
    pub(super) fn new(
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
    pub(super) fn is_crowded(&self) -> bool {
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

    pub(super) fn insert(&self, key: u64, sample: &LiveSample) -> bool {
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
    pub(super) fn find(&self, key: u64) -> Option<Slot> {
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

    pub(super) fn remove(&self, key: u64) -> Option<LiveSample> {
        let slot = self.find(key)?;
        let sample = slot.cell.read();
        // Release pairs with the Acquire exchange in `insert`.
        slot.key.store(EMPTY, Ordering::Release);
        self.lower_passed(slot.home, slot.passed);
        // Lowered last, so that the level is never skipped too early.
        self.live.fetch_sub(1, Ordering::Relaxed);
        sample
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = LiveSample> {
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
