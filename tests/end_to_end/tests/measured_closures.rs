//! `heapprof::testing` at an interval at which nearly nothing is sampled: what is
//! measured is counted exactly, by itself and in the figures of the whole program.

use std::alloc::System;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use heapprof::testing::{self, measure, measure_and_keep};
use heapprof::{Alloc, Snapshot, View};
use heapprof_end_to_end::{Block, Numbers, Values, scale};

const R: u64 = 64 << 10;

#[global_allocator]
static ALLOC: Alloc<System> = Alloc::system().with_sample_interval(R);

/// Allocations, bytes, the most bytes at once, objects and bytes left.
fn figures(report: &testing::Report) -> [u64; 5] {
    [
        report.allocations(),
        report.allocated_bytes(),
        report.peak_bytes(),
        report.leaked_objects(),
        report.leaked_bytes(),
    ]
}

#[test]
fn nothing_is_counted_where_nothing_is_allocated() {
    assert_eq!(figures(&measure(|| black_box(1 + 1))), [0; 5]);
    let block = Block::new(100);
    assert_eq!(figures(&measure(move || drop(block))), [0; 5]);
}

#[test]
fn every_kind_of_call_is_counted() {
    let (kept, report) = measure_and_keep(|| {
        let mut block = Block::new(100);
        let zeroed = Block::zeroed(1_000);
        block.resize(5_000);
        drop(zeroed);
        block.resize(40);
        block
    });
    // With one of its sizes at a time, the block never made it more than 6,000.
    assert_eq!(figures(&report), [4, 6_140, 6_000, 1, 40]);
    drop(kept);
    // Kept in the report, whatever happens later.
    assert_eq!(report.leaked_bytes(), 40);
}

#[test]
fn blocks_from_before_are_none_of_its_business() {
    let (mut grown, freed) = (Block::new(100), Block::new(200));
    let report = measure(|| {
        grown.resize(300);
        drop(freed);
    });
    assert_eq!(figures(&report), [1, 300, 300, 1, 300]);
    // Sampled by the measurement, and then freed outside of it.
    drop(grown);
}

/// What a random program did in its closure, told by the program itself.
#[test]
fn random_programs_are_counted_to_the_byte() {
    for seed in 0..20 * scale() {
        let mut numbers = Numbers(seed);
        let mut truth = Values::default();
        let mut peak = 0;
        let (held, report) = measure_and_keep(|| {
            let mut held = Vec::new();
            for _ in 0..200 {
                let size = 1 + numbers.below(10_000);
                match numbers.below(4) {
                    0 if !held.is_empty() => {
                        let block: Block = held.swap_remove(numbers.below(held.len()));
                        truth.free(block.size());
                    }
                    1 if !held.is_empty() => {
                        let at = numbers.below(held.len());
                        truth.free(held[at].size());
                        truth.allocate(size);
                        held[at].resize(size);
                    }
                    _ => {
                        if held.len() == held.capacity() {
                            // The vector's own growth, told before it happens.
                            let bytes = |capacity| capacity * size_of::<Block>();
                            let capacity = held.capacity();
                            if capacity > 0 {
                                truth.free(bytes(capacity));
                            }
                            truth.allocate(bytes(capacity + 10));
                            peak = peak.max(truth.in_use_bytes);
                            held.reserve_exact(10);
                        }
                        truth.allocate(size);
                        held.push(Block::new(size));
                    }
                }
                peak = peak.max(truth.in_use_bytes);
            }
            held
        });
        let expected = [
            truth.alloc_objects,
            truth.alloc_bytes,
            peak,
            truth.in_use_objects,
            truth.in_use_bytes,
        ];
        assert_eq!(figures(&report).map(u64::cast_signed), expected, "{seed}");
        let stats = report.snapshot().stats();
        let by_stack = [
            stats.allocated.objects(),
            stats.allocated.bytes,
            stats.in_use.objects(),
            stats.in_use.bytes,
        ];
        let in_total = [expected[0], expected[1], expected[3], expected[4]];
        assert_eq!(by_stack, in_total, "its stacks add up to it");
        drop(held);
    }
}

#[test]
fn threads_do_not_disturb_each_other() {
    thread::scope(|scope| {
        for thread in 1..=4 {
            scope.spawn(move || {
                for round in 1..=300 {
                    let report = measure(|| (0..thread).for_each(|_| drop(Block::new(round))));
                    let (thread, round) = (thread as u64, round as u64);
                    assert_eq!(figures(&report), [thread, thread * round, round, 0, 0]);
                }
            });
        }
        scope.spawn(|| (0..100_000).for_each(|i| drop(Block::new(1 + i % 999))));
    });
}

