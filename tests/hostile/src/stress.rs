//! Everything at once: allocations of all sizes on many threads, freed and
//! reallocated by others, while intervals change, snapshots are taken and
//! profiles written. Afterwards the books must balance to the last object.

mod blocks;
mod sealed;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use std::{env, thread};

use heapprof::{PprofOptions, Snapshot, Symbols, set_sample_interval};
use heapprof_end_to_end::{Numbers, Profile};

use blocks::{Block, Truth};
pub use sealed::Sealed;

/// Where threads leave blocks for each other.
struct Exchange {
    places: Vec<Mutex<Option<Block>>>,
}

impl Exchange {
    fn swap(&self, random: &mut Numbers, own: &mut Option<Block>) {
        let place = &self.places[random.below(self.places.len())];
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
    let mut random = Numbers(seed);
    let mut truth = Truth::default();
    let mut slots: Vec<Option<Block>> = (0..plan.slots).map(|_| None).collect();
    phase.wait();
    while truth.operations < plan.operations / plan.threads {
        let place = random.below(slots.len());
        let slot = &mut slots[place];
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
    let mut random = Numbers(0xD157);
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        if let Intervals::Mixed(mixed) = intervals {
            let interval = mixed[random.below(mixed.len())];
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
