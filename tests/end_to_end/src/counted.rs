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

/// Puts another block in the place of each of these, allocated a stack after the
/// other, the first [`OPERATIONS`] of them.
///
/// # Safety
/// They were allocated with this layout, of a size that is not 0.
#[inline(never)]
pub unsafe fn counted_replace(blocks: &mut [*mut u8], layout: Layout) {
    for (number, block) in blocks.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { dealloc(*block, layout) };
        // SAFETY: as above.
        *block = unsafe { alloc_from(number, layout) };
    }
}

/// Turns to the left or right on the way to an allocation.
const TURNS: u32 = 15;

/// Allocates from one of many stacks, by its number. The first of them are as far
/// apart as others.
///
/// # Safety
/// The layout's size is not 0.
pub unsafe fn alloc_from(stack: usize, layout: Layout) -> *mut u8 {
    let way = stack % OPERATIONS * ((1 << TURNS) / OPERATIONS) + stack / OPERATIONS;
    // SAFETY: the caller's promise.
    turn::<0>(TURNS, way, &|| unsafe { alloc(layout) })
}

#[inline(never)]
fn turn<const TO: usize>(turns: u32, way: usize, work: &dyn Fn() -> *mut u8) -> *mut u8 {
    let block = match (turns, way % 2) {
        (0, _) => work(),
        (_, 0) => turn::<0>(turns - 1, way / 2, work),
        _ => turn::<1>(turns - 1, way / 2, work),
    };
    // Something of its own to do after the call, or it would be a jump without a
    // frame, and one function in the place of two.
    black_box(TO);
    block
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
