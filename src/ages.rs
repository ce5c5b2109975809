#![forbid(unsafe_code)]
//! How long what is in use has been there: every live sample by its age.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::counts::Counts;
use crate::record::clock;
use crate::record::recorder::{RECORDER, sums_of};

/// What a record holds, by age: of each class the least age that is in it.
#[derive(Debug)]
pub(crate) struct Ages(BTreeMap<(usize, Duration), Counts>);

impl Ages {
    /// Looks at every live sample; allocations go on meanwhile. `class` says which
    /// class an age is in, if in any. The caller is busy.
    pub(crate) fn collect(class: impl Fn(Duration) -> Option<Duration>) -> Self {
        let mut held: BTreeMap<_, Counts> = BTreeMap::new();
        let now = clock::now();
        for sample in RECORDER.live_samples() {
            let age = Duration::from_nanos(now.saturating_sub(sample.born));
            if let Some(class) = class(age) {
                let record = std::ptr::from_ref(sample.node).addr();
                let counts = held.entry((record, class)).or_default();
                *counts = counts.plus(&Counts::of(&sums_of(&sample)));
            }
        }
        Self(held)
    }

    /// How many records are in a class, counted for each that they are in.
    #[cfg(feature = "http")]
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// What a record holds, the youngest first.
    pub(crate) fn of(&self, record: usize) -> impl Iterator<Item = (Duration, Counts)> {
        let all: RangeInclusive<_> = (record, Duration::ZERO)..=(record, Duration::MAX);
        self.0
            .range(all)
            .map(|(&(_, class), &counts)| (class, counts))
    }
}

/// Ages that classes begin at, in seconds: round ones, each about twice the one
/// before.
const CLASSES: [u64; 24] = [
    0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400,
    172_800, 432_000, 864_000, 1_728_000, 4_320_000, 8_640_000,
];

/// The class that an age is in.
pub(crate) fn class_of(age: Duration) -> Duration {
    let seconds = age.as_secs();
    let begun = CLASSES.iter().rev().find(|&&class| class <= seconds);
    Duration::from_secs(begun.copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_the_class_that_it_has_reached() {
        let class = |seconds| class_of(Duration::from_secs_f64(seconds)).as_secs();
        assert_eq!((class(0.9), class(1.0), class(599.9)), (0, 1, 300));
        assert_eq!((class(600.0), class(1e12)), (600, 8_640_000));
        assert!(CLASSES.is_sorted_by(|a, b| a < b));
    }
}
