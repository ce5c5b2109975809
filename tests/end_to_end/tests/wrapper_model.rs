//! The wrapper against a model: random allocations, reallocations and frees,
//! with the contents of every block checked, at intervals that change on the
//! way, over an allocator that checks every layout handed back to it.
//!
//! Getting a layout wrong is memory corruption in a real allocator, so the
//! allocator below is strict: it remembers how each block was asked for, and
//! fails on purpose now and then.
//!
//! `HEAPPROF_TEST_SCALE` multiplies the number of cases.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use heapprof::{Alloc, Snapshot, Stats, set_sample_interval};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Remembers every block's layout, and checks it.
struct Strict {
    blocks: Mutex<Option<HashMap<usize, Layout>>>,
    /// What is to go wrong: see [`Fault`].
    fault: AtomicU32,
    calls: AtomicU32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u32)]
enum Fault {
    None = 0,
    /// Every 7th request is refused.
    EverySeventh = 1,
    /// Requests for more alignment than the test asks for are refused.
    OverAligned = 2,
    /// They are answered by a block that is not aligned.
    Misaligned = 3,
}

/// The test itself asks for no more than this.
const MAX_ALIGN: usize = 64;
/// An over-aligned block that is answered misaligned starts this far in.
const MISPLACED: usize = 16;

impl Strict {
    const fn new() -> Self {
        Self {
            blocks: Mutex::new(None),
            fault: AtomicU32::new(0),
            calls: AtomicU32::new(0),
        }
    }

    fn fault(&self) -> u32 {
        self.fault.load(Ordering::Relaxed)
    }

    fn refuses(&self, layout: Layout) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        (self.fault() == Fault::EverySeventh as u32 && call % 7 == 0)
            || (self.fault() == Fault::OverAligned as u32 && layout.align() > MAX_ALIGN)
    }

    fn with_blocks<R>(&self, f: impl FnOnce(&mut HashMap<usize, Layout>) -> R) -> R {
        f(self
            .blocks
            .lock()
            .expect("no test panics with it")
            .get_or_insert_default())
    }

    fn give(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        assert!(layout.size() > 0);
        if self.refuses(layout) {
            return std::ptr::null_mut();
        }
        let misplaced = self.fault() == Fault::Misaligned as u32 && layout.align() > MAX_ALIGN;
        let real = if misplaced { widened(layout) } else { layout };
        // SAFETY: the size is not 0.
        let block = unsafe {
            if zeroed {
                System.alloc_zeroed(real)
            } else {
                System.alloc(real)
            }
        };
        // SAFETY: within the widened block.
        let block = if misplaced {
            unsafe { block.add(MISPLACED) }
        } else {
            block
        };
        if !zeroed {
            // SAFETY: as large as asked for.
            unsafe { block.write_bytes(0xA5, layout.size()) };
        }
        let before = self.with_blocks(|blocks| blocks.insert(block.addr(), layout));
        assert_eq!(before, None, "the system gave out a live block");
        block
    }

    fn take_back(&self, block: *mut u8, layout: Layout) {
        let known = self.with_blocks(|blocks| blocks.remove(&block.addr()));
        assert_eq!(
            known,
            Some(layout),
            "{block:p} came back with another layout"
        );
        // SAFETY: given out by `give`, as the assertion shows; the misplaced ones
        // can be told by their address.
        unsafe {
            if block.addr() % layout.align() == 0 {
                System.dealloc(block, layout);
            } else {
                System.dealloc(block.sub(MISPLACED), widened(layout));
            }
        }
    }
}

fn widened(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + MISPLACED, layout.align()).expect("a valid layout")
}

// SAFETY: blocks come from the system and are as large as asked for.
unsafe impl GlobalAlloc for &Strict {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.give(layout, false)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.give(layout, true)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.take_back(block, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new_layout = Layout::from_size_align(new_size, layout.align()).expect("a valid layout");
        let new = self.give(new_layout, false);
        if !new.is_null() {
            // SAFETY: both are live, different blocks, at least this large.
            unsafe { block.copy_to_nonoverlapping(new, layout.size().min(new_size)) };
            self.take_back(block, layout);
        }
        new
    }
}

static STRICT: Strict = Strict::new();
/// Not this program's global allocator: the test calls it by name.
static ALLOC: Alloc<&Strict> = Alloc::new(&STRICT);

