//! Walking by frame pointers in a program that has none: the register holds
//! anything, and what it points to is no frame. Others crashed here.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::thread;

use heapprof::{Alloc, Unwinder};
use heapprof_end_to_end::{Block, Profile};

#[global_allocator]
static ALLOC: Alloc = Alloc::system()
    .with_sample_interval(1)
    .with_unwinder(Unwinder::FramePointers);

const SIZE: usize = 4_321;

/// Work that puts all kinds of values into the registers.
fn churn(seed: u64) -> usize {
    let mut words = BTreeMap::new();
    let mut text = String::new();
    for i in 0..2_000_u64 {
        let word = (seed ^ i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        text.clear();
        write!(text, "{word:x} {}", word as f64).expect("it is in memory");
        words.insert(text.clone(), black_box(Block::new(SIZE)));
        if i % 3 == 0 {
            words.pop_first();
        }
    }
    words.len()
}

#[test]
fn nothing_is_read_that_is_no_stack_and_everything_is_counted() {
    thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || black_box(churn(seed)));
        }
    });
    let held: Vec<_> = (0..100).map(|_| Block::new(SIZE)).collect();
    let profile = Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"));
    drop(held);

    assert_eq!(profile.misplaced_addresses(), [0_u64; 0]);
    let size = i64::try_from(SIZE).expect("it is small");
    // The blocks by their size class, whatever became of their stacks.
    let total = profile.total();
    assert!(total.alloc_bytes >= (4 * 2_000 + 100) * size, "{total:?}");
    assert!(total.in_use_bytes >= 100 * size, "{total:?}");
    assert!(total.in_use_bytes < 200 * size, "{total:?}");
}
