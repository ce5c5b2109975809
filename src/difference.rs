#![forbid(unsafe_code)]
//! What changed between two snapshots.

use std::collections::HashMap;

use crate::counts::Counts;
use crate::record::thread;
use crate::snapshot::{Record, Snapshot, Stats};

impl Snapshot {
    /// One entry for each stack and size class.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What the profiler knew of itself when the snapshot was taken.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What changed since `earlier`, a snapshot of the same process.
    ///
    /// Counts may be negative: memory in use shrinks. Records that did not
    /// change are left out. The result is as of this snapshot's time, and knows
    /// the time between the two. In its [`stats`](Self::stats), counts are those
    /// of the time between, and levels (live samples, own memory) this
    /// snapshot's.
    ///
    /// The error of what was allocated between the two is that of the samples
    /// taken between them. The error of growth in use is that of the samples that
    /// came and of those that went. Which of them came *and* went, and so cancel
    /// out, is not known; they count as long as the error stays below that of all
    /// that was in use at the one end and at the other. It is therefore an upper
    /// limit.
    ///
    /// Costs time and memory in proportion to the number of records.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        let _busy = thread::busy();
        let before: HashMap<usize, &Record> = earlier.records.iter().map(|r| (r.id, r)).collect();
        let nothing = Counts::default();
        let records: Vec<Record> = self
            .records
            .iter()
            .map(|record| match before.get(&record.id) {
                None => *record,
                Some(before) => {
                    let allocated = record.allocated.without(&before.allocated);
                    Record {
                        allocated,
                        in_use: record.in_use.growth_since(&before.in_use, &allocated),
                        in_use_at_peak: between_peaks(
                            &before.in_use_at_peak,
                            &record.in_use_at_peak,
                            &allocated,
                        ),
                        ..*record
                    }
                }
            })
            .filter(|record| {
                let counts = [record.allocated, record.in_use, record.in_use_at_peak];
                counts.iter().any(|&counts| counts != nothing)
            })
            .collect();
        Snapshot {
            stats: stats_between(&earlier.stats, &self.stats).with_totals(&records),
            records,
            modules: self.modules.clone(),
            taken_at: self.taken_at,
            duration: Some(
                self.taken_at
                    .duration_since(earlier.taken_at)
                    .unwrap_or_default(),
            ),
        }
    }
}

/// None if it is the same peak, whatever was allocated since.
fn between_peaks(before: &Counts, now: &Counts, allocated: &Counts) -> Counts {
    if before == now {
        Counts::default()
    } else {
        now.growth_since(before, allocated)
    }
}

fn stats_between(earlier: &Stats, later: &Stats) -> Stats {
    let since = |count: fn(&Stats) -> u64| count(later).saturating_sub(count(earlier));
    Stats {
        samples: since(|s| s.samples),
        lost_samples: since(|s| s.lost_samples),
        lost_objects: since(|s| s.lost_objects),
        lost_bytes: since(|s| s.lost_bytes),
        too_deep_stacks: since(|s| s.too_deep_stacks),
        cut_stacks: since(|s| s.cut_stacks),
        missing_stacks: since(|s| s.missing_stacks),
        refused_labels: since(|s| s.refused_labels),
        unknown_lifetimes: since(|s| s.unknown_lifetimes),
        foreign_frees: since(|s| s.foreign_frees),
        ..later.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::export::testing::{record, snapshot};

    #[test]
    fn changes_are_kept_and_the_rest_left_out() {
        let mut earlier = snapshot(
            vec![record(0, &[1], 8, 5, 5), record(1, &[2], 8, 3, 3)],
            vec![],
        );
        let mut later = snapshot(
            vec![
                record(0, &[1], 8, 5, 2),
                record(1, &[2], 8, 3, 3),
                record(2, &[3], 16, 1, 1),
            ],
            vec![],
        );
        earlier.stats.lost_samples = 2;
        later.stats.lost_samples = 5;
        later.stats.live_samples = 9;
        later.taken_at += Duration::from_secs(2);

        let change = later.since(&earlier);
        let figures: Vec<_> = change
            .records()
            .iter()
            .map(|r| (r.id, r.allocated().bytes, r.in_use().bytes))
            .collect();
        assert_eq!(figures, [(0, 0, -24), (2, 16, 16)]);
        assert_eq!(
            (change.stats().lost_samples, change.stats().live_samples),
            (3, 9)
        );
        let totals = (change.stats().allocated, change.stats().in_use);
        assert_eq!((totals.0.bytes, totals.1.bytes), (16, -8));
        let error = totals.1.standard_error_bytes();
        assert_eq!(error, 0.0, "every allocation was sampled");
        assert_eq!(change.taken_at, later.taken_at);
        assert_eq!(change.duration, Some(Duration::from_secs(2)));
    }
}
