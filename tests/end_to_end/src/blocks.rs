//! Memory that is asked for in so many words, and what a profile has to say
//! about it.

use std::alloc::{self, Layout};
use std::hint::black_box;
use std::ops::{Add, AddAssign};
use std::ptr::NonNull;

/// The four values of a sample, in the order of the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Objects allocated since the start.
    pub alloc_objects: i64,
    /// Bytes allocated since the start.
    pub alloc_bytes: i64,
    /// Objects live now.
    pub in_use_objects: i64,
    /// Bytes live now.
    pub in_use_bytes: i64,
}

impl Values {
    /// So many objects of one size, all of them live.
    pub fn held(objects: usize, size: usize) -> Self {
        Self::partly_freed(objects, 0, size)
    }

    /// So many objects of one size, some of them freed again.
    pub fn partly_freed(objects: usize, freed: usize, size: usize) -> Self {
        let signed = |n: usize| i64::try_from(n).expect("tests are smaller than that");
        Self {
            alloc_objects: signed(objects),
            alloc_bytes: signed(objects * size),
            in_use_objects: signed(objects - freed),
            in_use_bytes: signed((objects - freed) * size),
        }
    }

    /// Notes an allocation.
    pub fn allocate(&mut self, size: usize) {
        *self += Self::held(1, size);
    }

    /// Notes the free of what was allocated here.
    pub fn free(&mut self, size: usize) {
        let freed = Self::held(1, size);
        self.in_use_objects -= freed.in_use_objects;
        self.in_use_bytes -= freed.in_use_bytes;
    }
}

impl Add for Values {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            alloc_objects: self.alloc_objects + other.alloc_objects,
            alloc_bytes: self.alloc_bytes + other.alloc_bytes,
            in_use_objects: self.in_use_objects + other.in_use_objects,
            in_use_bytes: self.in_use_bytes + other.in_use_bytes,
        }
    }
}

impl AddAssign for Values {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A block of memory, never optimized away, freed when dropped.
///
/// Inlined, so that the function that asks for it is the innermost user frame.
#[derive(Debug)]
pub struct Block {
    pointer: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block is owned, and its bytes are reached through `&mut` alone.
unsafe impl Send for Block {}

impl Block {
    /// A block of `size` bytes, at least one.
    #[inline(always)]
    pub fn new(size: usize) -> Self {
        let layout = layout(size);
        // SAFETY: `layout` is never of size zero.
        Self::owning(unsafe { alloc::alloc(layout) }, layout)
    }

    /// The same, zeroed by the allocator.
    #[inline(always)]
    pub fn zeroed(size: usize) -> Self {
        let layout = layout(size);
        // SAFETY: `layout` is never of size zero.
        Self::owning(unsafe { alloc::alloc_zeroed(layout) }, layout)
    }

    /// Grows or shrinks the block through the allocator's `realloc`.
    #[inline(always)]
    pub fn resize(&mut self, size: usize) {
        let layout = layout(size);
        // SAFETY: the block was allocated with `self.layout`, and `layout`,
        // never of size zero, has the same alignment.
        let pointer = unsafe { alloc::realloc(self.pointer.as_ptr(), self.layout, size) };
        self.pointer = NonNull::new(black_box(pointer)).expect("there is memory");
        self.layout = layout;
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size()
    }

    fn owning(pointer: *mut u8, layout: Layout) -> Self {
        let pointer = NonNull::new(black_box(pointer)).expect("there is memory");
        Self { pointer, layout }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and dropped once.
        unsafe { alloc::dealloc(self.pointer.as_ptr(), self.layout) }
    }
}

fn layout(size: usize) -> Layout {
    assert!(size > 0, "the allocator is never asked for nothing");
    Layout::from_size_align(size, 8).expect("tests are smaller than that")
}
