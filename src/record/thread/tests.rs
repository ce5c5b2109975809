//! The sampler end to end, on threads that are values: fixed seeds, 6 sigma.

use super::*;
use crate::record::sampler::{OBJECT_FRACTION, Weight};

const R: u64 = 512 << 10;

/// Estimated objects and bytes of a simulated run.
#[derive(Default)]
struct Estimate {
    objects: f64,
    bytes: f64,
    samples: u64,
}

impl Estimate {
    fn add(&mut self, size: usize, interval: u64) {
        let weight = Weight::of(size as u64, interval);
        self.objects += weight.objects as f64 / OBJECT_FRACTION as f64;
        self.bytes += weight.bytes as f64;
        self.samples += 1;
    }
}

/// What the estimates should be, and their variance.
#[derive(Default)]
struct Truth {
    objects: f64,
    bytes: f64,
    objects_variance: f64,
    bytes_variance: f64,
}

impl Truth {
    fn add(&mut self, size: usize, interval: u64) {
        // Horvitz and Thompson: (1 - p) / p for each object.
        let p = -(-(size as f64) / interval as f64).exp_m1();
        let variance = if interval <= 1 { 0.0 } else { (1.0 - p) / p };
        self.objects += 1.0;
        self.bytes += size as f64;
        self.objects_variance += variance;
        self.bytes_variance += variance * (size as f64).powi(2);
    }

    fn assert_close(&self, estimate: &Estimate) {
        let objects_off =
            (estimate.objects - self.objects).abs() / self.objects_variance.sqrt().max(1e-9);
        let bytes_off = (estimate.bytes - self.bytes).abs() / self.bytes_variance.sqrt().max(1e-9);
        assert!(
            objects_off < 6.0,
            "{} objects for {}",
            estimate.objects,
            self.objects
        );
        assert!(
            bytes_off < 6.0,
            "{} bytes for {}",
            estimate.bytes,
            self.bytes
        );
    }
}

fn settings(interval: u64) -> Settings {
    let settings = Settings::new();
    settings.set_interval(interval);
    settings
}

/// The interval of the sample, if this allocation is one.
fn allocate(thread: &Thread, size: usize, settings: &Settings, seed: u64) -> Option<u64> {
    if thread.take(size) {
        None
    } else {
        thread.judge(size, settings, || seed)
    }
}

fn run(sizes: impl Iterator<Item = usize>, interval: u64, seed: u64) -> (Estimate, Truth) {
    let (settings, thread) = (settings(interval), Thread::new());
    let (mut estimate, mut truth) = (Estimate::default(), Truth::default());
    for size in sizes {
        truth.add(size, interval);
        if let Some(drawn) = allocate(&thread, size, &settings, seed) {
            estimate.add(size, drawn);
        }
    }
    (estimate, truth)
}

#[test]
fn totals_are_unbiased_for_every_size() {
    for (seed, size) in [8, 64, 4096, 100_000, R as usize, 10 * R as usize]
        .into_iter()
        .enumerate()
    {
        let count = ((4_u64 << 30) / size as u64).min(20_000_000) as usize;
        let (estimate, truth) = run(std::iter::repeat_n(size, count), R, seed as u64 + 1);
        truth.assert_close(&estimate);
    }
}

/// Averaged first and scaled then, this stack would show 25 objects.
#[test]
fn a_million_small_objects_and_a_large_one() {
    const RUNS: u64 = 50;
    let sizes = || std::iter::repeat_n(8, 1_000_000).chain([8 << 20]);
    let (mut estimate, mut truth) = (Estimate::default(), Truth::default());
    for seed in 0..RUNS {
        let (run, _) = run(sizes(), R, seed * 77 + 1);
        estimate.objects += run.objects;
        estimate.bytes += run.bytes;
        sizes().for_each(|size| truth.add(size, R));
    }
    truth.assert_close(&estimate);
    let mean = estimate.objects / RUNS as f64;
    assert!((500_000.0..1_500_000.0).contains(&mean), "{mean}");
}

/// A thread's first allocation is judged by a gap of its own: threads that make
/// one allocation are sampled like any other.
#[test]
fn short_threads_are_not_under_sampled() {
    let settings = settings(R);
    let (mut estimate, mut truth) = (Estimate::default(), Truth::default());
    for seed in 0..200_000 {
        let thread = Thread::new();
        truth.add(4096, R);
        if let Some(drawn) = allocate(&thread, 4096, &settings, seed * 0x9E37 + 5) {
            estimate.add(4096, drawn);
        }
    }
    truth.assert_close(&estimate);
}

