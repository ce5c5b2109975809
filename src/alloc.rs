//! The allocator wrapper: forwards, and calls the recorder where a mark falls.
//!
//! The fast paths are one subtraction and one branch to allocate, two compares
//! to free. Everything else is cold and out of line.
//!
//! **Freeing a sampled block is memory safety, not statistics.** Sampled small
//! blocks are asked for with a larger alignment, so that `dealloc` can rule out
//! nearly all others by their low address bits; the inner allocator must get
//! them back with that same alignment, which only the live table knows. Hence:
//! a block gets the larger alignment only once its entry is in the table, and
//! the entry is taken out before the block goes back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use crate::record::capture::{Registers, Unwinder};
use crate::record::recorder::{BuiltIn, LARGE_BYTES, RECORDER, Sample};
use crate::record::thread::Thread;

/// A global allocator that samples what passes through it, on the way to the
/// allocator that it wraps.
///
/// Register it in the binary, never in a library:
///
/// ```
/// #[global_allocator]
/// static ALLOC: heapprof::Alloc = heapprof::Alloc::system();
/// # fn main() {}
/// ```
///
/// Over another allocator, with other settings:
///
/// ```
/// # use std::alloc::System as Jemalloc;
/// static ALLOC: heapprof::Alloc<Jemalloc> =
///     heapprof::Alloc::new(Jemalloc).with_sample_interval(128 * 1024);
/// ```
#[derive(Debug)]
pub struct Alloc<A = System> {
    inner: A,
    built_in: BuiltIn,
}

/// Mean bytes between samples unless chosen otherwise: Go's.
const DEFAULT_SAMPLE_INTERVAL: u64 = 512 << 10;
/// Address space for the profiler's tables unless chosen otherwise.
const DEFAULT_MEMORY_LIMIT_BYTES: u64 = 256 << 20;

impl Alloc<System> {
    /// Over the operating system's allocator.
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> Alloc<A> {
    /// Over any allocator.
    pub const fn new(inner: A) -> Self {
        let built_in = BuiltIn {
            sample_interval: DEFAULT_SAMPLE_INTERVAL,
            memory_limit_bytes: DEFAULT_MEMORY_LIMIT_BYTES,
            unwinder: Unwinder::Cfi,
        };
        Self { inner, built_in }
    }

    /// Takes a sample every `bytes` bytes on average: 0 is off, 1 is every
    /// allocation. The default is 524,288 (512 KiB).
    /// `HEAPPROF_SAMPLE_INTERVAL` in the environment overrides it.
    ///
    /// # Panics
    /// At compile time (in the constant that is the allocator), if `bytes` is
    /// beyond `isize::MAX`.
    #[must_use]
    pub const fn with_sample_interval(mut self, bytes: u64) -> Self {
        assert!(
            bytes <= isize::MAX as u64,
            "a sample interval beyond isize::MAX bytes"
        );
        self.built_in.sample_interval = bytes;
        self
    }

    /// Keeps the profiler's own tables below `bytes` bytes of address space,
    /// which take memory as they fill. The default is 256 MiB. Samples that do
    /// not fit are counted as lost, see [`Stats`](crate::Stats).
    #[must_use]
    pub const fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.built_in.memory_limit_bytes = bytes;
        self
    }

    /// Chooses how stacks are walked.
    #[must_use]
    pub const fn with_unwinder(mut self, unwinder: Unwinder) -> Self {
        self.built_in.unwinder = unwinder;
        self
    }
}

