//! The blocks of the stress, and the truth about them.

use std::alloc::{self, Layout};

use heapprof_end_to_end::Numbers;

/// A block with something written at its ends, to be found there later.
pub(super) struct Block {
    start: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: owned memory.
unsafe impl Send for Block {}

/// What was done, counted by who did it.
#[derive(Clone, Copy, Default)]
pub(super) struct Truth {
    /// Calls of the allocator.
    pub(super) operations: u64,
    pub(super) allocations: u64,
    pub(super) bytes: u64,
    /// Of the estimated bytes, at the interval of the phase.
    pub(super) variance: f64,
}

impl Truth {
    fn allocated(&mut self, size: usize, interval: u64) {
        self.allocations += 1;
        self.bytes += size as u64;
        if interval > 1 {
            // Of one allocation's estimate s/p with probability p: s^2 (1 - p) / p,
            // and p = 1 - exp(-s/R).
            let s = size as f64;
            self.variance += s * s / (s / interval as f64).exp_m1();
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            allocations: self.allocations + other.allocations,
            bytes: self.bytes + other.bytes,
            variance: self.variance + other.variance,
        }
    }
}

/// Many small ones, few large ones, some with more alignment than usual.
fn random_layout(random: &mut Numbers) -> Layout {
    let size = 1 + match random.below(100) {
        0..70 => random.below(512),
        70..90 => random.below(8 << 10),
        90..98 => random.below(64 << 10),
        _ => random.below(1 << 20),
    };
    let align = if random.below(10) == 0 {
        1 << random.below(14)
    } else {
        1 << random.below(5)
    };
    Layout::from_size_align(size, align).expect("it is not huge")
}

impl Block {
    pub(super) fn new(random: &mut Numbers, truth: &mut Truth, interval: u64) -> Self {
        let layout = random_layout(random);
        truth.operations += 1;
        truth.allocated(layout.size(), interval);
        let start = allocate_block(layout, random.below(4) == 0);
        assert!(start.addr().is_multiple_of(layout.align()));
        let block = Self {
            start,
            layout,
            tag: random.below(256) as u8,
        };
        block.write_tag();
        block
    }

    fn write_tag(&self) {
        // SAFETY: inside the block.
        unsafe {
            self.start.write(self.tag);
            self.start.add(self.layout.size() - 1).write(self.tag);
        }
    }

    fn check(&self) {
        // SAFETY: inside the block.
        let ends = unsafe { [*self.start, *self.start.add(self.layout.size() - 1)] };
        assert_eq!(ends, [self.tag; 2], "someone wrote into a block");
    }

    pub(super) fn resize(&mut self, random: &mut Numbers, truth: &mut Truth, interval: u64) {
        self.check();
        let size = random_layout(random).size();
        truth.operations += 1;
        truth.allocated(size, interval);
        let start = reallocate_block(self.start, self.layout, size);
        // SAFETY: inside the block.
        assert_eq!(unsafe { *start }, self.tag, "the contents came along");
        self.start = start;
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("it is not huge");
        self.write_tag();
    }

    pub(super) fn free(self, truth: &mut Truth) {
        self.check();
        truth.operations += 1;
        // SAFETY: the block's own layout.
        unsafe { alloc::dealloc(self.start, self.layout) };
    }
}

// The two functions that a profile names.

#[inline(never)]
fn allocate_block(layout: Layout, zeroed: bool) -> *mut u8 {
    // SAFETY: the size is not 0.
    let start = unsafe {
        if zeroed {
            alloc::alloc_zeroed(layout)
        } else {
            alloc::alloc(layout)
        }
    };
    assert!(!start.is_null(), "there is memory");
    // SAFETY: inside the block.
    assert!(!zeroed || unsafe { *start.add(layout.size() - 1) } == 0);
    start
}

#[inline(never)]
fn reallocate_block(start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: the block's own layout; the size is not 0.
    let start = unsafe { alloc::realloc(start, layout, size) };
    assert!(!start.is_null(), "there is memory");
    start
}
