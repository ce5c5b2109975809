//! A program interrupted everywhere, by handlers that allocate. See
//! `tests/signal_storm.rs`.
//!
//! `signal_storm SIGNALS FOLDER`

use std::alloc::{Layout, alloc, dealloc};
use std::env;
use std::ffi::c_int;
use std::hint::black_box;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use heapprof::{Alloc, Snapshot, Stats};
use heapprof_end_to_end::Block;
use heapprof_hostile::signal_safe::SignalSafe;
use heapprof_hostile::timer::Timer;

// An ordinary malloc may not be called in a handler; what lies below the
// profiler here may.
#[global_allocator]
static ALLOC: Alloc<SignalSafe> = Alloc::new(SignalSafe).with_sample_interval(1);

static SIGNALS: AtomicU64 = AtomicU64::new(0);
static WORK_BLOCKS: AtomicU64 = AtomicU64::new(0);
static HANDLER_BLOCKS: AtomicU64 = AtomicU64::new(0);

/// What one handler leaves for a later one, on any thread.
static LEFT: [AtomicPtr<u8>; 64] = [const { AtomicPtr::new(ptr::null_mut()) }; 64];

fn main() {
    let mut arguments = env::args().skip(1);
    let signals = arguments.next().and_then(|n| n.parse().ok());
    let signals: u64 = signals.expect("a number of signals is given");
    let folder = arguments.next().expect("a folder is given");

    let before = stats();
    let workers = [(); 2].map(|()| thread::spawn(move || work_in_the_storm(signals)));
    for worker in workers {
        worker.join().expect("it ends well");
    }
    for left in &LEFT {
        free_left(left.swap(ptr::null_mut(), Ordering::AcqRel));
    }
    let after = stats();

    println!("signals {}", SIGNALS.load(Ordering::Relaxed));
    println!("work-blocks {}", WORK_BLOCKS.load(Ordering::Relaxed));
    println!("handler-blocks {}", HANDLER_BLOCKS.load(Ordering::Relaxed));
    println!("lost {}", after.lost_samples);
    println!("foreign {}", after.foreign_frees);
    println!("torn {}", after.torn_reads);
    println!(
        "live {}",
        after.live_samples.cast_signed() - before.live_samples.cast_signed()
    );
    heapprof::dump_heap_to(Path::new(&folder).join("after")).expect("the heap is dumped");
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator is registered");
    snapshot.stats().clone()
}

// The work.

fn work_in_the_storm(signals: u64) {
    // The first sample of a thread asks the C library where its stack is, for
    // which that allocates: not in a handler.
    drop(Block::new(1));
    let timer = Timer::start(libc::SIGALRM, handle, Duration::from_micros(70));
    while SIGNALS.load(Ordering::Relaxed) < signals {
        hold_many();
        drop(Snapshot::take());
        for size in [10, 1_000, 40_000, 300_000] {
            work_resizes(size);
        }
    }
    drop(timer);
}

fn hold_many() {
    // With those of the other thread, more than the first level of the live
    // table takes: it grows.
    let mut held: Vec<Option<Block>> = Vec::new();
    held.resize_with(14_000, || None);
    for round in 0..3 {
        for place in &mut held {
            // Frees what was there.
            *place = Some(work_holds(round * 8 + 8));
        }
    }
}

#[inline(never)]
fn work_holds(size: usize) -> Block {
    WORK_BLOCKS.fetch_add(1, Ordering::Relaxed);
    Block::new(black_box(size))
}

#[inline(never)]
fn work_resizes(size: usize) {
    WORK_BLOCKS.fetch_add(3, Ordering::Relaxed);
    let mut block = Block::zeroed(black_box(size));
    block.resize(black_box(size * 2));
    block.resize(black_box(size / 2));
}

// The storm.

extern "C" fn handle(_: c_int) {
    let count = SIGNALS.fetch_add(1, Ordering::Relaxed);
    // As large as handlers may be, wherever they run.
    let frame = black_box([0_u8; 16 << 10]);
    drop(handler_comes_and_goes());
    let at = usize::try_from(count).expect("64 bits") % LEFT.len();
    free_left(LEFT[at].swap(handler_leaves(), Ordering::AcqRel));
    black_box(frame);
}

#[inline(never)]
fn handler_comes_and_goes() -> Block {
    HANDLER_BLOCKS.fetch_add(2, Ordering::Relaxed);
    let mut block = Block::new(black_box(100));
    block.resize(black_box(50_000));
    block
}

const LEFT_LAYOUT: Layout = Layout::new::<[u64; 9]>();

#[inline(never)]
fn handler_leaves() -> *mut u8 {
    HANDLER_BLOCKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the layout is not empty.
    black_box(unsafe { alloc(LEFT_LAYOUT) })
}

fn free_left(left: *mut u8) {
    if !left.is_null() {
        // SAFETY: from `handler_leaves`, and taken out of its place.
        unsafe { dealloc(left, LEFT_LAYOUT) };
    }
}
