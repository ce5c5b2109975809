//! A program whose profiler runs out of memory while it has enough itself:
//! because of the profiler's own limit, or because the system gives no more.
//! See `tests/exhaustion.rs`.
//!
//! `EXHAUSTED_LIMIT=INDEX [EXHAUSTED_SPARE_BYTES=BYTES] exhausted PROFILE PROFILE`

use std::alloc::{GlobalAlloc, Layout};
use std::env;
use std::ffi::CStr;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use heapprof::{Alloc, Snapshot, Stats};
use heapprof_end_to_end::Block;
use heapprof_hostile::exhausted::{AFTERWARDS, AGAIN, BLOCKS, LIMITS, SIZE, STACKS};

const fn limited(bytes: u64) -> Alloc {
    Alloc::system()
        .with_sample_interval(1)
        .with_memory_limit(bytes)
}

static ALLOCS: [Alloc; LIMITS.len()] = {
    let mut allocs = [const { limited(0) }; LIMITS.len()];
    let mut index = 0;
    while index < LIMITS.len() {
        allocs[index] = limited(LIMITS[index]);
        index += 1;
    }
    allocs
};

/// Which of them this run is about.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

struct Chosen;

impl Chosen {
    #[inline(always)]
    fn get() -> &'static Alloc {
        &ALLOCS[CHOSEN.load(Ordering::Relaxed)]
    }
}

// SAFETY: always the same allocator: the choice is made before the first allocation.
unsafe impl GlobalAlloc for Chosen {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { Self::get().alloc(layout) }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { Self::get().alloc_zeroed(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { Self::get().dealloc(block, layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { Self::get().realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static GLOBAL: Chosen = Chosen;

/// Runs before the first allocation of all.
#[used]
#[unsafe(link_section = ".init_array.00001")]
static BEFORE_ANYTHING: extern "C" fn() = {
    extern "C" fn choose() {
        if let Some(index) = number(c"EXHAUSTED_LIMIT") {
            CHOSEN.store(index as usize, Ordering::Relaxed);
        }
        if let Some(spare) = number(c"EXHAUSTED_SPARE_BYTES") {
            starve(spare);
        }
    }
    choose
};

fn number(variable: &CStr) -> Option<u64> {
    // SAFETY: nothing else runs yet; the variable is a string.
    unsafe {
        let text = libc::getenv(variable.as_ptr());
        (!text.is_null()).then(|| libc::strtoull(text, std::ptr::null_mut(), 10))
    }
}

/// The program gets memory that will last; then the address space may grow by
/// no more than `spare` bytes.
fn starve(spare: u64) {
    const OWN_BYTES: usize = 64 << 20;
    // SAFETY: changes this process alone, before anything else runs in it.
    unsafe {
        // All of it from the heap, which never shrinks.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        let own = black_box(libc::malloc(OWN_BYTES));
        assert!(!own.is_null());
        libc::free(own);

        let mut statm = [0_u8; 64];
        let file = libc::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY);
        let read = libc::read(file, statm.as_mut_ptr().cast(), statm.len() - 1);
        libc::close(file);
        assert!(read > 0);
        let pages = libc::strtoull(statm.as_ptr().cast(), std::ptr::null_mut(), 10);
        let bytes = pages * 4096 + spare;
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: bytes,
        };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
}

/// One stack, whoever calls.
#[inline(never)]
fn site_held(held: &mut Vec<Block>, count: usize) {
    for _ in 0..count {
        held.push(Block::new(black_box(SIZE)));
    }
}

/// Two recursions, one above the other: a stack for every pair of depths.
fn site_stacks() {
    for outer in STACKS {
        above(outer);
    }
}

#[inline(never)]
fn above(depth: usize) {
    if depth == 0 {
        for inner in STACKS {
            black_box(site_deep(inner));
        }
    } else {
        above(black_box(depth - 1));
        black_box(());
    }
}

#[inline(never)]
fn site_deep(depth: usize) -> usize {
    if depth == 0 {
        Block::new(black_box(SIZE)).size()
    } else {
        black_box(site_deep(black_box(depth - 1)))
    }
}

#[inline(never)]
fn site_afterwards(held: &mut Vec<Block>) {
    for _ in 0..AFTERWARDS {
        held.push(Block::new(black_box(SIZE)));
    }
}

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator is registered");
    snapshot.stats().clone()
}

/// Every allocation of `f` is sampled or lost. Returns how many were lost.
fn account(allocations: usize, f: impl FnOnce()) -> u64 {
    let before = stats();
    f();
    let after = stats();
    let sampled = after.samples - before.samples;
    let lost = after.lost_samples - before.lost_samples;
    assert_eq!(sampled + lost, allocations as u64, "{before:?}\n{after:?}");
    assert_eq!(after.lost_objects - before.lost_objects, lost);
    assert_eq!(after.lost_bytes - before.lost_bytes, lost * SIZE as u64);
    lost
}

fn main() {
    let [held_profile, end_profile] = [1, 2].map(|n| env::args().nth(n).expect("two paths"));
    let mut held = Vec::with_capacity(BLOCKS);
    let mut lost = Vec::with_capacity(5);
    let live = stats().live_samples;

    // One call for both rounds, so that the second one's stack is known.
    for round in black_box([BLOCKS, AGAIN]) {
        lost.push(account(round, || site_held(&mut held, round)));
        if round == BLOCKS {
            assert_eq!(stats().live_samples, live + BLOCKS as u64 - lost[0]);
            lost.push(account(STACKS.len() * STACKS.len(), site_stacks));
            heapprof::dump_heap_to(&held_profile).expect("the heap is dumped");
            held.clear();
            assert_eq!(stats().live_samples, live, "every sampled block was freed");
        }
    }
    let mut afterwards = Vec::with_capacity(AFTERWARDS);
    lost.push(account(AFTERWARDS, || site_afterwards(&mut afterwards)));
    heapprof::dump_heap_to(&end_profile).expect("the heap is dumped");
    lost.push(stats().unknown_lifetimes);
    println!("{lost:?}");
}
