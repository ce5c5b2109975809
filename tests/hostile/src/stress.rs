//! Everything at once: allocations of all sizes on many threads, freed and
//! reallocated by others, while intervals change, snapshots are taken and
//! profiles written. Afterwards the books must balance to the last object.

use std::alloc::{self, GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use std::{env, thread};

use heapprof::{PprofOptions, Snapshot, Symbols, set_sample_interval};
use heapprof_end_to_end::Profile;

/// Notes each block's layout in front of it, and compares when it comes back.
#[derive(Debug)]
pub struct Sealed;

/// What lies in front of a block.
#[repr(C)]
struct Seal {
    size: usize,
    align: usize,
    /// Tells a live block from a freed one, and from none.
    mark: usize,
    _to_16: usize,
}

const LIVE: usize = 0x11FE_11FE_11FE_11FE;
const FREED: usize = 0xF4EE_F4EE_F4EE_F4EE;

fn room_in_front(layout: Layout) -> usize {
    layout.align().max(size_of::<Seal>())
}

fn with_seal(layout: Layout) -> Layout {
    let size = layout.size() + room_in_front(layout);
    Layout::from_size_align(size, layout.align().max(align_of::<Seal>())).expect("it is not huge")
}

// SAFETY: forwards to `System` with room in front.
unsafe impl GlobalAlloc for Sealed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract; the seal lies in the room in front.
        unsafe {
            let start = System.alloc(with_seal(layout));
            if start.is_null() {
                return start;
            }
            let block = start.add(room_in_front(layout));
            block.cast::<Seal>().sub(1).write(Seal {
                size: layout.size(),
                align: layout.align(),
                mark: LIVE,
                _to_16: 0,
            });
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract; the seal lies in front.
        unsafe {
            let seal = &mut *block.cast::<Seal>().sub(1);
            if (seal.size, seal.align, seal.mark) != (layout.size(), layout.align(), LIVE) {
                complain(seal, layout);
            }
            seal.mark = FREED;
            System.dealloc(block.sub(room_in_front(layout)), with_seal(layout));
        }
    }
}

#[cold]
fn complain(seal: &Seal, layout: Layout) -> ! {
    eprintln!(
        "a block of {} aligned to {} (mark {:x}) came back as {layout:?}",
        seal.size, seal.align, seal.mark
    );
    std::process::abort();
}

/// The usual mixing of bits, for random numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> usize {
        (self.next() % limit) as usize
    }
}

/// A block with something written at its ends, to be found there later.
struct Block {
    start: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: owned memory.
unsafe impl Send for Block {}

/// What was done, counted by who did it.
#[derive(Clone, Copy, Default)]
struct Truth {
    /// Calls of the allocator.
    operations: u64,
    allocations: u64,
    bytes: u64,
    /// Of the estimated bytes, at the interval of the phase.
    variance: f64,
}

impl Truth {
    fn allocated(&mut self, size: usize, interval: u64) {
        self.allocations += 1;
        self.bytes += size as u64;
        if interval > 1 {
            // Of one allocation's estimate s/p with probability p: s^2 (1 - p) / p,
            // and p = 1 - exp(-s/R).
            let s = size as f64;
            self.variance += s * s / (s / interval as f64).exp_m1();
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            allocations: self.allocations + other.allocations,
            bytes: self.bytes + other.bytes,
            variance: self.variance + other.variance,
        }
    }
}

/// Many small ones, few large ones, some with more alignment than usual.
fn random_layout(random: &mut Random) -> Layout {
    let size = 1 + match random.below(100) {
        0..70 => random.below(512),
        70..90 => random.below(8 << 10),
        90..98 => random.below(64 << 10),
        _ => random.below(1 << 20),
    };
    let align = if random.below(10) == 0 {
        1 << random.below(14)
    } else {
        1 << random.below(5)
    };
    Layout::from_size_align(size, align).expect("it is not huge")
}

impl Block {
    fn new(random: &mut Random, truth: &mut Truth, interval: u64) -> Self {
        let layout = random_layout(random);
        truth.operations += 1;
        truth.allocated(layout.size(), interval);
        let start = allocate_block(layout, random.below(4) == 0);
        assert!(start.addr().is_multiple_of(layout.align()));
        let block = Self {
            start,
            layout,
            tag: random.next() as u8,
        };
        block.write_tag();
        block
    }

