#![forbid(unsafe_code)]
//! How far an estimate may be off: pure arithmetic.
//!
//! Objects of one size that are rarely sampled, each sample standing for w of
//! them, are w times a Poisson number: w is what variance over estimate gives.
//! What was sampled is there for certain, so all of the error is in the rest.
//!
//! A sum over several sizes is taken for a constant plus one such multiple, with
//! the variance and the skewness of the sum (Dobson, Kuulasmaa, Eberle and
//! Scherer, "Confidence intervals for weighted sums of Poisson parameters",
//! Statistics in Medicine 10, 1991, who do it without the skewness). A few
//! samples that stand for many objects each are then not taken for certain
//! because there are many others that stand for few. And since such samples may
//! well be missing, the upper limit is found as if there were one more of the
//! heaviest (Fay and Feuer, "Confidence intervals for directly standardized
//! rates", Statistics in Medicine 16, 1997). For samples of one weight this is
//! the exact interval of a Poisson number (Garwood, 1936).

/// 95 % of a normal distribution lie within so many standard deviations.
const Z_95: f64 = 1.959_964;

/// From this count on, a Poisson number is taken for a normal one.
const MANY: f64 = 30.0;

/// The error of an estimate: its second and third central moments, and the most
/// that one sample stands for beyond itself (w - s; where weights differ, the mean
/// that gives more to the heavy ones).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) variance: f64,
    pub(crate) third: f64,
    pub(crate) heaviest: f64,
}

impl Moments {
    /// Of samples that all stand for about as much, by the estimate, what of it
    /// is certain, and how far the weights may be rounded altogether.
    pub(crate) fn of_one_weight(
        variance: f64,
        value: f64,
        certain: f64,
        samples: f64,
        rounding: f64,
    ) -> Self {
        let uncertain = value - certain;
        // Rounded weights may say that nothing is uncertain. Then, what an average
        // sample stands for.
        let weight = if uncertain > rounding {
            variance / uncertain
        } else {
            value / samples.max(1.0)
        };
        Self {
            variance,
            third: variance * weight,
            heaviest: if value > 0.0 { variance / value } else { 0.0 },
        }
    }

    /// Of a sum of independent estimates.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            variance: self.variance + other.variance,
            third: self.third + other.third,
            heaviest: self.heaviest.max(other.heaviest),
        }
    }

    /// The 95 % interval around `value`.
    pub(crate) fn interval(&self, value: f64) -> (f64, f64) {
        (value - self.reach_down(), value + self.reach_up())
    }

    /// The same around a difference, in which samples that went count negative:
    /// as far to each side as the farther.
    pub(crate) fn interval_of_difference(&self, value: f64) -> (f64, f64) {
        let reach = self.reach_down().max(self.reach_up());
        (value - reach, value + reach)
    }

    fn reach_down(&self) -> f64 {
        self.reach(-Z_95)
    }

    fn reach_up(&self) -> f64 {
        let (weight, count) = self.weight_and_count();
        if count == 0.0 || count >= MANY {
            return self.reach(Z_95);
        }
        let one_more = self.heaviest.max(weight);
        let with_one_more = self.plus(&Self {
            variance: one_more.powi(2),
            third: one_more.powi(3),
            heaviest: one_more,
        });
        let (weight, count) = with_one_more.weight_and_count();
        one_more + weight * (gamma_quantile(Z_95, count) - count)
    }

    fn reach(&self, z: f64) -> f64 {
        let (weight, count) = self.weight_and_count();
        if count == 0.0 || count >= MANY {
            Z_95 * self.variance.sqrt()
        } else {
            (weight * (gamma_quantile(z, count) - count)).abs()
        }
    }

    /// So many samples of such a weight have the same moments.
    fn weight_and_count(&self) -> (f64, f64) {
        let weight = self.weight();
        if weight > 0.0 {
            (weight, self.variance / weight.powi(2))
        } else {
            (0.0, 0.0)
        }
    }

    /// What a sample stands for, weighed by its part in the variance.
    pub(crate) fn weight(&self) -> f64 {
        if self.variance > 0.0 {
            self.third / self.variance
        } else {
            0.0
        }
    }
}

/// Of the gamma distribution with such a shape, which is half of chi-squared with
/// twice as many degrees of freedom. Wilson and Hilferty (1931): its cube root is
/// nearly normal. For shapes of 1 and more within 0.03 of the exact value.
fn gamma_quantile(z: f64, shape: f64) -> f64 {
    let spread = 1.0 / (9.0 * shape);
    shape * (1.0 - spread + z * spread.sqrt()).max(0.0).powi(3)
}

#[cfg(test)]
mod tests;
