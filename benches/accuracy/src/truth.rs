//! What really was allocated and is in use, and how far an unbiased estimate of
//! it may be off.

/// Two figures: objects and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// Objects.
    pub objects: f64,
    /// Bytes.
    pub bytes: f64,
}

/// The truth about objects of known sizes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Truth {
    /// How much there is.
    pub value: Pair,
    /// The variance of an estimate: of objects with probability p, the sum of
    /// (1 - p) / p, and of s² times as much.
    pub variance: Pair,
    /// The third moment, nearly: the sum of (1 - p) / p², and of s³ times as much.
    pub third: Pair,
    /// The number of samples expected: the sum of p.
    pub samples: f64,
}

impl Truth {
    /// Adds `objects` of one size that were allocated at such an interval;
    /// negative: takes them off again.
    pub fn add(&mut self, objects: f64, size: usize, interval: u64) {
        let size = size as f64;
        let p = if interval <= 1 {
            1.0
        } else {
            -(-size / interval as f64).exp_m1()
        };
        self.value.objects += objects;
        self.value.bytes += objects * size;
        let variance = objects * (1.0 - p) / p;
        self.variance.objects += variance;
        self.variance.bytes += variance * size * size;
        self.third.objects += variance / p;
        self.third.bytes += variance / p * size.powi(3);
        self.samples += objects * p;
    }

    /// The sum with `other` taken so many times.
    pub fn plus(&self, other: &Self, times: f64) -> Self {
        let plus = |a: Pair, b: Pair| Pair {
            objects: a.objects + times * b.objects,
            bytes: a.bytes + times * b.bytes,
        };
        Self {
            value: plus(self.value, other.value),
            variance: plus(self.variance, other.variance),
            third: plus(self.third, other.third),
            samples: self.samples + times * other.samples,
        }
    }

    /// As many samples of one weight have the same skewness. With fewer than 30 an
    /// interval cannot hold the truth in just 95 % of all runs: it is for a few
    /// discrete outcomes to be inside or outside.
    pub fn effective_samples(&self) -> Pair {
        let effective = |variance: f64, third: f64| {
            if third > 0.0 {
                variance.powi(3) / third.powi(2)
            } else {
                0.0
            }
        };
        Pair {
            objects: effective(self.variance.objects, self.third.objects),
            bytes: effective(self.variance.bytes, self.third.bytes),
        }
    }
}
