//! The wrapper against a model: random allocations, reallocations and frees,
//! with the contents of every block checked, at intervals that change on the
//! way, over an allocator that checks every layout handed back to it.
//! It fails on purpose now and then.
//!
//! `HEAPPROF_TEST_SCALE` multiplies the number of cases.

use std::alloc::Layout;

use heapprof::{Alloc, Snapshot, Stats, set_sample_interval};
use heapprof_end_to_end::{Fault, Filled, Strict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const MAX_ALIGN: usize = 64;

static STRICT: Strict = Strict::new();
/// Not this program's global allocator: the test calls it by name.
static ALLOC: Alloc<&Strict> = Alloc::new(&STRICT);

type Block = Filled<Alloc<&'static Strict>>;

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        size: usize,
        align_log2: u32,
        zeroed: bool,
    },
    Resize {
        which: usize,
        size: usize,
    },
    Free {
        which: usize,
    },
    SetInterval(u64),
    SetFault(Fault),
}

/// Sizes on both sides of every threshold.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 1_usize..300,
        3 => 300_usize..5_000,
        2 => (32_usize << 10) - 5..(32 << 10) + 5,
        2 => 5_000_usize..200_000,
        1 => 200_000_usize..3_000_000,
    ]
}

const INTERVALS: [u64; 5] = [0, 1, 128, 16 << 10, 512 << 10];

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::EveryNth(7)),
        1 => Just(Fault::OverAligned),
        1 => Just(Fault::Misaligned)
    ];
    prop_oneof![
        8 => (size(), 0..=MAX_ALIGN.ilog2(), any::<bool>())
            .prop_map(|(size, align_log2, zeroed)| Step::Allocate { size, align_log2, zeroed }),
        6 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Resize { which, size }),
        5 => any::<usize>().prop_map(|which| Step::Free { which }),
        1 => prop::sample::select(&INTERVALS).prop_map(Step::SetInterval),
        1 => fault.prop_map(Step::SetFault),
    ]
}

fn play(steps: &[Step]) {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fault = Fault::None;
    let check = |block: &Block, fault| assert!(block.is_aligned() || fault == Fault::Misaligned);
    for (step, fill) in steps.iter().zip((1..=250).cycle()) {
        match *step {
            Step::Allocate {
                size,
                align_log2,
                zeroed,
            } => {
                let layout =
                    Layout::from_size_align(size, 1 << align_log2).expect("a valid layout");
                if let Some(block) = Block::allocate(&ALLOC, layout, zeroed, fill) {
                    check(&block, fault);
                    blocks.push(block);
                }
            }
            Step::Resize { which, size } if !blocks.is_empty() => {
                let block = blocks.swap_remove(which % blocks.len());
                blocks.push(match block.resize(size) {
                    Ok(block) => {
                        check(&block, fault);
                        block
                    }
                    Err(refused) => refused,
                });
            }
            Step::Free { which } if !blocks.is_empty() => {
                blocks.swap_remove(which % blocks.len()).free();
            }
            Step::Resize { .. } | Step::Free { .. } => {}
            Step::SetInterval(bytes) => set_sample_interval(bytes).expect("a valid interval"),
            Step::SetFault(next) => {
                fault = next;
                STRICT.set_fault(fault);
            }
        }
    }
    STRICT.set_fault(Fault::None);
    blocks.into_iter().for_each(Block::free);
    assert_eq!(STRICT.live(), 0, "everything came back");
}

fn cases() -> u32 {
    let scale = std::env::var("HEAPPROF_TEST_SCALE").map_or(1, |scale| scale.parse().unwrap_or(1));
    300 * scale
}

#[test]
fn random_programs() {
    // The recorder learns of the allocator at its first allocation.
    Block::allocate(&ALLOC, Layout::new::<u64>(), false, 1)
        .expect("memory")
        .free();
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    });
    let programs = (
        prop::sample::select(&INTERVALS),
        prop::collection::vec(step(), 1..400),
    );
    let outcome = runner.run(&programs, |(interval, steps)| {
        set_sample_interval(interval).expect("a valid interval");
        play(&steps);
        let snapshot = Snapshot::take().expect("the allocator was used");
        prop_assert_eq!(snapshot.stats().live_samples, 0);
        prop_assert_eq!(snapshot.stats().foreign_frees, 0);
        for record in snapshot.records() {
            prop_assert_eq!(record.in_use(), Default::default());
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let stats = stats();
    assert!(stats.samples > 1000, "the wrapper sampled: {stats:?}");
    assert_eq!(stats.lost_samples, 0);
    assert!(STRICT.refusals() > 10, "and was refused at times");
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator was used");
    snapshot.stats().clone()
}
