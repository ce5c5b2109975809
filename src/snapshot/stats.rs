#![forbid(unsafe_code)]
//! What the profiler knows of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::Record;
use crate::counts::{Counts, OBJECT_FRACTION};
use crate::record::clock;
use crate::record::recorder::RECORDER;

/// What the profiler knows of itself. Counts are since the program's start.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Mean number of bytes between samples now. 0 is off, 1 is every allocation.
    pub sample_interval: u64,
    /// Samples taken.
    pub samples: u64,
    /// Samples not taken because a table or the memory limit was full.
    pub lost_samples: u64,
    /// Estimated objects and bytes behind the lost samples.
    pub lost_objects: u64,
    /// Estimated bytes behind the lost samples.
    pub lost_bytes: u64,
    /// Sampled blocks that are live now.
    pub live_samples: u64,
    /// Distinct records (stack and size class).
    pub records: u64,
    /// The sum over all records, lost samples not included: everything that was
    /// allocated, and how far the estimate may be off.
    pub allocated: Counts,
    /// The same of what is in use.
    pub in_use: Counts,
    /// The same of what was in use when that was most.
    pub in_use_at_peak: Counts,
    /// When that was reached, to about 10 ms. `None` before the first sample.
    pub peak_at: Option<SystemTime>,
    /// Samples whose stack was deeper than 128 frames.
    pub too_deep_stacks: u64,
    /// Samples whose stack was cut where the next frame was uncertain.
    pub cut_stacks: u64,
    /// Samples taken without a stack.
    pub missing_stacks: u64,
    /// Sets of labels that are told apart.
    pub label_sets: u64,
    /// How often there was no room for another one: `[other]` in its place.
    pub refused_labels: u64,
    /// Sampled blocks that were freed when there was no memory left to keep how long
    /// they had lived: [`dump_lifetimes`](crate::dump_lifetimes) does not know.
    pub unknown_lifetimes: u64,
    /// Sampled blocks whose address came back although no free was seen:
    /// something frees Rust's memory behind the allocator's back.
    pub foreign_frees: u64,
    /// Records whose counters moved during every attempt to read them.
    pub torn_reads: u64,
    /// Bytes that the profiler's tables take from the operating system.
    pub own_bytes: u64,
    /// Upper limit of `own_bytes`; what does not fit is counted as lost.
    pub own_bytes_limit: u64,
    /// Bytes that hold functions and lines found for earlier profiles, so that
    /// later ones need not look again: at most 8 MiB.
    pub resolved_frames_bytes: u64,
    /// `HEAPPROF_SAMPLE_INTERVAL` was set to something that is no interval.
    pub invalid_environment: bool,
    /// The environment could not be read (there is no `/proc`, or a sandbox
    /// denies it): `HEAPPROF_SAMPLE_INTERVAL`, if it was set, did not count.
    pub unreadable_environment: bool,
}

/// Kept by the exporter, which is a floor above.
pub(crate) static RESOLVED_FRAMES_BYTES: AtomicU64 = AtomicU64::new(0);

impl Stats {
    pub(super) fn now() -> Self {
        let tallies = RECORDER.tallies();
        let count = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        Self {
            sample_interval: RECORDER.interval(),
            samples: 0,
            lost_samples: count(&tallies.lost_samples),
            lost_objects: count(&tallies.lost_objects) / OBJECT_FRACTION.unsigned_abs(),
            lost_bytes: count(&tallies.lost_bytes),
            live_samples: RECORDER.live_sample_count(),
            too_deep_stacks: count(&tallies.too_deep_stacks),
            cut_stacks: count(&tallies.cut_stacks),
            missing_stacks: count(&tallies.missing_stacks),
            label_sets: RECORDER.labels().len().into(),
            refused_labels: count(&tallies.refused_labels),
            unknown_lifetimes: count(&tallies.unknown_lifetimes),
            foreign_frees: count(&tallies.foreign_frees),
            own_bytes: RECORDER.arena().used_bytes(),
            own_bytes_limit: RECORDER.arena().limit_bytes(),
            resolved_frames_bytes: RESOLVED_FRAMES_BYTES.load(Ordering::Relaxed),
            invalid_environment: count(&tallies.invalid_environment) != 0,
            unreadable_environment: count(&tallies.unreadable_environment) != 0,
            records: 0,
            allocated: Counts::default(),
            in_use: Counts::default(),
            in_use_at_peak: Counts::default(),
            peak_at: peak_at(),
            torn_reads: 0,
        }
    }

    /// With what is summed over the records.
    pub(crate) fn with_totals(self, records: &[Record]) -> Self {
        let sum = |counts: fn(&Record) -> &Counts| {
            records
                .iter()
                .fold(Counts::default(), |sum, record| sum.plus(counts(record)))
        };
        Self {
            allocated: sum(|record| &record.allocated),
            in_use: sum(|record| &record.in_use),
            in_use_at_peak: sum(|record| &record.in_use_at_peak),
            ..self
        }
    }
}

/// By the clock on the wall.
fn peak_at() -> Option<SystemTime> {
    let reached_at = RECORDER.high_water().reached_at();
    let ago = Duration::from_nanos(clock::now().saturating_sub(reached_at));
    (reached_at != 0)
        .then(|| SystemTime::now().checked_sub(ago))
        .flatten()
}
