//! What the library allocates. The tests run in parallel, each counted by itself:
//!
//! ```console
//! $ cargo test -p allocation-tests
//! ```

use allocation_tests::{Pair, Seen, parse};
use heapprof::testing::{measure, measure_and_keep};

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const QUERY: &str = "tenant=acme&route=images&size=64";

#[test]
fn parsing_allocates_once() {
    measure(|| parse(QUERY))
        .assert_allocations_at_most(1)
        .assert_no_leaks();
}

#[test]
fn the_result_is_all_that_stays() {
    let (pairs, report) = measure_and_keep(|| parse(QUERY));
    assert_eq!(pairs.len(), 3);
    let vector = size_of::<[Pair; 3]>() as u64;
    assert_eq!(
        (report.leaked_objects(), report.leaked_bytes()),
        (1, vector)
    );
    report.assert_peak_bytes_at_most(vector);
}

#[test]
fn a_query_that_was_seen_costs_nothing() {
    let mut seen = Seen::default();
    assert!(seen.note(QUERY));
    measure(|| seen.note(QUERY)).assert_allocations_at_most(0);
}
