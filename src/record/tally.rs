//! Running sums over samples, as they are and as estimates.
//!
//! Every sample is unbiased by its own weight, then summed. The other way
//! round, a stack with a million objects of 8 bytes and one of 8 MiB would show
//! 25 objects. The variance of an estimate is estimated the same way, sample by
//! sample: the interval may change, and one tally holds objects of several
//! sizes, so it could not be computed from the other sums.
//!
//! # Atomic orderings
//! The counters of one tally form a sequence lock with any number of writers. A
//! writer raises `started`, adds with Release, then raises `samples` with
//! Release. A reader reads `samples`, the sums, then `started`, all Acquire. A
//! sum that holds a writer's share brings that writer's `started` with it, so
//! `started == samples` means: the sums hold all of `samples` writers, and
//! nothing of any other.

use super::sampler::{OBJECT_FRACTION, Variance};
use super::sync::{AtomicU64, Ordering};

/// Reads of moving counters before they are taken as they are.
#[cfg(not(loom))]
const READ_ATTEMPTS: u32 = 100;
#[cfg(loom)]
const READ_ATTEMPTS: u32 = 1;

/// See the module's description.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Tally {
    /// Samples whose addition has begun.
    started: AtomicU64,
    /// Samples whose addition is complete.
    samples: AtomicU64,
    sampled_bytes: AtomicU64,
    /// What the samples stand for beyond themselves, and how sure that is. Nothing
    /// where every allocation is sampled: such samples add to the first three alone.
    objects_beyond: AtomicU64,
    bytes_beyond: AtomicU64,
    objects_variance: AtomicF64,
    bytes_variance: AtomicF64,
}

/// What one sample adds, or a tally as read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) samples: u64,
    /// Bytes as they were asked for, unweighted.
    pub(crate) sampled_bytes: u64,
    /// Estimated objects, in 1/1024ths.
    pub(crate) objects: u64,
    /// Estimated bytes.
    pub(crate) bytes: u64,
    /// Estimated variance of the two.
    pub(crate) variance: Variance,
}

impl Sums {
    /// What one sample stands for. A function of these three alone, so that a
    /// free takes off exactly what its allocation added.
    pub(crate) fn of_sample(size: usize, objects: u64, bytes: u64) -> Self {
        Self {
            samples: 1,
            sampled_bytes: size as u64,
            objects,
            bytes,
            variance: Variance::of_sample(size as u64, bytes),
        }
    }

    /// Estimated objects, in 1/1024ths, and bytes beyond those of the samples: none
    /// where every allocation is sampled.
    pub(super) fn beyond_samples(&self) -> (u64, u64) {
        (
            self.objects.wrapping_sub(in_fractions(self.samples)),
            self.bytes.wrapping_sub(self.sampled_bytes),
        )
    }

    /// The sums that these are of.
    pub(super) fn of_parts(
        samples: u64,
        sampled_bytes: u64,
        (objects_beyond, bytes_beyond): (u64, u64),
        variance: Variance,
    ) -> Self {
        Self {
            samples,
            sampled_bytes,
            objects: in_fractions(samples).wrapping_add(objects_beyond),
            bytes: sampled_bytes.wrapping_add(bytes_beyond),
            variance,
        }
    }

    /// Without `part`, which some of the samples made: nothing is left of none.
    pub(crate) fn without(&self, part: &Self) -> Self {
        if self.samples <= part.samples {
            return Self::default();
        }
        let mut part = *part;
        part.limit_to(self);
        Self {
            samples: self.samples.wrapping_sub(part.samples),
            sampled_bytes: self.sampled_bytes.wrapping_sub(part.sampled_bytes),
            objects: self.objects.wrapping_sub(part.objects),
            bytes: self.bytes.wrapping_sub(part.bytes),
            variance: Variance {
                objects: self.variance.objects - part.variance.objects,
                bytes: self.variance.bytes - part.variance.bytes,
            },
        }
    }

    /// Lowers what is more than in `most`.
    pub(super) fn limit_to(&mut self, most: &Self) {
        self.samples = self.samples.min(most.samples);
        self.sampled_bytes = self.sampled_bytes.min(most.sampled_bytes);
        self.objects = self.objects.min(most.objects);
        self.bytes = self.bytes.min(most.bytes);
        self.variance.objects = self.variance.objects.min(most.variance.objects);
        self.variance.bytes = self.variance.bytes.min(most.variance.bytes);
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            started: zero(),
            samples: zero(),
            sampled_bytes: zero(),
            objects_beyond: zero(),
            bytes_beyond: zero(),
            objects_variance: AtomicF64(zero()),
            bytes_variance: AtomicF64(zero()),
        }
    }

    pub(super) fn add(&self, sums: &Sums) {
        // Relaxed: carried along by the Releases that follow.
        self.started.fetch_add(sums.samples, Ordering::Relaxed);
        // Release pairs with the Acquires in `read_once`, here and in `AtomicF64`.
        self.sampled_bytes
            .fetch_add(sums.sampled_bytes, Ordering::Release);
        let add = |sum: &AtomicU64, amount| {
            if amount != 0 {
                sum.fetch_add(amount, Ordering::Release);
            }
        };
        let (objects_beyond, bytes_beyond) = sums.beyond_samples();
        add(&self.objects_beyond, objects_beyond);
        add(&self.bytes_beyond, bytes_beyond);
        self.objects_variance.add(sums.variance.objects);
        self.bytes_variance.add(sums.variance.bytes);
        self.samples.fetch_add(sums.samples, Ordering::Release);
    }

    /// The sums, and whether they belong together.
    fn read_once(&self) -> (Sums, bool) {
        // Acquire pairs with the Releases in `add`.
        let samples = self.samples.load(Ordering::Acquire);
        let sampled_bytes = self.sampled_bytes.load(Ordering::Acquire);
        let objects_beyond = self.objects_beyond.load(Ordering::Acquire);
        let bytes_beyond = self.bytes_beyond.load(Ordering::Acquire);
        let variance = Variance {
            objects: self.objects_variance.load(),
            bytes: self.bytes_variance.load(),
        };
        let beyond = (objects_beyond, bytes_beyond);
        let sums = Sums::of_parts(samples, sampled_bytes, beyond, variance);
        (sums, self.started.load(Ordering::Relaxed) == sums.samples)
    }

    pub(super) fn read(&self) -> (Sums, bool) {
        for _ in 1..READ_ATTEMPTS {
            let (sums, whole) = self.read_once();
            if whole {
                return (sums, true);
            }
        }
        self.read_once()
    }
}

/// So many objects, in 1/1024ths.
fn in_fractions(objects: u64) -> u64 {
    objects.wrapping_mul(OBJECT_FRACTION)
}

/// A sum of floats, as bits in an integer: squares of weights outgrow 64 bits.
#[derive(Debug)]
struct AtomicF64(AtomicU64);

impl AtomicF64 {
    fn add(&self, amount: f64) {
        // At interval 1 there is no error to add.
        if amount == 0.0 {
            return;
        }
        // Relaxed: what is read here is checked by the exchange.
        let mut old = self.0.load(Ordering::Relaxed);
        // Release, as an addition would have: pairs with the Acquire in `load`.
        while let Err(newer) = self.0.compare_exchange_weak(
            old,
            (f64::from_bits(old) + amount).to_bits(),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            // Another thread's share came between; add to that.
            old = newer;
        }
    }

    fn load(&self) -> f64 {
        // Acquire pairs with the Release in `add`.
        f64::from_bits(self.0.load(Ordering::Acquire))
    }
}
