//! heapprof over dhat's allocator: two profilers in one process see the same blocks.
//! What dhat allocates for itself is neither's.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use heapprof::Alloc;

thread_local! {
    static IN_DHAT: Cell<bool> = const { Cell::new(false) };
}

/// The allocator of the program: heapprof's at interval 1, except inside dhat.
#[derive(Debug)]
pub struct BesideDhat(Alloc<Dhat>);

impl BesideDhat {
    /// For the one static.
    pub const fn new() -> Self {
        Self(Alloc::new(Dhat(dhat::Alloc)).with_sample_interval(1))
    }
}

impl Default for BesideDhat {
    fn default() -> Self {
        Self::new()
    }
}

/// dhat's, which is told when it is at work.
#[derive(Debug)]
struct Dhat(dhat::Alloc);

fn in_dhat<R>(work: impl FnOnce() -> R) -> R {
    let before = IN_DHAT.replace(true);
    let result = work();
    IN_DHAT.set(before);
    result
}

// SAFETY: hands everything on to dhat, as it came.
unsafe impl GlobalAlloc for Dhat {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        in_dhat(|| unsafe { self.0.alloc(layout) })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        in_dhat(|| unsafe { self.0.dealloc(ptr, layout) });
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        in_dhat(|| unsafe { self.0.realloc(ptr, layout, new_size) })
    }
}

// SAFETY: hands everything on to one of two allocators, both of which end at the
// system's; a block is given back by whom it was given by.
unsafe impl GlobalAlloc for BesideDhat {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IN_DHAT.get() {
            // SAFETY: the caller's contract.
            return unsafe { dhat::Alloc.alloc(layout) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if IN_DHAT.get() {
            // SAFETY: the caller's contract.
            return unsafe { dhat::Alloc.dealloc(ptr, layout) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.0.dealloc(ptr, layout) };
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if IN_DHAT.get() {
            // SAFETY: the caller's contract.
            return unsafe { dhat::Alloc.realloc(ptr, layout, new_size) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}
