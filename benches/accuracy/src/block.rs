//! A block of memory that is asked for in so many words.

use std::alloc::{self, Layout};
use std::hint::black_box;
use std::ptr::NonNull;

/// Never optimized away, and freed when dropped. Its contents are not touched.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: the block is owned, and nobody reaches its bytes.
unsafe impl Send for Block {}

impl Block {
    /// A block of `size` bytes, at least one.
    #[inline(never)]
    pub fn new(size: usize) -> Self {
        // SAFETY: `layout` is never of size zero.
        let start = unsafe { alloc::alloc(layout(size)) };
        Self::owning(start, size)
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Grows or shrinks it through the allocator's `realloc`.
    #[inline(never)]
    pub fn resize(&mut self, size: usize) {
        let old = layout(self.size);
        assert!(size > 0);
        // SAFETY: the block was allocated with this layout, and the size is not zero.
        let start = unsafe { alloc::realloc(self.start.as_ptr(), old, size) };
        std::mem::forget(std::mem::replace(self, Self::owning(start, size)));
    }

    fn owning(start: *mut u8, size: usize) -> Self {
        let start = NonNull::new(black_box(start)).expect("there is memory");
        Self { start, size }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and dropped once.
        unsafe { alloc::dealloc(self.start.as_ptr(), layout(self.size)) }
    }
}

fn layout(size: usize) -> Layout {
    assert!(size > 0, "the allocator is never asked for nothing");
    Layout::from_size_align(size, 1).expect("runs are smaller than that")
}
