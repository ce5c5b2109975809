use super::*;

/// What is kept is what was held, with the end of a variance cut off.
#[test]
fn counts_come_back_as_they_were() {
    let sums = Sums::of_sample(100, 5_000_000, 524_338);
    let back = of_counts(to_counts(&sums));
    assert_eq!(
        (back.samples, back.sampled_bytes, back.objects, back.bytes),
        (sums.samples, sums.sampled_bytes, sums.objects, sums.bytes)
    );
    assert!((back.variance.bytes / sums.variance.bytes - 1.0).abs() < 1e-10);
    assert!((back.variance.objects / sums.variance.objects - 1.0).abs() < 1e-10);
}

/// More often than turns are numbered, with every count coming and going.
#[test]
fn turns_that_come_again_mix_nothing_up() {
    let arena = Arena::new(64 << 20);
    let (status, counts) = (AtomicU64::new(0), Late::new());
    let at_peak = AtPeak {
        status: &status,
        counts: &counts,
    };
    for number in 0..200_000_u64 {
        let held = match number % 3 {
            0 => Sums::default(),
            1 => Sums::of_sample(number as usize, 1024, number),
            _ => Sums::of_sample(64, 4096, 256),
        };
        assert_eq!(at_peak.read(Mark(number)), Held::StillThere);
        at_peak.keep(Mark(number), || held, &arena);
        at_peak.keep(Mark(number), || panic!("is kept"), &arena);
        let Held::Kept(kept) = at_peak.read(Mark(number)) else {
            panic!("{number} is not kept");
        };
        assert_eq!((kept.samples, kept.bytes), (held.samples, held.bytes));
    }
    assert_eq!(arena.used_bytes(), 1 << 20, "one line of one chunk");
}
