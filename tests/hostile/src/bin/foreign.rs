//! C code frees, resizes and measures Rust's blocks, sampled and not, over the
//! system's allocator: wrong, common, and none of the profiler's business. See
//! `tests/foreign_hands.rs`.
//!
//! `foreign INTERVAL`

use std::alloc::{GlobalAlloc, Layout};
use std::env;
use std::ptr;

use heapprof::{Alloc, Counts, Snapshot, Stats, set_sample_interval};

/// Not this program's global allocator: it is called by name, and nobody else
/// allocates between its blocks.
static ALLOC: Alloc = Alloc::system();

fn stats() -> Stats {
    let snapshot = Snapshot::take().expect("the allocator was used");
    snapshot.stats().clone()
}

/// From this size on the C library maps a block by itself.
const MAPPED: usize = 32 << 10;

/// A block as C sees it.
#[derive(Clone, Copy)]
struct Raw {
    start: *mut u8,
    layout: Layout,
}

impl Raw {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 8).expect("a valid layout");
        // SAFETY: the size is not 0.
        let start = unsafe { ALLOC.alloc(layout) };
        assert!(!start.is_null());
        // SAFETY: as large as asked for.
        unsafe { start.write_bytes(1, size) };
        Self { start, layout }
    }

    /// One that is sampled.
    fn sampled(size: usize) -> Self {
        loop {
            let live = stats().live_samples;
            let block = Self::new(size);
            if stats().live_samples > live {
                return block;
            }
            block.free();
        }
    }

    /// One that is not.
    fn unsampled(size: usize) -> Self {
        let interval = heapprof::sample_interval();
        set_sample_interval(0).expect("a valid interval");
        let block = Self::new(size);
        set_sample_interval(interval).expect("a valid interval");
        block
    }

    fn free(self) {
        // SAFETY: our own block and its layout.
        unsafe { ALLOC.dealloc(self.start, self.layout) };
    }

    fn resize(self, size: usize) -> Self {
        // SAFETY: our own block and its layout; the size is not 0.
        let start = unsafe { ALLOC.realloc(self.start, self.layout, size) };
        assert!(!start.is_null());
        let layout = Layout::from_size_align(size, 8).expect("a valid layout");
        Self { start, layout }
    }

    fn free_by_c(self) {
        // SAFETY: the system's allocator is C's.
        unsafe { libc::free(self.start.cast()) };
    }

    fn resize_by_c(self, size: usize) -> *mut libc::c_void {
        // SAFETY: as above.
        unsafe { libc::realloc(self.start.cast(), size) }
    }

    fn usable_size(self) -> usize {
        // SAFETY: as above.
        unsafe { libc::malloc_usable_size(self.start.cast()) }
    }
}

/// Runs `f`: nothing of it is left, and so many blocks were seen to have been
/// freed by another hand.
fn leaves_nothing(what: &str, foreign_frees: u64, f: impl FnOnce()) {
    let before = stats();
    f();
    let snapshot = Snapshot::take().expect("the allocator was used");
    let after = snapshot.stats();
    assert_eq!(after.live_samples, 0, "{what}");
    for record in snapshot.records() {
        assert_eq!(record.in_use(), Counts::default(), "{what}");
    }
    assert_eq!(
        after.foreign_frees - before.foreign_frees,
        foreign_frees,
        "{what}"
    );
    assert_eq!(after.lost_samples, 0, "{what}");
    println!("{what}: ok");
}

fn main() {
    let interval = env::args().nth(1).and_then(|arg| arg.parse().ok());
    let interval: u64 = interval.expect("an interval is given");
    // The recorder learns of the allocator at its first allocation.
    Raw::new(8).free();
    set_sample_interval(interval).expect("a valid interval");

    // SAFETY: changes how the C library allocates, before it does.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED as i32) };

    // Small and mapped, each of two sizes that the C library serves alike.
    for (size, sibling) in [(64, 58), (1_000, 996), (40_000, 39_990), (600_000, 599_980)] {
        println!("{size} bytes:");
        in_c_hands(size);
        reused(size, sibling);
    }
    last(64);
}

