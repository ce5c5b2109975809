#![forbid(unsafe_code)]
//! From estimates back to samples, as a reader will scale them up again.

use std::iter::Sum;

use crate::counts::Counts;

/// Relative error of a reader's estimate up to which samples are shown as they
/// were taken. A record's objects differ in size by up to an eighth, and readers
/// know their mean alone.
const TOLERANCE: f64 = 0.01;

/// The figures of a record as the text has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sampled {
    pub(super) objects: i64,
    pub(super) bytes: i64,
}

impl Sum for Sampled {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), |sum, item| Self {
            objects: sum.objects + item.objects,
            bytes: sum.bytes + item.bytes,
        })
    }
}

/// Goes through the records of a column.
#[derive(Debug)]
pub(super) struct Unscaled {
    interval: u64,
    /// The part of a sample by which earlier records were rounded: in whole they
    /// stand for what they should.
    rest: f64,
}

impl Unscaled {
    pub(super) fn new(interval: u64) -> Self {
        Self {
            interval,
            rest: 0.0,
        }
    }

    /// The samples as they were taken, if a reader at the interval of now makes of
    /// them what was estimated; after a change of the interval, the number from
    /// which it does.
    pub(super) fn of(&mut self, counts: &Counts) -> Sampled {
        let (objects, bytes) = (counts.exact_objects(), counts.bytes as f64);
        if objects <= 0.0 || bytes <= 0.0 {
            return Sampled::default();
        }
        let taken = Sampled {
            objects: counts.samples,
            bytes: counts.sampled_bytes,
        };
        let (taken_objects, taken_bytes) = (taken.objects as f64, taken.bytes as f64);
        if taken.objects > 0 {
            let read = taken_bytes / self.chance(taken_bytes / taken_objects);
            if (read / bytes - 1.0).abs() <= TOLERANCE {
                return taken;
            }
        }
        let mean = bytes / objects;
        let wanted = objects * self.chance(mean) + self.rest;
        let rounded = wanted.round().max(0.0);
        self.rest = wanted - rounded;
        Sampled {
            objects: rounded as i64,
            bytes: (rounded * mean).round() as i64,
        }
    }

    /// That an object of such a size is sampled: what readers divide by.
    fn chance(&self, size: f64) -> f64 {
        if self.interval <= 1 {
            1.0
        } else {
            -(-size / self.interval as f64).exp_m1()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sampler::Weight;
    use crate::record::tally::Sums;

    /// So many samples of one size, taken at an interval.
    fn samples(count: usize, size: u64, interval: u64) -> Counts {
        let weight = Weight::of(size, interval);
        let one = Counts::of(&Sums::of_sample(
            size as usize,
            weight.objects,
            weight.bytes,
        ));
        (0..count).fold(Counts::default(), |sum, _| sum.plus(&one))
    }

    /// What a reader makes of it.
    fn scaled(sampled: Sampled, interval: u64) -> (f64, f64) {
        let (objects, bytes) = (sampled.objects as f64, sampled.bytes as f64);
        let scale = 1.0 / (1.0 - (-bytes / objects / interval as f64).exp());
        (objects * scale, bytes * scale)
    }

    #[test]
    fn samples_are_shown_as_they_were_taken() {
        for (size, interval) in [(64, 512 << 10), (1 << 20, 512 << 10), (8, 1)] {
            let sampled = Unscaled::new(interval).of(&samples(3, size, interval));
            let taken = Sampled {
                objects: 3,
                bytes: 3 * size as i64,
            };
            assert_eq!(sampled, taken);
        }
    }

    #[test]
    fn after_a_change_readers_find_the_estimate() {
        for (size, then, now) in [
            (64, 512 << 10, 4096),
            (64, 4096, 512 << 10),
            (1 << 20, 512 << 10, 4096),
            (300_000, 64 << 10, 512 << 10),
        ] {
            let counts = samples(20_000, size, then);
            let (objects, bytes) = scaled(Unscaled::new(now).of(&counts), now);
            assert!((objects / counts.exact_objects() - 1.0).abs() < 0.01);
            assert!((bytes / counts.bytes as f64 - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn switched_off_the_estimates_are_shown_themselves() {
        for interval in [0, 1] {
            let counts = samples(5, 64, 4096);
            let sampled = Unscaled::new(interval).of(&counts);
            assert_eq!(sampled.objects, counts.objects());
            assert!((sampled.bytes - counts.bytes).abs() <= 32);
        }
    }

    #[test]
    fn what_is_rounded_is_carried_on() {
        // A sample of each stands for an eighth of one at the interval of now.
        let (then, now) = (64 << 10, 512 << 10);
        let mut unscaled = Unscaled::new(now);
        let one = samples(1, 64, then);
        let all: Sampled = (0..800).map(|_| unscaled.of(&one)).sum();
        assert_eq!(all.objects, 100);
        assert_eq!(
            Unscaled::new(now).of(&Counts::default()),
            Sampled::default()
        );
    }
}
