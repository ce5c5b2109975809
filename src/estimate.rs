#![forbid(unsafe_code)]
//! How far an estimate may be off: pure arithmetic.
//!
//! Sampled objects are there for certain; what was not sampled is estimated, and
//! all of the variance is in that part. If it comes from objects that each stand
//! for `w`, sampled rarely, then their number is a Poisson number: variance over
//! estimate gives `w`, and estimate over `w` their number. With objects of
//! several weights it is the gamma interval of Fay and Feuer ("Confidence
//! intervals for directly standardized rates", Statistics in Medicine 16, 1997),
//! with the weight that an average part of the variance has.

/// 95 % of a normal distribution lie within so many standard deviations.
const Z_95: f64 = 1.959_964;

/// From this count on, a Poisson number is taken for a normal one.
const MANY: f64 = 30.0;

/// An estimate with what is known of its error, in any unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    /// What was sampled, and so is certainly there.
    pub(crate) certain: f64,
    pub(crate) variance: f64,
    pub(crate) samples: f64,
    /// By how much the weight of one sample may have been rounded.
    pub(crate) rounding: f64,
}

impl Estimate {
    /// The 95 % confidence interval: exact for a Poisson number (Garwood, 1936)
    /// where there are few samples, normal where there are many.
    pub(crate) fn interval(&self) -> (f64, f64) {
        if self.variance <= 0.0 {
            return (self.value, self.value);
        }
        let rounding = self.rounding();
        let uncertain = self.value - self.certain;
        // What one of the rare objects stands for. Rounded weights may say that
        // there is nothing uncertain; then, what an average sample stands for.
        let weight = if uncertain > rounding {
            self.variance / uncertain
        } else {
            self.value / self.samples.max(1.0)
        };
        let count = self.variance / (weight * weight);
        let (low, high) = if count >= MANY {
            let reach = Z_95 * self.variance.sqrt();
            (self.value - reach, self.value + reach)
        } else {
            let (low, high) = poisson_interval(count);
            let base = self.value - count * weight;
            (base + low * weight, base + high * weight)
        };
        ((low - rounding).max(self.certain), high + rounding)
    }

    /// The same for the difference of two estimates, in which samples that came
    /// and samples that went both count: as far to each side as the farther.
    pub(crate) fn interval_of_difference(&self) -> (f64, f64) {
        let count = self.samples.max(1.0);
        let reach = if count >= MANY {
            Z_95 * self.variance.sqrt()
        } else {
            let (_, high) = poisson_interval(count);
            (high - count) * (self.variance / count).sqrt()
        };
        let reach = reach + self.rounding();
        (self.value - reach, self.value + reach)
    }

    fn rounding(&self) -> f64 {
        self.samples * self.rounding
    }
}

/// Between these lies, with 95 % confidence or a little more, the mean of the
/// Poisson distribution that `count` was drawn from: half the 2.5 % quantile of
/// chi-squared with 2n degrees of freedom, and half the 97.5 % quantile with
/// 2n + 2.
fn poisson_interval(count: f64) -> (f64, f64) {
    let low = if count > 0.0 {
        chi_squared_quantile(-Z_95, 2.0 * count) / 2.0
    } else {
        0.0
    };
    (low, chi_squared_quantile(Z_95, 2.0 * count + 2.0) / 2.0)
}

/// Wilson and Hilferty (1931): the cube root of chi-squared is nearly normal. For
/// 2 degrees of freedom and more within 0.04 of the exact value.
fn chi_squared_quantile(z: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    degrees * (1.0 - spread + z * spread.sqrt()).max(0.0).powi(3)
}

#[cfg(test)]
mod tests;