/// C looks, and gives the block back.
fn in_c_hands(size: usize) {
    leaves_nothing("measured, and used to the last byte", 0, || {
        for block in [Raw::sampled(size), Raw::unsampled(size)] {
            assert!(block.usable_size() >= size);
            // SAFETY: the C library says that it is this large.
            unsafe { block.start.write_bytes(2, block.usable_size()) };
            block.free();
        }
    });
    leaves_nothing("C's own block, freed by Rust", 0, || {
        let layout = Layout::from_size_align(size, 8).expect("a valid layout");
        for _ in 0..100 {
            // SAFETY: the size is not 0; the system's allocator is C's.
            let start = unsafe { libc::malloc(size) }.cast();
            Raw { start, layout }.free();
        }
    });
    leaves_nothing("unsampled, freed and resized by C", 0, || {
        Raw::unsampled(size).free_by_c();
        let grown = Raw::unsampled(size).resize_by_c(size * 2);
        assert!(!grown.is_null());
        // SAFETY: C's own now.
        unsafe { libc::free(grown) };
    });
}

/// Lets C free a block, and returns the next one that gets its address.
fn reborn(block: Raw, free_by_c: impl FnOnce(Raw), new: impl Fn() -> Raw) -> Raw {
    // The C library keeps a few small blocks per size: what is freed while it has
    // none is handed out next.
    let size = block.layout.size();
    let kept: Vec<Raw> = (0..16).map(|_| Raw::unsampled(size)).collect();
    free_by_c(block);
    let mut others = Vec::new();
    let found = loop {
        let next = new();
        if next.start == block.start {
            break next;
        }
        others.push(next);
        assert!(others.len() < 1_000, "the address does not come back");
    };
    kept.into_iter().chain(others).for_each(Raw::free);
    found
}

/// C frees it, and somebody else gets the address.
fn reused(size: usize, sibling: usize) {
    let reborn_as = |size_then| {
        reborn(Raw::sampled(size), Raw::free_by_c, || {
            Raw::unsampled(size_then)
        })
    };
    leaves_nothing("freed by C, reused unsampled, freed by Rust", 0, || {
        // That it is another block cannot be told.
        reborn_as(size).free();
    });
    leaves_nothing("freed by C, reused in another size", 1, || {
        reborn_as(sibling).free()
    });
    leaves_nothing("freed by C, reused in another size, resized", 1, || {
        reborn_as(sibling).resize(size * 3).free();
    });
    leaves_nothing("freed by C, reused, resized", 0, || {
        reborn_as(size).resize(size * 3).free();
    });
    if size < MAPPED {
        leaves_nothing("resized by C, freed by C, reused", 1, || {
            let move_away = |block: Raw| {
                let moved = block.resize_by_c(64 << 20);
                assert!(!moved.is_null() && !ptr::eq(moved.cast(), block.start));
                // SAFETY: C's own now.
                unsafe { libc::free(moved) };
            };
            reborn(Raw::sampled(size), move_away, || Raw::unsampled(sibling)).free();
        });
    }
}

/// Every block from here on is sampled.
fn last(size: usize) {
    leaves_nothing("freed by C, reused by a sampled block", 1, || {
        let block = Raw::sampled(size);
        let live = || {
            let snapshot = Snapshot::take().expect("the allocator was used");
            let bytes: i64 = snapshot.records().iter().map(|r| r.in_use().bytes).sum();
            (snapshot.stats().live_samples, bytes)
        };
        let free_by_c = |block: Raw| {
            block.free_by_c();
            set_sample_interval(1).expect("a valid interval");
        };
        let new = reborn(block, free_by_c, || Raw::new(size));
        assert_eq!(live(), (1, 64), "in use is right again");
        new.free();
    });
}