#[test]
fn a_block_is_freed_wherever_it_is_freed() {
    let (give, taken) = mpsc::channel::<Block>();
    let (done, is_done) = mpsc::channel();
    let free = thread::spawn(move || {
        for block in taken {
            drop(block);
            done.send(()).expect("the test waits for it");
        }
    });
    let report = measure(|| {
        give.send(Block::new(777)).expect("the thread takes it");
        is_done.recv().expect("it frees it");
    });
    let site = |bytes| {
        let records = report.snapshot().records().iter();
        records
            .filter(|record| record.allocated().bytes == bytes)
            .map(|record| record.in_use().bytes)
            .collect::<Vec<_>>()
    };
    assert_eq!(site(777), [0], "{report}");
    drop(give);
    free.join().expect("it ends with the channel");
}

#[test]
fn threads_are_counted_that_say_so() {
    let work = || drop((Block::new(1_000), Block::new(234)));
    let spawn = |included: bool| {
        measure(|| {
            let measurement = testing::current().expect("inside of one");
            thread::scope(|scope| {
                scope.spawn(move || {
                    if included {
                        measurement.clone().include(work);
                    } else {
                        work();
                    }
                    drop(measurement);
                });
            });
        })
    };
    // Once before: the standard library sets things up at the first thread.
    spawn(true);
    let (with, without) = (spawn(true), spawn(false));
    assert_eq!(with.allocations(), without.allocations() + 2);
    assert_eq!(with.allocated_bytes(), without.allocated_bytes() + 1_234);
    assert!(testing::current().is_none());
}

#[test]
fn measurements_nest() {
    let ((kept, inner), outer) = measure_and_keep(|| {
        let first = Block::new(100);
        let (second, inner) = measure_and_keep(|| {
            drop(Block::new(1_000));
            Block::new(10)
        });
        let third = Block::new(1);
        drop(second);
        ((first, third), inner)
    });
    assert_eq!(figures(&inner), [2, 1_010, 1_000, 1, 10]);
    assert_eq!(figures(&outer), [4, 1_111, 1_100, 2, 101]);
    let stats = outer.snapshot().stats();
    assert_eq!((stats.allocated.bytes, stats.in_use.bytes), (1_111, 101));
    drop(kept);
}

#[test]
fn a_panic_ends_the_measurement() {
    let result = catch_unwind(AssertUnwindSafe(|| {
        measure(|| {
            let block = Block::new(10);
            assert!(black_box(false), "on purpose");
            block
        })
    }));
    assert!(result.is_err());
    assert!(testing::current().is_none());
    assert_eq!(figures(&measure(|| drop(Block::new(5)))), [1, 5, 5, 0, 0]);
}

/// A program may measure for ever: its stacks are kept once for each measurement that
/// runs at the same time.
#[test]
fn measuring_again_takes_no_more_memory() {
    // No other test asks for so much at once.
    const SIZE: usize = 3 << 20;
    for _ in 0..1_000 {
        assert_eq!(measure(|| drop(Block::new(SIZE))).allocations(), 1);
    }
    let snapshot = Snapshot::take().expect("registered");
    let records = snapshot.records().iter();
    let records = records.filter(|record| record.object_size() >= SIZE as u64);
    assert!((1..50).contains(&records.count()));
}

#[inline(never)]
fn site_measured(size: usize) -> Vec<u8> {
    // Functions of equal code would be made one.
    std::hint::black_box("site_measured");
    black_box(Vec::with_capacity(size))
}

#[inline(never)]
fn site_of_both(size: usize) -> Vec<u8> {
    // Functions of equal code would be made one.
    std::hint::black_box("site_of_both");
    black_box(Vec::with_capacity(size))
}

/// Inside a closure each allocation stands for itself, outside for 1/p: the figures of
/// the whole program hold both.
#[test]
fn the_figures_of_the_whole_program_stay_right() {
    let mut numbers = Numbers(7);
    let (mut measured, mut both, mut variance) = (0, 0, 0.0);
    for _ in 0..4_000 {
        let size = 1 + numbers.below(8_000);
        for _ in 0..1 + numbers.below(5) {
            drop(site_of_both(size));
            both += size;
            let p = -(-(size as f64) / R as f64).exp_m1();
            variance += (size as f64).powi(2) * (1.0 - p) / p;
        }
        measure(|| {
            drop(site_of_both(size));
            drop(site_measured(size));
        });
        both += size;
        measured += size;
    }
    let snapshot = Snapshot::take().expect("registered");
    let sites = snapshot.top_sites(usize::MAX, View::Allocs);
    let bytes = |name: &str| -> i64 {
        let sites = sites.iter().filter(|site| site.function.contains(name));
        sites.map(|site| site.allocated.bytes).sum()
    };
    assert_eq!(bytes("site_measured"), measured as i64);
    let off = (bytes("site_of_both") - both as i64) as f64 / f64::sqrt(variance);
    assert!(off.abs() < 6.0, "{off} standard errors");
}