/// The interval changes in the middle, finer and coarser, on another thread's
/// word: totals stay unbiased.
#[test]
fn a_change_of_the_interval_keeps_totals_unbiased() {
    for (before, after) in [(R, R / 64), (R / 64, R), (R, 16 * R), (16 * R, R), (R, 1)] {
        let (mut estimate, mut truth) = (Estimate::default(), Truth::default());
        for seed in 0..2_000 {
            let (settings, thread) = (settings(before), Thread::new());
            for i in 0..600 {
                if i == 300 {
                    settings.set_interval(after);
                }
                // The coarser one bounds the variance wherever the change lands.
                truth.add(10_000, before.max(after));
                if let Some(drawn) = allocate(&thread, 10_000, &settings, seed * 31 + 7) {
                    estimate.add(10_000, drawn);
                }
            }
        }
        truth.assert_close(&estimate);
    }
}

/// Closures are measured in between, and every allocation inside is taken: what is
/// taken outside is as probable as ever.
#[test]
fn measuring_keeps_totals_unbiased() {
    let (mut estimate, mut truth) = (Estimate::default(), Truth::default());
    let (settings, thread) = (settings(R), Thread::new());
    let mut seed = 0;
    for i in 0..200_000 {
        let measured = i % 4 == 0;
        let before = measured.then(|| thread.set_account(1));
        for _ in 0..1 + i % 7 {
            seed += 0x9E37;
            let size = 2_000 + i % 8_000;
            truth.add(size, if measured { 1 } else { R });
            let sample = allocate(&thread, size, &settings, seed);
            assert!(!measured || sample == Some(1), "all that is measured");
            if let Some(interval) = sample {
                estimate.add(size, interval);
            }
        }
        if let Some(before) = before {
            thread.set_account(before);
        }
    }
    truth.assert_close(&estimate);
}

#[test]
fn interval_one_takes_every_allocation() {
    let (estimate, truth) = run((1..=2000).cycle().take(100_000), 1, 3);
    assert_eq!(estimate.samples, 100_000);
    assert_eq!(
        (estimate.objects, estimate.bytes),
        (truth.objects, truth.bytes)
    );
}

#[test]
fn off_takes_none_and_a_change_takes_hold_within_a_mebibyte() {
    let (settings, thread) = (settings(OFF), Thread::new());
    for _ in 0..100_000 {
        assert_eq!(allocate(&thread, 1000, &settings, 9), None);
    }
    settings.set_interval(1);
    let until_sampled = (0..)
        .take_while(|_| allocate(&thread, 1000, &settings, 9).is_none())
        .count();
    assert!(
        until_sampled <= (SLOT_BYTES / 1000 + 1) as usize,
        "{until_sampled}"
    );
    settings.set_interval(OFF);
    assert!((0..10_000).all(|_| allocate(&thread, 1000, &settings, 9).is_none()));
    // From a coarse interval too, whose gaps are far longer than the slot.
    settings.set_interval(1 << 40);
    thread.draw_gap(&settings);
    settings.set_interval(1);
    let until_sampled = (0..)
        .take_while(|_| allocate(&thread, 1000, &settings, 9).is_none())
        .count();
    assert!(
        until_sampled <= (SLOT_BYTES / 1000 + 1) as usize,
        "{until_sampled}"
    );
}

/// The largest sizes there are take no counter over its edge.
#[test]
fn huge_sizes_do_not_overflow() {
    let (settings, thread) = (settings(R), Thread::new());
    for _ in 0..1000 {
        assert_eq!(
            allocate(&thread, isize::MAX as usize, &settings, 4),
            Some(R)
        );
        allocate(&thread, 1, &settings, 4);
    }
}

#[test]
fn nothing_is_judged_before_the_interval_is_known() {
    let (settings, thread) = (Settings::new(), Thread::new());
    assert_eq!(allocate(&thread, 100, &settings, 1), None);
    assert!(!thread.has_drawn());
    settings.set_interval(1);
    assert_eq!(allocate(&thread, 100, &settings, 1), Some(1));
}