/// A block as the test knows it: every byte of it is `fill`.
struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    fn allocate(layout: Layout, zeroed: bool, fill: u8) -> Option<Self> {
        // SAFETY: the size is not 0.
        let start = unsafe {
            if zeroed {
                ALLOC.alloc_zeroed(layout)
            } else {
                ALLOC.alloc(layout)
            }
        };
        if start.is_null() {
            return None;
        }
        assert_eq!(start.addr() % layout.align(), 0, "aligned as asked for");
        let block = Self {
            start,
            layout,
            fill: 0,
        };
        if zeroed {
            block.check(layout.size());
        }
        Some(block.refill(fill))
    }

    fn refill(mut self, fill: u8) -> Self {
        self.fill = fill;
        // SAFETY: our own block.
        unsafe { self.start.write_bytes(fill, self.layout.size()) };
        self
    }

    fn check(&self, bytes: usize) {
        // SAFETY: our own block, at least as large.
        let contents = unsafe { std::slice::from_raw_parts(self.start, bytes) };
        assert!(
            contents.iter().all(|&byte| byte == self.fill),
            "contents changed"
        );
    }

    fn resize(self, new_size: usize) -> Self {
        self.check(self.layout.size());
        // SAFETY: our own block and its layout; the size is not 0.
        let start = unsafe { ALLOC.realloc(self.start, self.layout, new_size) };
        if start.is_null() {
            // The old block is still ours, as it was.
            self.check(self.layout.size());
            return self;
        }
        let layout =
            Layout::from_size_align(new_size, self.layout.align()).expect("a valid layout");
        assert_eq!(start.addr() % layout.align(), 0, "aligned as asked for");
        let kept = self.layout.size().min(new_size);
        let block = Self {
            start,
            layout,
            fill: self.fill,
        };
        block.check(kept);
        block.refill(self.fill)
    }

    fn free(self) {
        self.check(self.layout.size());
        // SAFETY: our own block and its layout.
        unsafe { ALLOC.dealloc(self.start, self.layout) };
    }
}

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

fn step(intervals: &'static [u64]) -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::EverySeventh),
        1 => Just(Fault::OverAligned),
        1 => Just(Fault::Misaligned)
    ];
    prop_oneof![
        8 => (size(), 0..=MAX_ALIGN.ilog2(), any::<bool>())
            .prop_map(|(size, align_log2, zeroed)| Step::Allocate { size, align_log2, zeroed }),
        6 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Resize { which, size }),
        5 => any::<usize>().prop_map(|which| Step::Free { which }),
        1 => prop::sample::select(intervals).prop_map(Step::SetInterval),
        1 => fault.prop_map(Step::SetFault),
    ]
}

fn play(steps: &[Step]) {
    let mut blocks: Vec<Block> = Vec::new();
    for (step, fill) in steps.iter().zip((1..=250).cycle()) {
        match *step {
            Step::Allocate {
                size,
                align_log2,
                zeroed,
            } => {
                let layout =
                    Layout::from_size_align(size, 1 << align_log2).expect("a valid layout");
                blocks.extend(Block::allocate(layout, zeroed, fill));
            }
            Step::Resize { which, size } if !blocks.is_empty() => {
                let block = blocks.swap_remove(which % blocks.len());
                blocks.push(block.resize(size));
            }
            Step::Free { which } if !blocks.is_empty() => {
                blocks.swap_remove(which % blocks.len()).free();
            }
            Step::Resize { .. } | Step::Free { .. } => {}
            Step::SetInterval(bytes) => set_sample_interval(bytes).expect("a valid interval"),
            Step::SetFault(fault) => STRICT.fault.store(fault as u32, Ordering::Relaxed),
        }
    }
    STRICT.fault.store(Fault::None as u32, Ordering::Relaxed);
    blocks.into_iter().for_each(Block::free);
    assert_eq!(
        STRICT.with_blocks(|blocks| blocks.len()),
        0,
        "everything came back"
    );
}

fn cases() -> u32 {
    let scale = std::env::var("HEAPPROF_TEST_SCALE").map_or(1, |scale| scale.parse().unwrap_or(1));
    100 * scale
}

/// Sampled blocks are padded less the finer the interval ever was, so the coarse
/// ones come first: to a page, to 128 bytes, and not at all.
const PHASES: [&[u64]; 3] = [
    &[0, 512 << 10],
    &[0, 16 << 10, 512 << 10],
    &[0, 1, 128, 16 << 10, 512 << 10],
];

#[test]
fn random_programs() {
    // The recorder learns of the allocator at its first allocation.
    Block::allocate(Layout::new::<u64>(), false, 1)
        .expect("memory")
        .free();
    for intervals in PHASES {
        run_phase(intervals);
    }
    let stats = stats();
    assert_eq!(stats.free_filter_alignment, 1, "{stats:?}");
    assert!(stats.samples > 1000, "the wrapper sampled: {stats:?}");
    assert!(
        stats.lost_samples > 10,
        "and was refused at times: {stats:?}"
    );
}

fn run_phase(intervals: &'static [u64]) {
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    });
    let programs = (
        prop::sample::select(intervals),
        prop::collection::vec(step(intervals), 1..400),
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
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator was used");
    snapshot.stats().clone()
}
