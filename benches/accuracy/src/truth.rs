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
    /// What is expected not to be sampled: the sum of 1 - p, and of s times as much.
    pub unsampled: Pair,
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
        self.unsampled.objects += objects * (1.0 - p);
        self.unsampled.bytes += objects * (1.0 - p) * size;
        self.samples += objects * p;
    }

    /// As many samples as a Poisson number has whose relative error is that of
    /// the part that is not certain. With fewer than 30 an interval cannot hold the
    /// truth in just 95 % of all runs: it is for a few discrete outcomes to be
    /// inside or outside.
    pub fn effective_samples(&self) -> Pair {
        let effective = |unsampled: f64, variance: f64| {
            if variance > 0.0 {
                unsampled * unsampled / variance
            } else {
                0.0
            }
        };
        Pair {
            objects: effective(self.unsampled.objects, self.variance.objects),
            bytes: effective(self.unsampled.bytes, self.variance.bytes),
        }
    }
}
