//! A program that runs out of stack, or nearly, or has very much of it. See
//! `tests/stacks.rs`.
//!
//! `stacks overflow|overflow-on-a-thread|small`
//! `stacks to-the-edge|first-at-the-edge RESERVE`
//! `stacks deep FOLDER`

use std::env;
use std::ffi::c_void;
use std::hint::black_box;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use heapprof::{Alloc, Snapshot, StackEnd, Stats};
use heapprof_end_to_end::Block;
use heapprof_hostile::posix::{Thread, stack_low, stack_pointer};

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

fn main() {
    let mut arguments = env::args().skip(1);
    let condition = arguments.next().expect("a condition is given");
    let mut argument = || arguments.next().expect("an argument is given");
    match condition.as_str() {
        "overflow" => println!("{}", without_end()),
        "overflow-on-a-thread" => {
            let thread = thread::Builder::new().stack_size(512 << 10);
            let thread = thread.spawn(without_end).expect("it starts");
            println!("{:?}", thread.join());
        }
        "to-the-edge" => to_the_edge(number(&argument())),
        "first-at-the-edge" => first_at_the_edge(number(&argument())),
        "small" => small_threads(),
        "deep" => deep(Path::new(&argument())),
        other => panic!("{other}?"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number of bytes is given")
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator is registered");
    snapshot.stats().clone()
}

/// Runs `f` and prints how many samples were taken meanwhile; `f` returns how
/// many there should be.
fn count(f: impl FnOnce() -> usize) {
    let before = stats();
    let allocations = f();
    let after = stats();
    println!("allocations {allocations}");
    println!("samples {}", after.samples - before.samples);
    println!("missing {}", after.missing_stacks - before.missing_stacks);
    println!("lost {}", after.lost_samples - before.lost_samples);
    println!("live {}", after.live_samples - before.live_samples);
}

/// Every way into the recorder: four allocations, of small and large blocks.
#[inline(never)]
fn come_and_go() {
    let mut block = Block::new(black_box(100));
    block.resize(black_box(200));
    drop(block);
    let mut block = Block::zeroed(black_box(40_000));
    block.resize(black_box(50_000));
}

// Over the edge.

/// Each frame holds a block; one of them, or the profiler, meets the guard page.
#[inline(never)]
#[expect(unconditional_recursion, reason = "it is to run out of stack")]
fn without_end() -> usize {
    let block = Block::new(black_box(32));
    without_end() + black_box(block.size())
}

// Up to it.

/// Goes down in small steps, allocates at each, and turns round where less than
/// `reserve` bytes are left. Returns how often it allocated.
#[inline(never)]
fn descend(low: usize, reserve: usize) -> usize {
    if stack_pointer() - low < reserve {
        return 0;
    }
    let frame = black_box([0_u8; 150]);
    come_and_go();
    4 + descend(low, reserve) + usize::from(black_box(frame)[7])
}

fn to_the_edge(reserve: usize) {
    let thread = thread::Builder::new().stack_size(128 << 10);
    let thread = thread.spawn(move || count(|| descend(stack_low(), reserve)));
    thread.expect("it starts").join().expect("it ends well");
}

/// Goes down without allocating, to where about `left` bytes are left.
#[inline(never)]
fn descend_and_allocate(low: usize, left: usize) -> usize {
    if stack_pointer() - low < left {
        come_and_go();
        return 4;
    }
    let frame = black_box([0_u8; 150]);
    descend_and_allocate(low, left) + usize::from(black_box(frame)[7])
}

/// The first allocation of a thread, at ever greater distances from the edge:
/// it has more to do than the others.
fn first_at_the_edge(reserve: usize) {
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn body(_: *mut c_void) -> *mut c_void {
        descend_and_allocate(stack_low(), LEFT.load(Ordering::Relaxed));
        ptr::null_mut()
    }
    count(|| {
        let distances = (reserve..100 << 10).step_by(512);
        let allocations = distances.len() * 4;
        for left in distances {
            LEFT.store(left, Ordering::Relaxed);
            Thread::start(body, 128 << 10).join();
        }
        allocations
    });
}

// Very little of it.

fn small_threads() {
    extern "C" fn body(_: *mut c_void) -> *mut c_void {
        for _ in 0..10 {
            come_and_go();
        }
        ptr::null_mut()
    }
    count(|| {
        for _ in 0..25 {
            // The smallest that POSIX promises, eight at a time.
            let threads = [(); 8].map(|()| Thread::start(body, 16 << 10));
            threads.into_iter().for_each(Thread::join);
        }
        25 * 8 * 40
    });
}

// Very much of it.

fn deep(folder: &Path) {
    let thread = thread::Builder::new().stack_size(64 << 20);
    let thread = thread.spawn(|| recurse(10_000));
    thread.expect("it starts").join().expect("it ends well");
    let snapshot = Snapshot::take().expect("the allocator is registered");
    let too_deep = snapshot.records().iter();
    let too_deep = too_deep.filter(|record| record.stack_end() == StackEnd::TooDeep);
    for record in too_deep {
        assert_eq!(record.stack().len(), 128, "{record:?}");
    }
    println!("too-deep {}", snapshot.stats().too_deep_stacks);
    heapprof::dump_heap_to(folder.join("deep")).expect("the heap is dumped");
}

/// Allocates at every depth.
#[inline(never)]
fn recurse(depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let block = deep_holds();
    recurse(depth - 1) + black_box(block.size())
}

#[inline(never)]
fn deep_holds() -> Block {
    Block::new(black_box(64))
}