    fn write_tag(&self) {
        // SAFETY: inside the block.
        unsafe {
            self.start.write(self.tag);
            self.start.add(self.layout.size() - 1).write(self.tag);
        }
    }

    fn check(&self) {
        // SAFETY: inside the block.
        let ends = unsafe { [*self.start, *self.start.add(self.layout.size() - 1)] };
        assert_eq!(ends, [self.tag; 2], "someone wrote into a block");
    }

    fn resize(&mut self, random: &mut Random, truth: &mut Truth, interval: u64) {
        self.check();
        let size = random_layout(random).size();
        truth.operations += 1;
        truth.allocated(size, interval);
        let start = reallocate_block(self.start, self.layout, size);
        // SAFETY: inside the block.
        assert_eq!(unsafe { *start }, self.tag, "the contents came along");
        self.start = start;
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("it is not huge");
        self.write_tag();
    }

    fn free(self, truth: &mut Truth) {
        self.check();
        truth.operations += 1;
        // SAFETY: the block's own layout.
        unsafe { alloc::dealloc(self.start, self.layout) };
    }
}

// The two functions that a profile names.

#[inline(never)]
fn allocate_block(layout: Layout, zeroed: bool) -> *mut u8 {
    // SAFETY: the size is not 0.
    let start = unsafe {
        if zeroed {
            alloc::alloc_zeroed(layout)
        } else {
            alloc::alloc(layout)
        }
    };
    assert!(!start.is_null(), "there is memory");
    // SAFETY: inside the block.
    assert!(!zeroed || unsafe { *start.add(layout.size() - 1) } == 0);
    start
}

#[inline(never)]
fn reallocate_block(start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: the block's own layout; the size is not 0.
    let start = unsafe { alloc::realloc(start, layout, size) };
    assert!(!start.is_null(), "there is memory");
    start
}

/// Where threads leave blocks for each other.
struct Exchange {
    places: Vec<Mutex<Option<Block>>>,
}

impl Exchange {
    fn swap(&self, random: &mut Random, own: &mut Option<Block>) {
        let place = &self.places[random.below(self.places.len() as u64)];
        if let Ok(mut there) = place.try_lock() {
            std::mem::swap(&mut *there, own);
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls of the allocator in each phase.
    pub operations: u64,
    /// Blocks that a thread holds at most.
    pub slots: u64,
    /// Threads that work.
    pub threads: u64,
    /// Of the random numbers.
    pub seed: u64,
}

/// What one phase is run with.
#[derive(Clone, Copy)]
enum Intervals {
    Fixed(u64),
    /// Changing all the time, between these.
    Mixed(&'static [u64]),
}

/// In this order: alignments of sampled blocks only ever get finer, and below
/// 4 KiB they are not padded any more.
const PHASES: [(&str, Intervals); 8] = [
    ("512 Ki", Intervals::Fixed(512 << 10)),
    ("128 Ki", Intervals::Fixed(128 << 10)),
    ("16 Ki", Intervals::Fixed(16 << 10)),
    ("4 Ki", Intervals::Fixed(4 << 10)),
    (
        "coarse",
        Intervals::Mixed(&[0, 4 << 10, 16 << 10, 128 << 10, 512 << 10]),
    ),
    ("128", Intervals::Fixed(128)),
    ("1", Intervals::Fixed(1)),
    (
        "all",
        Intervals::Mixed(&[0, 1, 128, 4 << 10, 16 << 10, 128 << 10, 512 << 10]),
    ),
];

/// One thread's work: operations on blocks of its own and of others.
fn work(seed: u64, plan: &Plan, interval: u64, exchange: &Exchange, phase: &Barrier) -> Truth {
    let mut random = Random(seed);
    let mut truth = Truth::default();
    let mut slots: Vec<Option<Block>> = (0..plan.slots).map(|_| None).collect();
    phase.wait();
    while truth.operations < plan.operations / plan.threads {
        let slot = &mut slots[random.below(plan.slots)];
        match (random.below(8), slot.as_mut()) {
            (0..3, Some(block)) => block.resize(&mut random, &mut truth, interval),
            (3..5, _) => exchange.swap(&mut random, slot),
            (_, Some(_)) => {
                if let Some(block) = slot.take() {
                    block.free(&mut truth);
                }
            }
            (_, None) => *slot = Some(Block::new(&mut random, &mut truth, interval)),
        }
    }
    for block in slots.iter_mut().filter_map(Option::take) {
        block.free(&mut truth);
    }
    phase.wait();
    truth
}

/// Takes snapshots, writes profiles and, in a mixed phase, changes the interval,
/// until it is over.
fn disturb(intervals: Intervals, over: &AtomicBool, disturbances: &AtomicU64) {
    let mut random = Random(0xD157);
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        if let Intervals::Mixed(mixed) = intervals {
            let interval = mixed[random.below(mixed.len() as u64)];
            set_sample_interval(interval).expect("it is a valid interval");
        }
        if round % 8 == 0 {
            let snapshot = Snapshot::take().expect("the allocator is registered");
            for record in snapshot.records() {
                let (all, live) = (record.allocated(), record.in_use());
                let is_sane = 0 <= live.samples
                    && live.samples <= all.samples
                    && 0 <= live.bytes
                    && live.bytes <= all.bytes;
                assert!(is_sane, "{record:?}");
            }
            if round % 64 == 0 {
                let symbols = if round % 512 == 0 {
                    Symbols::Names
                } else {
                    Symbols::None
                };
                let options = PprofOptions::default().symbols(symbols);
                snapshot
                    .write_pprof(&mut std::io::sink(), options)
                    .expect("nothing can go wrong in memory");
            }
        }
        disturbances.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// One phase. Returns the operations done.
fn run(name: &str, intervals: Intervals, plan: &Plan) -> u64 {
    let interval = match intervals {
        Intervals::Fixed(interval) => interval,
        Intervals::Mixed(_) => 0,
    };
    let places = (0..1024).map(|_| Mutex::new(None)).collect();
    let exchange = Exchange { places };
    // Workers, the one that disturbs, and this thread.
    let phase = Barrier::new(plan.threads as usize + 1);
    let (over, disturbances) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let before = settled();
    let truth = thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let (exchange, phase) = (&exchange, &phase);
                scope.spawn(move || {
                    if let Intervals::Fixed(interval) = intervals {
                        // On this thread at once.
                        set_sample_interval(interval).expect("it is a valid interval");
                    }
                    work(plan.seed ^ (thread << 32), plan, interval, exchange, phase)
                })
            })
            .collect();
        let disturber = scope.spawn(|| disturb(intervals, &over, &disturbances));
        // All begin together, and end together.
        phase.wait();
        phase.wait();
        over.store(true, Ordering::Relaxed);
        disturber.join().expect("nothing was wrong meanwhile");
        let mut truth = workers
            .into_iter()
            .map(|worker| worker.join().expect("no block was harmed"))
            .fold(Truth::default(), Truth::plus);
        for place in &exchange.places {
            let left = place.lock().expect("nobody panicked").take();
            if let Some(block) = left {
                block.free(&mut truth);
            }
        }
        truth
    });
    let took = start.elapsed();
    let change = settled().since(&before);
    let stats = change.stats();
    println!(
        "{name:>7}: {} operations on {} threads, {:.0} ns each, {} disturbances; {} samples, \
         {} lost, {} live, {} torn reads",
        truth.operations,
        plan.threads,
        took.as_nanos() as f64 / truth.operations as f64,
        disturbances.load(Ordering::Relaxed),
        stats.samples,
        stats.lost_samples,
        stats.live_samples,
        stats.torn_reads,
    );

