#![forbid(unsafe_code)]
//! Sums over samples, what they stand for, and how far that may be off.

use std::ops::RangeInclusive;

use crate::estimate::Moments;
use crate::record::sampler::Variance;
use crate::record::tally::Sums;

/// Fractions of an object in [`Counts`]: objects are weighted in 1/1024ths,
/// because a weight of 1.58 rounded to 2 would be 26 % off.
pub(crate) const OBJECT_FRACTION: i64 = 1024;

/// By how much a sample's weight may have been rounded: half of a part of an
/// object, half a byte.
const OBJECT_ROUNDING: f64 = 0.5 / OBJECT_FRACTION as f64;
const BYTE_ROUNDING: f64 = 0.5;

/// Sums over samples: what was seen, what it stands for, and how far that may be
/// off.
///
/// Where every allocation was sampled (interval 1), figures are exact and all
/// errors 0. Where none was, estimates, errors and intervals are 0 as well,
/// although something may have been missed: of objects that are small against
/// the sample interval, with 95 % confidence less than 3.7 intervals' worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Samples taken.
    pub samples: i64,
    /// Bytes of those samples as they were asked for, unweighted.
    pub sampled_bytes: i64,
    /// Estimated number of objects, in 1/1024ths.
    pub(crate) objects_fixed: i64,
    /// Estimated number of bytes.
    pub bytes: i64,
    /// In objects² and objects³.
    objects_error: Moments,
    /// In bytes² and bytes³.
    bytes_error: Moments,
    /// Samples that the errors come from: those that came and those that went
    /// between two snapshots, otherwise all.
    involved: i64,
}

impl Counts {
    /// Estimated number of objects, to the nearest one.
    pub fn objects(&self) -> i64 {
        whole_objects(self.objects_fixed)
    }

    /// The same, not rounded.
    #[cfg(feature = "http")]
    pub(crate) fn exact_objects(&self) -> f64 {
        self.objects_fixed as f64 / OBJECT_FRACTION as f64
    }

    /// The standard error of [`objects`](Self::objects): the root of the sum, over
    /// samples, of (1 - p) / p², an unbiased estimate of the variance (Horvitz
    /// and Thompson, 1952).
    pub fn standard_error_objects(&self) -> f64 {
        self.objects_error.variance.sqrt()
    }

    /// The standard error of `bytes`: the root of the sum, over samples of s
    /// bytes, of s² (1 - p) / p².
    pub fn standard_error_bytes(&self) -> f64 {
        self.bytes_error.variance.sqrt()
    }

    /// The 95 % confidence interval of [`objects`](Self::objects), see
    /// [`confidence_interval_bytes`](Self::confidence_interval_bytes).
    pub fn confidence_interval_objects(&self) -> RangeInclusive<i64> {
        let value = self.objects_fixed as f64 / OBJECT_FRACTION as f64;
        self.interval(&self.objects_error, value, self.samples, OBJECT_ROUNDING)
    }

    /// The 95 % confidence interval of `bytes`: 95 of 100 such intervals hold the
    /// true number, a few more where there are few samples. From about 30 samples
    /// on it is 1.96 standard errors to either side; with fewer it is that of a
    /// Poisson number, and wider above than below. Its lower end is never below
    /// what was sampled.
    ///
    /// In the difference of two snapshots, that of memory in use is rather too
    /// wide, see [`Snapshot::since`](crate::Snapshot::since).
    pub fn confidence_interval_bytes(&self) -> RangeInclusive<i64> {
        let (value, sampled) = (self.bytes as f64, self.sampled_bytes);
        self.interval(&self.bytes_error, value, sampled, BYTE_ROUNDING)
    }

    /// Whether `bytes` is more, or less, than nothing with 95 % confidence: its
    /// [interval](Self::confidence_interval_bytes) does not hold 0. Of a difference of
    /// two snapshots, whether there was a change at all.
    pub fn is_beyond_noise(&self) -> bool {
        !self.confidence_interval_bytes().contains(&0)
    }

    /// Rounded outwards, and wider by what the weights were rounded by.
    fn interval(
        &self,
        error: &Moments,
        value: f64,
        sampled: i64,
        rounding: f64,
    ) -> RangeInclusive<i64> {
        // Weights of one are whole.
        let rounding = if error.variance > 0.0 {
            rounding * self.involved as f64
        } else {
            0.0
        };
        let bounds = |(low, high): (f64, f64)| {
            let (low, high) = (low - rounding, high + rounding);
            (low.floor() as i64, high.ceil() as i64)
        };
        if self.involved == self.samples {
            let (low, high) = bounds(error.interval(value));
            low.max(sampled)..=high
        } else {
            let (low, high) = bounds(error.interval_of_difference(value));
            low..=high
        }
    }

