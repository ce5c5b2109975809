//! A short study of every mix. Each time the samples are others, and a correct
//! profiler fails in less than one of a million runs.

use accuracy::heapprof_profiler::Heapprof;
use accuracy::keep_freed_memory;
use accuracy::mix::MIXES;
use accuracy::study::{Finding, study};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(0);

const RUNS: u64 = 50;

/// The estimated errors are right, or the intervals would not hold the truth as
/// often as they should; the figures are, or they would be biased.
#[test]
fn figures_are_unbiased_and_intervals_hold_the_truth() {
    keep_freed_memory();
    let profiler = Heapprof::default();
    let mut problems = Vec::new();
    for mix in MIXES {
        let findings = study(mix, RUNS * mix.run_factor, &profiler);
        assert_eq!(findings.len(), 4, "{}", mix.name);
        problems.extend(findings.iter().filter_map(Finding::problem));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