    assert_eq!(stats.foreign_frees, 0, "an entry was left behind");
    let in_records: i64 = change.records().iter().map(|r| r.allocated().samples).sum();
    assert_eq!(in_records, stats.samples.cast_signed(), "counted once each");
    check_totals(intervals, plan, &truth, &change);
    truth.operations
}

/// Compares what was found with what was done.
fn check_totals(intervals: Intervals, plan: &Plan, truth: &Truth, change: &Snapshot) {
    let stats = change.stats();
    match intervals {
        Intervals::Fixed(1) => {
            let mut gzip = Vec::new();
            change
                .write_pprof(&mut gzip, PprofOptions::default().symbols(Symbols::Names))
                .expect("nothing can go wrong in memory");
            let profile = Profile::decode(&gzip);
            let found = profile.sum("::allocate_block") + profile.sum("::reallocate_block");
            let objects = truth.allocations.cast_signed();
            let lost = stats.lost_samples.cast_signed();
            if lost == 0 {
                let totals = (found.alloc_objects, found.alloc_bytes);
                assert_eq!(totals, (objects, truth.bytes.cast_signed()));
            }
            // What is lost may be the threads' own machinery's.
            assert!(found.alloc_objects <= objects && objects <= found.alloc_objects + lost);
            assert_eq!((found.in_use_objects, found.in_use_bytes), (0, 0));
        }
        Intervals::Fixed(_) => {
            // What the threads' own machinery allocates beside the work.
            let machinery = 1e6 + (plan.threads * plan.slots * 64) as f64;
            let bytes: i64 = change.records().iter().map(|r| r.allocated().bytes).sum();
            let found = bytes as f64 + stats.lost_bytes as f64;
            let off = (found - truth.bytes as f64).abs();
            let sigma = truth.variance.sqrt();
            assert!(
                off <= 6.0 * sigma + machinery,
                "{found} of {} bytes: {:.1} sigma",
                truth.bytes,
                off / sigma
            );
        }
        Intervals::Mixed(_) => {}
    }
}

/// The `main` of a stress program: runs every phase, then looks whether anything
/// is left. Arguments: `operations=N` in each phase, `seed=N`.
///
/// # Panics
/// If the books do not balance.
pub fn main(mut plan: Plan) -> ExitCode {
    for argument in env::args().skip(1) {
        match argument
            .split_once('=')
            .map(|(key, value)| (key, value.parse()))
        {
            Some(("operations", Ok(value))) => plan.operations = value,
            Some(("seed", Ok(value))) => plan.seed = value,
            _ => {
                eprintln!("{argument}? usage: operations=N seed=N");
                return ExitCode::from(2);
            }
        }
    }

    // What the standard library allocates once and keeps is there after this.
    let warm_up = Plan {
        operations: 20_000,
        ..plan
    };
    run("warm up", Intervals::Fixed(512 << 10), &warm_up);
    let before = settled();
    let total: u64 = PHASES
        .iter()
        .map(|&(name, intervals)| run(name, intervals, &plan))
        .sum();
    let after = settled();

    let left = after.since(&before);
    let unbalanced: Vec<_> = left
        .records()
        .iter()
        .filter(|r| r.in_use() != heapprof::Counts::default())
        .collect();
    assert!(unbalanced.is_empty(), "left behind: {unbalanced:#?}");
    assert_eq!(
        after.stats().live_samples,
        before.stats().live_samples,
        "entries without a record"
    );
    println!("{total} operations, nothing left, nothing lost track of: {plan:?}");
    ExitCode::SUCCESS
}

/// With every thread gone: what is in use now.
fn settled() -> Snapshot {
    Snapshot::take().expect("the allocator is registered")
}