    /// Of one record, whose objects are about as large.
    pub(crate) fn of(sums: &Sums) -> Self {
        Self {
            samples: sums.samples.cast_signed(),
            sampled_bytes: sums.sampled_bytes.cast_signed(),
            objects_fixed: sums.objects.cast_signed(),
            bytes: sums.bytes.cast_signed(),
            ..Self::default()
        }
        .with_variance(sums.variance)
    }

    /// What is estimated without having been sampled.
    pub(crate) fn estimated(objects: i64, bytes: i64) -> Self {
        let objects_fixed = objects.saturating_mul(OBJECT_FRACTION);
        Self {
            objects_fixed,
            bytes,
            ..Self::default()
        }
    }

    /// Of other samples.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            sampled_bytes: self.sampled_bytes + other.sampled_bytes,
            objects_fixed: self.objects_fixed + other.objects_fixed,
            bytes: self.bytes + other.bytes,
            objects_error: self.objects_error.plus(&other.objects_error),
            bytes_error: self.bytes_error.plus(&other.bytes_error),
            involved: self.involved + other.involved,
        }
    }

    /// Without `part`, some of the samples of the same record: what is left has the
    /// error of the samples that are left, and none if none is.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let left = self.minus(part);
        if left.samples == 0 {
            return left;
        }
        // Sums of floats: a little less than nothing may seem to be left.
        let variance = |all: &Moments, part: &Moments| (all.variance - part.variance).max(0.0);
        left.with_variance(Variance {
            objects: variance(&self.objects_error, &part.objects_error),
            bytes: variance(&self.bytes_error, &part.bytes_error),
        })
    }

    /// The growth of a record's memory in use from `earlier` to this, `allocated`
    /// being the samples that came between the two.
    ///
    /// Samples that were in use all the time cancel out, error and all, and so do
    /// those that came and went. What is left is known to be at most all that came
    /// and all that went, and at most all that were in use at either end: the
    /// smaller of the two is the error.
    pub(crate) fn growth_since(&self, earlier: &Self, allocated: &Self) -> Self {
        let growth = |now: Moments, then: Moments, came: Moments| {
            let went = (came.variance - (now.variance - then.variance)).max(0.0);
            let variance = (came.variance + went).min(now.variance + then.variance);
            if variance == 0.0 {
                return Moments::default();
            }
            let all = now.plus(&then).plus(&came);
            Moments {
                variance,
                third: variance * all.weight(),
                ..all
            }
        };
        let change = self.minus(earlier);
        let went = (allocated.samples - change.samples).max(0);
        Self {
            objects_error: growth(
                self.objects_error,
                earlier.objects_error,
                allocated.objects_error,
            ),
            bytes_error: growth(self.bytes_error, earlier.bytes_error, allocated.bytes_error),
            involved: (allocated.samples + went).min(self.samples + earlier.samples),
            ..change
        }
    }

    /// The difference, its error left out.
    fn minus(&self, other: &Self) -> Self {
        Self {
            samples: self.samples - other.samples,
            sampled_bytes: self.sampled_bytes - other.sampled_bytes,
            objects_fixed: self.objects_fixed - other.objects_fixed,
            bytes: self.bytes - other.bytes,
            ..Self::default()
        }
    }

    /// The same with such an error, of samples that are all of about one size.
    fn with_variance(self, variance: Variance) -> Self {
        let samples = self.samples as f64;
        Self {
            objects_error: Moments::of_one_weight(
                variance.objects,
                self.objects_fixed as f64 / OBJECT_FRACTION as f64,
                samples,
                samples,
                samples * OBJECT_ROUNDING,
            ),
            bytes_error: Moments::of_one_weight(
                variance.bytes,
                self.bytes as f64,
                self.sampled_bytes as f64,
                samples,
                samples * BYTE_ROUNDING,
            ),
            involved: self.samples,
            ..self
        }
    }
}

/// To the nearest one, of fractions of an object.
pub(crate) fn whole_objects(fractions: i64) -> i64 {
    (fractions + OBJECT_FRACTION / 2).div_euclid(OBJECT_FRACTION)
}

#[cfg(test)]
mod tests;
