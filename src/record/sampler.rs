//! When to sample and what a sample stands for: pure arithmetic.
//!
//! Memory is seen as a stream of bytes with a Poisson process of marks on it,
//! on average one mark every R bytes (R is the sample interval). An allocation
//! is sampled if a mark falls on one of its bytes, so one of s bytes is sampled
//! with probability p = 1 - exp(-s / R):
//!
//! | s     | p at R = 512 KiB |
//! |-------|------------------|
//! | 64 B  | 0.000122         |
//! | 512 KiB | 0.632          |
//! | 8 MiB | 0.9999999        |
//!
//! A sample stands for 1/p objects and s/p bytes, which makes every sum an
//! unbiased estimate (Horvitz and Thompson, 1952). Gaps between marks are
//! exponential, hence without memory: after a sample, or a change of R, a new
//! gap may simply be drawn.

/// Sampling is off.
pub(crate) const OFF: u64 = 0;
/// Every allocation is sampled, with a weight of exactly one.
pub(crate) const EVERY_ALLOCATION: u64 = 1;

/// Parts of an object in [`Weight::objects`]. A weight of 1.58 rounded to 2
/// would be 26 % off.
pub(crate) const OBJECT_FRACTION: u64 = 1024;

/// Weights end here, so that sums of many stay far from overflow.
const WEIGHT_LIMIT: f64 = (1_u64 << 62) as f64;

/// What one sample stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Objects, in 1/1024ths.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

impl Weight {
    /// The weight of a sampled allocation of `size` bytes, at the interval that
    /// its gap was drawn with.
    pub(crate) fn of(size: u64, interval: u64) -> Self {
        if interval <= EVERY_ALLOCATION {
            return Self {
                objects: OBJECT_FRACTION,
                bytes: size,
            };
        }
        let probability = -(-(size as f64) / interval as f64).exp_m1();
        Self {
            objects: (OBJECT_FRACTION as f64 / probability)
                .round()
                .min(WEIGHT_LIMIT) as u64,
            bytes: (size as f64 / probability).round().min(WEIGHT_LIMIT) as u64,
        }
    }
}

/// How far the estimates of one sample, or of several, may be off: the unbiased
/// estimate of their variance (Horvitz and Thompson, 1952).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Variance {
    /// In objects².
    pub(crate) objects: f64,
    /// In bytes².
    pub(crate) bytes: f64,
}

impl Variance {
    /// Of one sample of `size` bytes that stands for `bytes`: s²(1 - p)/p², which
    /// is w(w - s) since w = s/p; for objects, the same divided by s². Exactly 0
    /// if the sample stands for itself alone.
    pub(crate) fn of_sample(size: u64, bytes: u64) -> Self {
        let (size, weight) = (size as f64, bytes as f64);
        let bytes = weight * (weight - size).max(0.0);
        Self {
            objects: bytes / (size * size).max(1.0),
            bytes,
        }
    }
}

/// Bytes until the next mark: the next allocation may take this many bytes
/// without being sampled; one byte more and it is.
pub(crate) fn draw_gap(interval: u64, random: &mut Random) -> u64 {
    if interval <= EVERY_ALLOCATION {
        return 0;
    }
    // The cast rounds down: P(gap < s) for a whole s is then exactly 1 - exp(-s / R).
    (-random.unit().ln() * interval as f64) as u64
}

/// SplitMix64 (Steele, Lea and Flood, 2014): eight bytes of state, no multiplication
/// chain to wait for, and good in every bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1]: never 0, whose logarithm is infinite.
    fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        ((self.next() >> 11) as f64 + 1.0) * STEP
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
