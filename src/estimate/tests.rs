use super::*;

/// The error of so many objects of a byte, each of which stands for 1000.
fn error(samples: f64) -> Moments {
    let (value, rounding) = (samples * 1000.0, samples * 0.5);
    Moments::of_one_weight(samples * 1000.0 * 999.0, value, samples, samples, rounding)
}

/// Garwood's intervals, as tabulated.
#[test]
fn poisson_intervals_agree_with_the_tables() {
    for (count, low, high) in [
        (1.0, 0.0253, 5.572),
        (2.0, 0.242, 7.225),
        (5.0, 1.623, 11.668),
        (10.0, 4.795, 18.390),
        (20.0, 12.217, 30.888),
        (29.0, 19.422, 41.649),
    ] {
        let sample = |samples| Moments {
            variance: samples,
            third: samples,
            heaviest: 1.0,
        };
        let (near_low, near_high) = sample(count).interval(count);
        assert!((near_low - low).abs() < 0.03, "{count}: {near_low}");
        assert!((near_high - high).abs() < 0.03, "{count}: {near_high}");
    }
}

/// The true mean lies in the interval of at least 95 % of all counts, or nearly,
/// whatever the mean; and of not many more once counts are taken for normal.
#[test]
fn intervals_cover_poisson_numbers() {
    for tenths in (1..=2_000).step_by(7) {
        let mean = f64::from(tenths) / 10.0;
        let mut probability = (-mean).exp();
        let mut covered = 0.0;
        for count in 0..400 {
            let count = f64::from(count);
            let (low, high) = error(count).interval(count * 1000.0);
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

/// What is certain, or nearly so, does not hide how few the other samples are.
#[test]
fn few_samples_stay_few_among_many_that_are_certain() {
    let (low, high) = error(5.0).interval(0.0);
    let certain = Moments::of_one_weight(0.0, 1e9, 1e9, 1e6, 0.0);
    let light = Moments::of_one_weight(1e4, 1e6, 0.99e6, 1e6, 0.0);
    let (low_with, high_with) = error(5.0).plus(&certain).plus(&light).interval(0.0);
    assert!((low_with / low - 1.0).abs() < 0.01, "{low} {low_with}");
    assert!((high_with / high - 1.0).abs() < 0.01, "{high} {high_with}");
    assert_eq!(certain.interval(1e9), (1e9, 1e9));
}

/// 100 objects that are each missed once in 20,000 times: their weights round to
/// 1, but one more cannot be excluded.
#[test]
fn rounded_weights_do_not_claim_certainty() {
    let moments = Moments::of_one_weight(100.0 * 5e-5, 100.0, 100.0, 100.0, 0.05);
    let (_, high) = moments.interval(100.0);
    assert!((103.0..104.0).contains(&high), "{high}");
}

/// Signs do not matter to a difference, and few samples have far limits.
#[test]
fn differences_reach_as_far_on_both_sides() {
    let difference = |samples: f64| Moments {
        variance: samples * 1e6,
        third: samples * 1e9,
        heaviest: 1e3,
    };
    let (low, high) = difference(100.0).interval_of_difference(-50e3);
    assert!((low - (-50e3 - 19_599.64)).abs() < 0.01 && (high + low + 100e3).abs() < 0.01);
    let (low, high) = difference(4.0).interval_of_difference(0.0);
    assert!((high - 6_242.0).abs() < 50.0 && low == -high, "{high}");
    assert_eq!(difference(0.0).interval_of_difference(0.0), (0.0, 0.0));
}
