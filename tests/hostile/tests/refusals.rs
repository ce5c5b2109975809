//! The allocator below the profiler fails: it refuses every nth request, every
//! request for more alignment than malloc gives anyway, or answers those by blocks
//! that are not aligned. The program gets what it would have got without the
//! profiler: as many requests go down as the program makes, every block goes back
//! with the layout it was asked for with, and what it got is recorded exactly.

use std::alloc::Layout;

use heapprof::{Alloc, Snapshot, Stats, set_sample_interval};
use heapprof_end_to_end::{Fault, Filled, Numbers, Profile, Strict, Values, scale};

static STRICT: Strict = Strict::new();
/// Not this program's global allocator: the test calls it by name.
static ALLOC: Alloc<&Strict> = Alloc::new(&STRICT);

type Block = Filled<Alloc<&'static Strict>>;

const FAULTS: [Fault; 7] = [
    Fault::EveryNth(1),
    Fault::EveryNth(2),
    Fault::EveryNth(7),
    Fault::EveryNth(100),
    Fault::OverAligned,
    Fault::Misaligned,
    Fault::None,
];

const SIZES: [usize; 7] = [8, 100, 1_000, 5_000, 20_000, 32_768, 100_000];

#[inline(never)]
fn site_allocates(layout: Layout, zeroed: bool) -> Option<Block> {
    Block::allocate(&ALLOC, layout, zeroed, 7)
}

#[inline(never)]
fn site_resizes(block: Block, size: usize) -> Result<Block, Block> {
    block.resize(size)
}

#[inline(never)]
fn site_afterwards() -> Option<Block> {
    Block::allocate(&ALLOC, layout(1_000, 8), false, 9)
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// What happened, as the test knows it.
#[derive(Debug, Default)]
struct Truth {
    allocated: Values,
    resized: Values,
    /// Blocks asked for, new or of another size, and those not got.
    asked: u64,
    refused: u64,
}

impl Truth {
    /// Notes the free of a block, whose last owner `was_resized` tells.
    fn free(&mut self, (block, was_resized): (Block, bool)) {
        let owner = if was_resized {
            &mut self.resized
        } else {
            &mut self.allocated
        };
        owner.free(block.layout().size());
        block.free();
    }
}

/// Allocates, resizes and frees at random; frees everything in the end.
fn churn(seed: u64, steps: u64) -> Truth {
    let mut numbers = Numbers(seed);
    let mut truth = Truth::default();
    let mut held: Vec<(Block, bool)> = Vec::new();
    for _ in 0..steps {
        let size = numbers.pick(&SIZES);
        let align = numbers.pick(&[8, 8, 8, 256]);
        let step = numbers.below(4);
        truth.asked += u64::from(step < 2 || step == 2 && !held.is_empty());
        match step {
            0 | 1 => match site_allocates(layout(size, align), numbers.below(2) == 0) {
                Some(block) => {
                    truth.allocated.allocate(size);
                    held.push((block, false));
                }
                None => truth.refused += 1,
            },
            _ if held.is_empty() => {}
            2 => {
                let (block, was_resized) = held.swap_remove(numbers.below(held.len()));
                let old_size = block.layout().size();
                held.push(match site_resizes(block, size) {
                    Ok(block) => {
                        let owner = if was_resized {
                            &mut truth.resized
                        } else {
                            &mut truth.allocated
                        };
                        owner.free(old_size);
                        truth.resized.allocate(size);
                        (block, true)
                    }
                    Err(block) => {
                        truth.refused += 1;
                        (block, was_resized)
                    }
                });
            }
            _ => truth.free(held.swap_remove(numbers.below(held.len()))),
        }
    }
    held.into_iter().for_each(|block| truth.free(block));
    truth
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator was used");
    snapshot.stats().clone()
}

fn profile() -> Profile {
    Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"))
}

#[test]
fn what_the_allocator_below_refuses() {
    // The recorder learns of the allocator at its first allocation.
    site_allocates(layout(8, 8), false)
        .expect("there is memory")
        .free();
    for interval in [512 << 10, 4096, 1] {
        set_sample_interval(interval).expect("a valid interval");
        for (seed, fault) in (1..).zip(FAULTS) {
            check(interval, fault, seed);
        }
    }
}

fn check(interval: u64, fault: Fault, seed: u64) {
    let what = format!("{fault:?} at interval {interval}");
    println!("{what}");
    let (before, before_profile) = (stats(), profile());
    let counts = || [STRICT.requests(), STRICT.refusals(), STRICT.misplaced()];
    let counts_before = counts();

    STRICT.set_fault(fault);
    let truth = churn(seed, 10_000 * scale());
    STRICT.set_fault(Fault::None);

    let (after, profile) = (stats(), profile());
    let counts_after = counts();
    let [requests, refusals, misplaced] =
        std::array::from_fn(|i| counts_after[i] - counts_before[i]);
    assert_eq!(STRICT.live(), 0, "{what}: every block came back");
    assert_eq!(after.live_samples, 0, "{what}");
    assert_eq!(after.foreign_frees, 0, "{what}");
    assert_eq!(
        (profile.total().in_use_objects, profile.total().in_use_bytes),
        (0, 0),
        "{what}"
    );

    assert_eq!((requests, refusals), (truth.asked, truth.refused), "{what}");
    assert_eq!(after.lost_samples, 0, "{what}");
    match fault {
        Fault::None => assert_eq!((refusals, misplaced), (0, 0), "{what}"),
        Fault::EveryNth(n) => assert!(refusals > 4_000 / n, "{what}: {refusals}"),
        Fault::OverAligned => assert!(refusals > 1_000, "{what}: {refusals}"),
        Fault::Misaligned => assert!(refusals == 0 && misplaced > 1_000, "{what}: {misplaced}"),
    }
    assert_eq!(
        after.samples > before.samples,
        fault != Fault::EveryNth(1),
        "{what}"
    );

    if interval == 1 {
        for (site, truth) in [
            ("site_allocates", truth.allocated),
            ("site_resizes", truth.resized),
        ] {
            let now = profile.sum(site).alloc_objects - before_profile.sum(site).alloc_objects;
            let bytes = profile.sum(site).alloc_bytes - before_profile.sum(site).alloc_bytes;
            assert_eq!(
                (now, bytes),
                (truth.alloc_objects, truth.alloc_bytes),
                "{what}: {site}"
            );
        }
        check_afterwards(&what);
    }
}

/// As if nothing had been.
fn check_afterwards(what: &str) {
    let before = profile().sum("site_afterwards");
    let blocks: Vec<_> = (0..100).map_while(|_| site_afterwards()).collect();
    assert_eq!(blocks.len(), 100);
    assert_eq!(
        profile().sum("site_afterwards"),
        before + Values::held(100, 1_000),
        "{what}"
    );
    blocks.into_iter().for_each(Block::free);
    assert_eq!(profile().sum("site_afterwards").in_use_bytes, 0, "{what}");
}
