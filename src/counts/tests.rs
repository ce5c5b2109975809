use super::*;
use crate::record::sampler::Weight;

const R: u64 = 512 << 10;

/// So many samples of one size.
fn samples(count: i64, size: u64) -> Counts {
    let weight = Weight::of(size, R);
    let one = Counts::of(&Sums::of_sample(
        size as usize,
        weight.objects,
        weight.bytes,
    ));
    (0..count).fold(Counts::default(), |sum, _| sum.plus(&one))
}

fn close(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 0.001
}

#[test]
fn errors_are_the_roots_of_the_samples() {
    // Small objects: each sample stands for R bytes, give or take as much.
    let counts = samples(100, 1024);
    assert!(close(counts.standard_error_bytes(), 10.0 * 524_800.0));
    assert!(close(counts.standard_error_objects(), 10.0 * 512.0));
    // Those of R bytes: p = 0.632.
    let counts = samples(4, R);
    assert!(close(counts.standard_error_objects(), 2.0 * 0.9595));
    assert!(close(
        counts.standard_error_bytes(),
        2.0 * 0.9595 * R as f64
    ));
}

#[test]
fn intervals_by_the_number_of_samples() {
    let of = |count, size| samples(count, size).confidence_interval_bytes();
    let mean = 524_800.0;
    let in_samples = |bytes: i64| bytes as f64 / mean;
    // Garwood: 10 samples may come of 4.8 to 18.4, 100 of about 80 to 120.
    assert!((in_samples(*of(10, 1024).start()) - 4.80).abs() < 0.03);
    assert!((in_samples(*of(10, 1024).end()) - 18.39).abs() < 0.03);
    assert!((in_samples(*of(100, 1024).start()) - 80.4).abs() < 0.1);
    assert!((in_samples(*of(100, 1024).end()) - 119.6).abs() < 0.1);
    assert_eq!(Counts::default().confidence_interval_bytes(), 0..=0);
    // A block of 64 intervals is there for certain, however few there are.
    assert_eq!(of(1, 64 * R), 64 * R as i64..=64 * R as i64);
    // What was seen was there.
    assert!(samples(1, 8).confidence_interval_objects().start() >= &1);
    assert!(samples(2, R).confidence_interval_objects().start() >= &2);
}

#[test]
fn what_was_freed_takes_its_error_along() {
    let (all, part) = (samples(40, 1024), samples(30, 1024));
    let left = all.without(&part);
    assert!(close(
        left.standard_error_bytes(),
        samples(10, 1024).standard_error_bytes()
    ));
    assert_eq!(all.without(&all), Counts::default());
}

#[test]
fn growth_has_the_error_of_what_came_and_went() {
    let error = |counts: Counts| counts.standard_error_bytes();
    // 50 in use; 20 more come, none goes.
    let (then, now, came) = (samples(50, 1024), samples(70, 1024), samples(20, 1024));
    let growth = now.growth_since(&then, &came);
    assert_eq!((growth.samples, growth.involved), (20, 20));
    assert!(close(error(growth), error(came)));
    // 20 come and 60 go.
    let growth = samples(10, 1024).growth_since(&then, &came);
    assert_eq!((growth.samples, growth.involved), (-40, 60));
    assert!(close(error(growth), error(samples(60, 1024))));
    let interval = growth.confidence_interval_bytes();
    assert!(interval.contains(&growth.bytes) && *interval.end() < 0);
    assert!(growth.is_beyond_noise());
    // A million come and go, and hardly anything is in use at either end.
    let (few, churn) = (samples(2, 1024), samples(1_000, 1024));
    let growth = few.growth_since(&few, &churn);
    assert_eq!((growth.samples, growth.involved), (0, 4));
    assert!(close(error(growth), error(samples(4, 1024))));
    assert!(!growth.is_beyond_noise());
    // Nothing happened.
    assert_eq!(
        then.growth_since(&then, &Counts::default()),
        Counts::default()
    );
}
