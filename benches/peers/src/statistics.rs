//! Medians, and how sure they are: percentile bootstrap over rounds (Efron, 1979).

/// So many times the rounds are drawn anew.
const RESAMPLES: usize = 4_000;

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    pub(crate) fn of_median(rounds: &[f64]) -> Self {
        let at = |order: &[usize]| median(order.iter().map(|&round| rounds[round]).collect());
        Self::bootstrap(rounds.len(), at)
    }

    /// Of the medians of several workloads, which went through the same rounds.
    pub(crate) fn of_geometric_mean(workloads: &[Vec<f64>]) -> Self {
        let rounds = workloads.iter().map(Vec::len).min().unwrap_or(0);
        let at = |order: &[usize]| {
            let logarithms = workloads
                .iter()
                .map(|workload| median(order.iter().map(|&round| workload[round]).collect()).ln());
            (logarithms.sum::<f64>() / workloads.len() as f64).exp()
        };
        Self::bootstrap(rounds, at)
    }

    fn bootstrap(rounds: usize, statistic: impl Fn(&[usize]) -> f64) -> Self {
        let mut order: Vec<usize> = (0..rounds).collect();
        let value = statistic(&order);
        // SplitMix64, with a fixed seed: the same runs give the same report.
        let mut state = 0_u64;
        let mut random = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        let mut drawn: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                order.fill_with(|| (random() >> 32) as usize % rounds.max(1));
                statistic(&order)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let quantile = |q: f64| drawn[(q * (RESAMPLES - 1) as f64).round() as usize];
        Self {
            value,
            low: quantile(0.025),
            high: quantile(0.975),
        }
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.as_slice() {
        [] => f64::NAN,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!(median(Vec::new()).is_nan());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn intervals_hold_the_estimate_and_narrow_with_the_spread() {
        let wide = Estimate::of_median(&[0.8, 0.9, 1.0, 1.1, 1.2]);
        assert_eq!(wide.value, 1.0);
        assert!(wide.low <= 0.9 && wide.high >= 1.1, "{wide:?}");
        let narrow = Estimate::of_median(&[0.99, 1.0, 1.0, 1.0, 1.01]);
        assert!(narrow.low >= 0.99 && narrow.high <= 1.01, "{narrow:?}");
    }

    #[test]
    fn geometric_means() {
        let mean = Estimate::of_geometric_mean(&[vec![2.0; 3], vec![0.5; 3]]);
        assert!((mean.value - 1.0).abs() < 1e-12 && (mean.high - 1.0).abs() < 1e-12);
    }
}
