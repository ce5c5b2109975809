use super::*;
use crate::counts::Counts;
use crate::export::Symbols;
use crate::export::testing::{record, snapshot};
use crate::record::lifetimes::ENDS;
use crate::record::tally::Sums;

/// The values of all samples, and the lifetime that each is labelled with.
fn parts(snapshot: &Snapshot, lifetimes: &Lifetimes) -> Vec<(Option<i64>, [i64; 4])> {
    let options = PprofOptions::default()
        .symbols(Symbols::None)
        .view(View::Allocs);
    let profile = profile(snapshot, lifetimes, options);
    let samples = profile.samples.into_iter();
    let lifetime = |label: &Label| match label.value {
        LabelValue::Number(lifetime, "milliseconds") => Some(lifetime),
        _ => None,
    };
    samples
        .map(|sample| (sample.labels.iter().find_map(lifetime), sample.values))
        .collect()
}

fn freed(classes: &[(usize, u64, u64)]) -> [Freed; CLASSES] {
    let mut freed = [Freed::default(); CLASSES];
    for &(class, objects, bytes) in classes {
        freed[class] = Freed { objects, bytes };
    }
    freed
}

#[test]
fn every_label_is_inside_its_class() {
    for (class, label) in LABELS.into_iter().enumerate() {
        let nanoseconds = label as u64 * 1_000_000;
        assert_eq!(ENDS.iter().filter(|&&end| end < nanoseconds).count(), class);
        assert!(!ENDS.contains(&nanoseconds));
    }
}

/// Of ten objects of 16 bytes seven were freed; of those, one while it was looked.
#[test]
fn the_parts_are_the_whole() {
    let snapshot = snapshot(vec![record(1, &[0x10], 16, 10, 3)], Vec::new());
    let lifetimes = [(1, freed(&[(0, 4 * 1024, 64), (7, 2 * 1024, 32)]))];
    let lifetimes = lifetimes.into_iter().collect();
    let expected = [
        (None, [4, 64, 3, 48]),
        (Some(3), [4, 64, 0, 0]),
        (Some(10_800_000), [2, 32, 0, 0]),
    ];
    assert_eq!(parts(&snapshot, &lifetimes), expected);
}

#[test]
fn without_lifetimes_it_is_the_plain_profile() {
    let mut snapshot = snapshot(vec![record(1, &[0x10], 16, 10, 3)], Vec::new());
    snapshot.stats.lost_samples = 1;
    snapshot.stats.lost_objects = 5;
    snapshot.stats.lost_bytes = 500;
    let expected = [(None, [10, 160, 3, 48]), (None, [5, 500, 0, 0])];
    assert_eq!(parts(&snapshot, &Lifetimes::default()), expected);
}

/// Two records of one stack, each with parts of objects: rounded one by one, they
/// would be 2 + 2 + 2 of 5.
#[test]
fn parts_of_objects_are_rounded_together() {
    let half_more = |id| {
        let mut record = record(id, &[0x10], 16, 1, 0);
        record.allocated = Counts::of(&Sums::of_sample(16, 2 * 1024 + 400, 38));
        record
    };
    let snapshot = snapshot(vec![half_more(1), half_more(2)], Vec::new());
    let class = |class| freed(&[(class, 1024 + 600, 20)]);
    let lifetimes = [(1, class(0)), (2, class(1))].into_iter().collect();
    let expected = [
        (None, [2, 36, 0, 0]),
        (Some(3), [2, 20, 0, 0]),
        (Some(30), [1, 20, 0, 0]),
    ];
    assert_eq!(parts(&snapshot, &lifetimes), expected);
}
