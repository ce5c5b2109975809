//! Blocks that are allocated at one interval and freed or resized at another,
//! over an allocator that checks every layout. See `tests/foreign_hands.rs`.
//!
//! `mode_change FROM TO`

use std::alloc::Layout;
use std::env;
use std::thread;

use heapprof::{Alloc, Counts, Snapshot, set_sample_interval};
use heapprof_end_to_end::{Filled, Strict};

/// The most that is asked for below.
const MAX_ALIGN: usize = 256;

static STRICT: Strict = Strict::new();
/// Not this program's global allocator: it is called by name.
static ALLOC: Alloc<&Strict> = Alloc::new(&STRICT);

type Block = Filled<Alloc<&'static Strict>>;

/// Served by allocators in different ways.
const SMALL: usize = 2_000;
const LARGE: usize = 70_000;

/// How a block comes to be.
#[derive(Clone, Copy, Debug)]
enum Birth {
    Allocated,
    Zeroed,
    /// From half the size.
    Grown,
    /// From twice the size.
    Shrunk,
    /// From the other of the two sizes.
    Crossed,
}

/// How it ends at the other interval.
#[derive(Clone, Copy, Debug)]
enum End {
    Freed,
    Grown,
    Shrunk,
    Crossed,
}

const BIRTHS: [Birth; 5] = [
    Birth::Allocated,
    Birth::Zeroed,
    Birth::Grown,
    Birth::Shrunk,
    Birth::Crossed,
];
const ENDS: [End; 4] = [End::Freed, End::Grown, End::Shrunk, End::Crossed];

fn other_side(size: usize) -> usize {
    if size == SMALL { LARGE } else { SMALL }
}

fn born(birth: Birth, size: usize, align: usize) -> Block {
    let allocate = |size, zeroed| {
        let layout = Layout::from_size_align(size, align).expect("a valid layout");
        Block::allocate(&ALLOC, layout, zeroed, 3).expect("there is memory")
    };
    let from = |first: usize| {
        allocate(first, false)
            .resize(size)
            .expect("there is memory")
    };
    match birth {
        Birth::Allocated => allocate(size, false),
        Birth::Zeroed => allocate(size, true),
        Birth::Grown => from(size / 2),
        Birth::Shrunk => from(size * 2),
        Birth::Crossed => from(other_side(size)),
    }
}

fn end(block: Block, how: End) {
    let size = block.layout().size();
    let last_size = match how {
        End::Freed => return block.free(),
        End::Grown => size * 2,
        End::Shrunk => size / 2,
        End::Crossed => other_side(size),
    };
    block.resize(last_size).expect("there is memory").free();
}

fn live_samples() -> u64 {
    let snapshot = Snapshot::take().expect("the allocator was used");
    snapshot.stats().live_samples
}

/// Sampled and unsampled blocks of this kind, born at this interval.
fn blocks(interval: u64, birth: Birth, size: usize, align: usize) -> Vec<Block> {
    set_sample_interval(interval).expect("a valid interval");
    let before = live_samples();
    let mut held = vec![born(birth, size, align)];
    // A look takes longer than an allocation.
    let batch = (interval / size as u64 / 4).clamp(1, 64);
    while interval != 0 && live_samples() == before {
        // One that is not sampled stays.
        held.drain(1..).for_each(Block::free);
        held.extend((0..batch).map(|_| born(birth, size, align)));
    }
    held
}

fn main() {
    let [from, to] = [1, 2].map(|n| {
        let interval = env::args().nth(n).and_then(|arg| arg.parse().ok());
        interval.expect("two intervals are given")
    });
    // The recorder learns of the allocator at its first allocation.
    born(Birth::Allocated, 8, 8).free();
    let (mut cases, mut sampled) = (0, 0);
    for (size, align) in [
        (SMALL, 8),
        (LARGE, 8),
        (SMALL, MAX_ALIGN),
        (LARGE, MAX_ALIGN),
    ] {
        for birth in BIRTHS {
            for how in ENDS {
                for elsewhere in [false, true] {
                    let held = blocks(from, birth, size, align);
                    sampled += live_samples();
                    set_sample_interval(to).expect("a valid interval");
                    let last = move || held.into_iter().for_each(|block| end(block, how));
                    if elsewhere {
                        thread::spawn(last).join().expect("it ends well");
                    } else {
                        last();
                    }
                    check(&format!("{birth:?} {how:?} {size} {align} {elsewhere}"));
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases, {sampled} sampled");
    assert_eq!(sampled >= cases, from != 0, "one of each was sampled");
}

/// Nothing is live: not below, not in the table, not in any record.
fn check(case: &str) {
    assert_eq!(STRICT.live(), 0, "{case}");
    let snapshot = Snapshot::take().expect("the allocator was used");
    let stats = snapshot.stats();
    assert_eq!(
        (stats.live_samples, stats.foreign_frees, stats.lost_samples),
        (0, 0, 0),
        "{case}"
    );
    for record in snapshot.records() {
        assert_eq!(record.in_use(), Counts::default(), "{case}");
    }
}
