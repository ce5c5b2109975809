//! The allocator wrapper: forwards, and calls the recorder where a mark falls.
//!
//! The fast paths are one subtraction and one branch to allocate, one load and
//! one branch to free. Everything else is out of line.
//!
//! The inner allocator is asked for exactly what the program asks for, sampled or
//! not, and gets every block back as it was asked for. Whatever happens to the
//! profiler's own tables, the program's memory is not touched by it.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::record::capture::{Registers, Unwinder};
use crate::record::recorder::{BuiltIn, RECORDER};
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
            allocator: std::any::type_name::<A>,
            labels_threads: false,
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
    ///
    /// Beside them there are 4 MiB of counts, one for each KiB of a stretch of the
    /// address space, and a stack of less than a quarter of a MiB for each thread
    /// that takes a sample while others do, 32 at most. They too take memory as they
    /// are used.
    #[must_use]
    pub const fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.built_in.memory_limit_bytes = bytes;
        self
    }

    /// Records what each thread is called when it first takes a sample, and labels its
    /// allocations with that: the label `thread` of profiles
    /// (`go tool pprof -tagfocus=thread=worker`). Not done unless asked for: stacks are
    /// then kept for each name. [`label_threads`](crate::label_threads) does it from
    /// then on.
    ///
    /// Linux keeps 15 bytes of a name. On systems other than Linux, Android and Apple's
    /// there is no such label.
    #[must_use]
    pub const fn with_thread_labels(mut self) -> Self {
        self.built_in.labels_threads = true;
        self
    }

    /// Chooses how stacks are walked.
    #[must_use]
    pub const fn with_unwinder(mut self, unwinder: Unwinder) -> Self {
        self.built_in.unwinder = unwinder;
        self
    }
}

// SAFETY: every request goes to the inner allocator as it came, once, and its
// answer goes back. Nothing here unwinds.
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
        if RECORDER.may_be_sampled(ptr) {
            // SAFETY: the caller's contract.
            unsafe { Self::dealloc_slow(ptr, layout.size(), layout.align(), self) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { self.inner.dealloc(ptr, layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_marked = !take(new_size);
        if is_marked || RECORDER.may_be_sampled(ptr) {
            // SAFETY: the caller's contract.
            unsafe { Self::realloc_slow(ptr, layout, new_size, is_marked, self) }
        } else {
            // SAFETY: the caller's contract.
            unsafe { self.inner.realloc(ptr, layout, new_size) }
        }
    }
}

#[inline(always)]
fn take(bytes: usize) -> bool {
    Thread::with(|thread| thread.take(bytes))
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
        let block = unsafe { this.inner.alloc(layout) };
        RECORDER.record(block, sample, &registers);
        block
    }

    #[cold]
    #[inline(never)]
    unsafe fn alloc_zeroed_slow(layout: Layout, this: &Self) -> *mut u8 {
        let registers = Registers::here();
        let sample = RECORDER.judge(&this.built_in, layout.size());
        // SAFETY: the caller's contract.
        let block = unsafe { this.inner.alloc_zeroed(layout) };
        RECORDER.record(block, sample, &registers);
        block
    }

    /// Somewhere near a sampled block, and mostly none itself. Not cold, therefore,
    /// and with the layout in two arguments, in the order that they come in.
    #[inline(never)]
    unsafe fn dealloc_slow(ptr: *mut u8, size: usize, align: usize, this: &Self) {
        // Before the block goes back: afterwards another thread may own the address.
        if let Some(entry) = RECORDER.take_out(ptr, size) {
            RECORDER.credit(&entry);
        }
        // SAFETY: the caller had these as a layout; then its contract.
        unsafe {
            let layout = Layout::from_size_align_unchecked(size, align);
            this.inner.dealloc(ptr, layout);
        }
    }

    /// A free of the old size and an allocation of the new.
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
        // Before the block may go back, as above.
        let entry = RECORDER.take_out(ptr, layout.size());
        // SAFETY: the caller's contract.
        let block = unsafe { this.inner.realloc(ptr, layout, new_size) };
        match entry {
            Some(entry) if block.is_null() => RECORDER.put_back(ptr, &entry),
            Some(entry) => RECORDER.credit(&entry),
            None => {}
        }
        RECORDER.record(block, sample, &registers);
        block
    }
}
