//! What an allocator is asked to do while instructions are counted, see
//! `tests/instructions.rs`.
//!
//! In the library, so that it calls `__rust_alloc` and its like by their names, as
//! the standard library does. In the program that registers the allocator they
//! would become part of the loops below.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::hint::black_box;

/// How many times each function does what it does.
pub const OPERATIONS: usize = 1000;

/// Allocates; nothing is freed.
///
/// # Safety
/// The layout's size is not 0.
#[inline(never)]
pub unsafe fn counted_alloc(layout: Layout) {
    for _ in 0..OPERATIONS {
        // SAFETY: the caller's promise.
        black_box(unsafe { alloc(layout) });
    }
}

/// Allocates zeroed memory; nothing is freed.
///
/// # Safety
/// The layout's size is not 0.
#[inline(never)]
pub unsafe fn counted_alloc_zeroed(layout: Layout) {
    for _ in 0..OPERATIONS {
        // SAFETY: the caller's promise.
        black_box(unsafe { alloc_zeroed(layout) });
    }
}

/// Frees these blocks.
///
/// # Safety
/// They were allocated with this layout, and are not used any more.
#[inline(never)]
pub unsafe fn counted_free(blocks: &[*mut u8], layout: Layout) {
    for &block in blocks {
        // SAFETY: the caller's promise.
        unsafe { dealloc(block, layout) };
    }
}

/// Makes these blocks smaller, for which the allocator below has nothing to do.
///
/// # Safety
/// They were allocated with this layout, of 16 bytes or more, and are not used any
/// more.
#[inline(never)]
pub unsafe fn counted_realloc(blocks: &[*mut u8], layout: Layout) {
    for &block in blocks {
        // SAFETY: the caller's promise.
        black_box(unsafe { realloc(block, layout, layout.size() - 8) });
    }
}
