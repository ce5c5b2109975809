//! A program whose only purpose is to be counted: each case does one thing a
//! thousand times over an allocator that does next to nothing. See
//! `tests/instructions.rs`.
//!
//!     instructions CASE
//!     instructions sample STACKS LIVE_SAMPLES
//!
//! The interval is so long that no sample falls meanwhile. Where samples are
//! counted, it is 1.

use std::alloc::{GlobalAlloc, Layout, alloc, realloc};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use heapprof_end_to_end::counted::{
    OPERATIONS, alloc_from, counted_alloc, counted_alloc_zeroed, counted_free, counted_realloc,
    counted_replace,
};

const NEVER: u64 = isize::MAX as u64;

#[global_allocator]
static ALLOC: heapprof::Alloc<Below> = heapprof::Alloc::new(Below).with_sample_interval(NEVER);

const SMALL: Layout = layout(64, 8);

const fn layout(size: usize, align: usize) -> Layout {
    match Layout::from_size_align(size, align) {
        Ok(layout) => layout,
        Err(_) => panic!("a layout that cannot be"),
    }
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    // SAFETY: no size is 0; the blocks are of these layouts and used by nobody else.
    unsafe {
        match case.as_str() {
            "alloc" => count(|| counted_alloc(SMALL)),
            "alloc_zeroed" => count(|| counted_alloc_zeroed(SMALL)),
            "realloc" => {
                let blocks = blocks(false);
                count(|| counted_realloc(&blocks, SMALL));
            }
            "free" => {
                let blocks = blocks(false);
                count(|| counted_free(&blocks, SMALL));
            }
            "free_beside" => {
                let blocks = blocks(true);
                count(|| counted_free(&blocks, SMALL));
            }
            "sample" => {
                let number = |at| std::env::args().nth(at)?.parse().ok();
                match (number(2), number(3)) {
                    (Some(stacks), Some(live)) => sample(stacks, live),
                    _ => panic!("it is to be told how many stacks and live samples"),
                }
            }
            _ => {
                eprintln!("no case is called {case:?}");
                std::process::exit(2);
            }
        }
    }
}

/// Runs what is counted, with a counter of bytes that has just been filled up and
/// does not run out meanwhile.
fn count(operations: impl FnOnce()) {
    heapprof::set_sample_interval(NEVER).expect("heapprof is registered");
    let samples = || heapprof::Snapshot::take().expect("it is").stats().samples;
    let before = samples();
    operations();
    assert_eq!(samples(), before, "no sample falls");
}

/// Counts samples while there are at least so many stacks and live samples.
fn sample(stacks: usize, live: usize) {
    heapprof::set_sample_interval(1).expect("heapprof is registered");
    // SAFETY: the layout's size is not 0.
    let block = |number| unsafe { alloc_from(number % stacks, SMALL) };
    let mut blocks: Vec<*mut u8> = (0..live).map(block).collect();
    let replaced = &mut blocks[..OPERATIONS];
    // SAFETY: allocated above with this layout, whose size is not 0.
    unsafe { counted_replace(replaced, SMALL) };
    let stats = heapprof::Snapshot::take().expect("it is").stats().clone();
    assert!(stats.records >= stacks as u64 && stats.live_samples >= live as u64);
    assert_eq!((stats.lost_samples, stats.missing_stacks), (0, 0));
}

/// Blocks that are not sampled, or that have one beside them that is.
fn blocks(beside_samples: bool) -> Vec<*mut u8> {
    // SAFETY: the layout's size is not 0.
    let blocks: Vec<_> = (0..OPERATIONS * 2)
        .map(|_| unsafe { alloc(SMALL) })
        .collect();
    if beside_samples {
        heapprof::set_sample_interval(1).expect("heapprof is registered");
        for &block in blocks.iter().skip(1).step_by(2) {
            // It stays where it is, and is an allocation all the same.
            // SAFETY: allocated above with this layout.
            black_box(unsafe { realloc(block, SMALL, SMALL.size() - 8) });
        }
    }
    blocks.into_iter().step_by(2).collect()
}

/// Hands out a piece of its memory after the other and takes nothing back.
struct Below;

const ROOM_BYTES: usize = 64 << 20;

#[repr(align(4096))]
struct Room(UnsafeCell<[u8; ROOM_BYTES]>);

// SAFETY: no two pieces of it overlap.
unsafe impl Sync for Room {}

static ROOM: Room = Room(UnsafeCell::new([0; ROOM_BYTES]));
static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: pieces do not overlap, are as large and as aligned as was asked for,
// and are zero when they are handed out, which happens once.
unsafe impl GlobalAlloc for Below {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        below_alloc(layout.size(), layout.align())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        below_alloc(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, ptr: *mut u8, _layout: Layout) {
        below_dealloc(ptr);
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { below_realloc(ptr, layout.size(), layout.align(), new_size) }
    }
}

// Functions with the arguments of a C allocator, and out of line as one is.

#[inline(never)]
fn below_alloc(size: usize, align: usize) -> *mut u8 {
    let align = align.max(16);
    // Relaxed: only the number matters, each byte is handed out once.
    let taken = TAKEN.fetch_add(size + align, Ordering::Relaxed);
    let start = taken.next_multiple_of(align);
    if start + size > ROOM_BYTES {
        return ptr::null_mut();
    }
    // SAFETY: within the room.
    unsafe { ROOM.0.get().cast::<u8>().add(start) }
}

#[inline(never)]
fn below_dealloc(ptr: *mut u8) {
    black_box(ptr);
}

/// # Safety
/// As for `GlobalAlloc::realloc`.
#[inline(never)]
unsafe fn below_realloc(ptr: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8 {
    if new_size <= size {
        return ptr;
    }
    let block = below_alloc(new_size, align);
    if !block.is_null() {
        // SAFETY: two blocks, of which the smaller has so many bytes.
        unsafe { ptr::copy_nonoverlapping(ptr, block, size) };
    }
    block
}
