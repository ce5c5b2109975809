use super::*;

/// Garwood's intervals, as tabulated.
#[test]
fn poisson_intervals_agree_with_the_tables() {
    for (count, low, high) in [
        (0.0, 0.0, 3.689),
        (1.0, 0.0253, 5.572),
        (2.0, 0.242, 7.225),
        (5.0, 1.623, 11.668),
        (10.0, 4.795, 18.390),
        (20.0, 12.217, 30.888),
        (29.0, 19.422, 41.649),
    ] {
        let (near_low, near_high) = poisson_interval(count);
        assert!((near_low - low).abs() < 0.03, "{count}: {near_low}");
        assert!((near_high - high).abs() < 0.03, "{count}: {near_high}");
    }
}

/// The true mean lies in the interval of at least 95 % of all counts, whatever
/// the mean, and of not many more once counts are taken for normal.
#[test]
fn intervals_cover_poisson_numbers() {
    for tenths in (1..=2_000).step_by(7) {
        let mean = f64::from(tenths) / 10.0;
        let mut probability = (-mean).exp();
        let mut covered = 0.0;
        for count in 0..400 {
            let count = f64::from(count);
            // Objects of 1 byte that each stand for 1000.
            let estimate = Estimate {
                value: count * 1000.0,
                certain: count,
                variance: count * 1000.0 * 999.0,
                samples: count,
                rounding: 0.0,
            };
            let (low, high) = estimate.interval();
            if (low..=high).contains(&(mean * 1000.0)) {
                covered += probability;
            }
            probability *= mean / (count + 1.0);
        }
        // Below 3.7, no sample at all is a likely outcome, and says nothing.
        let least = if mean < 3.7 { 1.0 - (-mean).exp() } else { 1.0 };
        assert!(covered >= 0.93_f64.min(least - 0.05), "{mean}: {covered}");
        assert!(mean < 40.0 || covered < 0.97, "{mean}: {covered}");
    }
}

/// One large block that is certain does not make the rest so.
#[test]
fn certain_parts_do_not_hide_how_few_the_samples_are() {
    let few = Estimate {
        value: 5.0 * 1000.0,
        certain: 5.0,
        variance: 5.0 * 1000.0 * 999.0,
        samples: 5.0,
        rounding: 0.0,
    };
    let with_large = Estimate {
        value: few.value + 1e9,
        certain: few.certain + 1e9,
        samples: 6.0,
        ..few
    };
    let (low, high) = few.interval();
    let (low_with, high_with) = with_large.interval();
    assert!((low_with - low - 1e9).abs() < 1.0);
    assert!((high_with - high - 1e9).abs() < 1.0);
}

/// 100 objects that are each missed once in 20,000 times: their weights round to
/// 1, but one more cannot be excluded.
#[test]
fn rounded_weights_do_not_claim_certainty() {
    let (low, high) = Estimate {
        value: 100.0,
        certain: 100.0,
        variance: 100.0 * 5e-5,
        samples: 100.0,
        rounding: 0.5 / 1024.0,
    }
    .interval();
    assert_eq!(low, 100.0);
    assert!((103.0..104.0).contains(&high), "{high}");
}

/// Signs do not matter to a difference, and few samples have far limits.
#[test]
fn differences_reach_as_far_on_both_sides() {
    let difference = |value, samples: f64| Estimate {
        value,
        certain: 0.0,
        variance: samples * 1e6,
        samples,
        rounding: 0.0,
    };
    assert_eq!(
        difference(-50e3, 100.0).interval_of_difference(),
        (-50e3 - 19_599.64, -50e3 + 19_599.64)
    );
    let (low, high) = difference(0.0, 4.0).interval_of_difference();
    assert!((high - 6_242.0).abs() < 50.0 && low == -high, "{high}");
    assert_eq!(difference(0.0, 0.0).interval_of_difference(), (0.0, 0.0));
}
