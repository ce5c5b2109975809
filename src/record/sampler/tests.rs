use super::*;

const R: u64 = 512 << 10;

/// Gaps are exponential: chi-squared over 50 cells of equal probability.
#[test]
fn gaps_are_exponential() {
    const CELLS: usize = 50;
    const DRAWS: u32 = 200_000;
    let mut random = Random(7);
    let mut seen = [0_u32; CELLS];
    for _ in 0..DRAWS {
        let below = -(-(draw_gap(R, &mut random) as f64 + 0.5) / R as f64).exp_m1();
        seen[(below * CELLS as f64) as usize] += 1;
    }
    let expected = f64::from(DRAWS) / CELLS as f64;
    let chi_squared: f64 = seen
        .iter()
        .map(|&n| (f64::from(n) - expected).powi(2) / expected)
        .sum();
    // 49 degrees of freedom: mean 49, standard deviation 9.9.
    assert!(
        (49.0 - 4.0 * 9.9..49.0 + 6.0 * 9.9).contains(&chi_squared),
        "{chi_squared}"
    );
}

/// The smallest and the largest random numbers give gaps, not infinities.
#[test]
fn gaps_are_finite() {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    assert!(-STEP.ln() < 37.0);
    let mut random = Random(1);
    for _ in 0..1_000_000 {
        let unit = random.unit();
        assert!(unit > 0.0 && unit <= 1.0);
    }
    assert_eq!(draw_gap(EVERY_ALLOCATION, &mut random), 0);
    assert!(draw_gap(isize::MAX as u64, &mut random) > 0);
}

/// Weight times probability is the thing itself, from one byte to 64 intervals.
#[test]
fn weights_undo_the_probability() {
    for size in [1, 8, 64, 4096, R - 1, R, R + 1, 10 * R, 64 * R] {
        let weight = Weight::of(size, R);
        let p = -(-(size as f64) / R as f64).exp_m1();
        assert!(
            (weight.objects as f64 * p / 1024.0 - 1.0).abs() < 1e-3,
            "{size}: {weight:?}"
        );
        assert!(
            (weight.bytes as f64 * p / size as f64 - 1.0).abs() < 1e-5,
            "{size}: {weight:?}"
        );
    }
}

/// n objects have the variance n (1 - p) / p; np of them are sampled, and each
/// tells its share. Checked against the probability itself.
#[test]
fn variances_add_up_to_the_truth() {
    for size in [1, 8, 64, 4096, R - 1, R, R + 1, 3 * R] {
        let p = -(-(size as f64) / R as f64).exp_m1();
        let truth = (1.0 - p) / p;
        let of_sample = Variance::of_sample(size, Weight::of(size, R).bytes);
        assert!(
            (of_sample.objects * p / truth - 1.0).abs() < 1e-3,
            "{size}: {of_sample:?}"
        );
        let bytes_by_objects = of_sample.bytes / of_sample.objects;
        assert!((bytes_by_objects / (size as f64).powi(2) - 1.0).abs() < 1e-9);
    }
    let certain = Variance::default();
    assert_eq!(
        Variance::of_sample(4096, Weight::of(4096, 1).bytes),
        certain
    );
    assert_eq!(
        Variance::of_sample(64 * R, Weight::of(64 * R, R).bytes),
        certain
    );
    assert_eq!(Variance::of_sample(0, 0), certain);
}

#[test]
fn every_allocation_counts_once() {
    assert_eq!(
        Weight::of(1, 1),
        Weight {
            objects: 1024,
            bytes: 1
        }
    );
    assert_eq!(
        Weight::of(12_345, 1),
        Weight {
            objects: 1024,
            bytes: 12_345
        }
    );
    let huge = Weight::of(isize::MAX as u64, isize::MAX as u64);
    assert_eq!(huge.objects, 1620, "1024 / (1 - 1/e)");
    assert_eq!(
        Weight::of(1, isize::MAX as u64),
        Weight {
            objects: 1 << 62,
            bytes: 1 << 62
        }
    );
}