// SAFETY: every block comes from the inner allocator and goes back to it with
// the layout that it was asked for with, as the methods below show one by one.
// Nothing here unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Alloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) {
            // SAFETY: the caller's contract.
            unsafe { self.inner.alloc(layout) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { Self::alloc_slow(layout, self) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) {
            // SAFETY: the caller's contract.
            unsafe { self.inner.alloc_zeroed(layout) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { Self::alloc_zeroed_slow(layout, self) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if !RECORDER.may_be_sampled(ptr) && layout.size() < LARGE_BYTES {
            // SAFETY: the caller's contract; an unsampled block.
            unsafe { self.inner.dealloc(ptr, layout) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { Self::dealloc_candidate(ptr, layout.size(), layout.align(), self) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_marked = !take(new_size);
        if !is_marked && !RECORDER.may_be_sampled(ptr) && layout.size() < LARGE_BYTES {
            // SAFETY: the caller's contract; an unsampled block that stays one.
            unsafe { self.inner.realloc(ptr, layout, new_size) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { Self::realloc_slow(ptr, layout, new_size, is_marked, self) }
        }
    }
}

#[inline(always)]
fn take(bytes: usize) -> bool {
    Thread::with(|thread| thread.take(bytes))
}

/// How the inner allocator is asked for a new block.
#[derive(Clone, Copy)]
enum Contents {
    Any,
    Zeroed,
}

impl<A: GlobalAlloc> Alloc<A> {
    // The entries take the arguments of the fast paths in the same registers,
    // and `this` last: a fast path then moves nothing, and both its ways are
    // tail jumps. `Registers::here` is inlined into each of them, so captured
    // stacks begin with their caller.

    #[cold]
    #[inline(never)]
    unsafe fn alloc_slow(layout: Layout, this: &Self) -> *mut u8 {
        let registers = Registers::here();
        let sample = RECORDER.judge(&this.built_in, layout.size());
        // SAFETY: the caller's contract.
        unsafe { this.allocate(layout, Contents::Any, sample, &registers) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn alloc_zeroed_slow(layout: Layout, this: &Self) -> *mut u8 {
        let registers = Registers::here();
        let sample = RECORDER.judge(&this.built_in, layout.size());
        // SAFETY: the caller's contract.
        unsafe { this.allocate(layout, Contents::Zeroed, sample, &registers) }
    }

    /// Looks like a sampled block, and mostly is none: an allocator hands out the
    /// block of a freed sample again and again. Not cold, therefore, and with the
    /// layout in two arguments, in the order that they come in.
    #[inline(never)]
    unsafe fn dealloc_candidate(ptr: *mut u8, size: usize, align: usize, this: &Self) {
        // SAFETY: the caller had it as a layout.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
        if RECORDER.is_candidate(ptr) {
            // SAFETY: the caller's contract.
            unsafe { Self::dealloc_slow(ptr, layout, this) }
        } else {
            // SAFETY: the caller's contract; an unsampled block.
            unsafe { this.inner.dealloc(ptr, layout) }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn dealloc_slow(ptr: *mut u8, layout: Layout, this: &Self) {
        let Some(entry) = RECORDER.take_out(ptr, layout.size()) else {
            // SAFETY: the caller's contract; an unsampled block.
            return unsafe { this.inner.dealloc(ptr, layout) };
        };
        RECORDER.credit(&entry);
        // SAFETY: the caller's contract, and the alignment it was asked for with.
        unsafe { this.inner.dealloc(ptr, aligned(layout, entry.align_log2)) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn realloc_slow(
        ptr: *mut u8,
        layout: Layout,
        new_size: usize,
        is_marked: bool,
        this: &Self,
    ) -> *mut u8 {
        let registers = Registers::here();
        let sample = if is_marked {
            RECORDER.judge(&this.built_in, new_size)
        } else {
            None
        };
        // SAFETY: the caller promises that `new_size` is a valid size for this
        // alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let old_align_log2 = RECORDER
            .look_up(ptr, layout.size())
            .map(|entry| entry.align_log2);
        let old_layout = old_align_log2.map_or(layout, |log2| aligned(layout, log2));
        let moves_to_sampled_small = sample.is_some() && sampled_layout(new_layout) != new_layout;
        // SAFETY: the caller's contract, and `old_layout` is what the block was
        // asked for with.
        unsafe {
            if old_layout != layout || moves_to_sampled_small {
                this.copy_over(
                    ptr,
                    layout.size(),
                    old_layout,
                    new_layout,
                    sample,
                    &registers,
                )
            } else {
                this.resize(ptr, layout, new_layout, sample, &registers)
            }
        }
    }

    /// A new block, sampled if a mark fell on it.
    ///
    /// # Safety
    /// As for `GlobalAlloc::alloc`.
    unsafe fn allocate(
        &self,
        layout: Layout,
        contents: Contents,
        sample: Option<Sample>,
        registers: &Registers,
    ) -> *mut u8 {
        let Some(pending) = sample.and_then(|sample| RECORDER.begin(sample, registers)) else {
            // SAFETY: the caller's contract.
            return unsafe { self.forward(layout, contents) };
        };
        let padded = sampled_layout(layout);
        // SAFETY: the caller's contract; `padded` is as large and at least as aligned.
        let block = unsafe { self.forward(padded, contents) };
        let is_padded = padded != layout;
        if block.is_null() {
            if !is_padded {
                return block;
            }
            RECORDER.lose(&pending.sample);
        } else if block.addr() & (padded.align() - 1) != 0 {
            // An inner allocator that does not keep its word. Its block would
            // never be looked up when freed.
            RECORDER.lose(&pending.sample);
        } else if RECORDER.insert(block, padded.align(), &pending) || !is_padded {
            return block;
        }
        // SAFETY: the block was asked for with `padded` and nobody has seen it;
        // then the caller's contract.
        unsafe {
            if !block.is_null() {
                self.inner.dealloc(block, padded);
            }
            self.forward(layout, contents)
        }
    }

    /// # Safety
    /// As for `GlobalAlloc::alloc`.
    unsafe fn forward(&self, layout: Layout, contents: Contents) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe {
            match contents {
                Contents::Any => self.inner.alloc(layout),
                Contents::Zeroed => self.inner.alloc_zeroed(layout),
            }
        }
    }

    /// Reallocation by hand, where the old block or the new one is padded.
    ///
    /// # Safety
    /// As for `GlobalAlloc::realloc`; the block was asked for with `old_layout`.
    unsafe fn copy_over(
        &self,
        ptr: *mut u8,
        old_size: usize,
        old_layout: Layout,
        new_layout: Layout,
        sample: Option<Sample>,
        registers: &Registers,
    ) -> *mut u8 {
        // SAFETY: the caller's contract: the sizes are not 0, the blocks are
        // different ones, and the old one is given up only after the new exists.
        unsafe {
            let block = self.allocate(new_layout, Contents::Any, sample, registers);
            if !block.is_null() {
                ptr::copy_nonoverlapping(ptr, block, old_size.min(new_layout.size()));
                if let Some(entry) = RECORDER.take_out(ptr, old_size) {
                    RECORDER.credit(&entry);
                }
                self.inner.dealloc(ptr, old_layout);
            }
            block
        }
    }

    /// Reallocation by the inner allocator, which may grow the block in place.
    ///
    /// # Safety
    /// As for `GlobalAlloc::realloc`; the block was asked for with `layout`, and
    /// the new one needs no padding.
    unsafe fn resize(
        &self,
        ptr: *mut u8,
        layout: Layout,
        new_layout: Layout,
        sample: Option<Sample>,
        registers: &Registers,
    ) -> *mut u8 {
        let pending = sample.and_then(|sample| RECORDER.begin(sample, registers));
        let entry = RECORDER.take_out(ptr, layout.size());
        // SAFETY: the caller's contract.
        let block = unsafe { self.inner.realloc(ptr, layout, new_layout.size()) };
        if block.is_null() {
            if let Some(entry) = entry {
                RECORDER.put_back(ptr, &entry);
            }
            return block;
        }
        if let Some(entry) = entry {
            RECORDER.credit(&entry);
        }
        if let Some(pending) = pending {
            // Not inserted is counted as lost; the layout is the natural one.
            let _ = RECORDER.insert(block, new_layout.align(), &pending);
        }
        block
    }
}

/// The layout that a sampled block is asked for with.
fn sampled_layout(layout: Layout) -> Layout {
    if layout.size() >= LARGE_BYTES {
        return layout;
    }
    layout.align_to(RECORDER.sample_align()).unwrap_or(layout)
}

/// `layout` with the alignment that the live table remembers.
fn aligned(layout: Layout, align_log2: u32) -> Layout {
    1_usize
        .checked_shl(align_log2)
        .and_then(|align| Layout::from_size_align(layout.size(), align).ok())
        .unwrap_or(layout)
}
