//! An allocator that checks what it is handed back, and fails on purpose; and
//! blocks whose contents are checked.
//!
//! Getting a layout wrong is memory corruption in a real allocator. This one
//! remembers how each block was asked for and compares.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a [`Strict`] is to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every so many requests one is refused.
    EveryNth(u64),
    /// Requests for more alignment than `malloc` gives anyway are refused.
    OverAligned,
    /// They are answered by a block that is not aligned.
    Misaligned,
}

/// Remembers every block's layout, and checks it.
#[derive(Debug)]
pub struct Strict {
    state: Mutex<State>,
    requests: AtomicU64,
    refusals: AtomicU64,
    misplaced: AtomicU64,
}

#[derive(Debug)]
struct State {
    blocks: Option<HashMap<usize, Layout>>,
    fault: Fault,
}

/// What `malloc` aligns to anyway.
const NATURAL_ALIGN: usize = 16;
/// An over-aligned block that is answered misaligned starts this far in.
const MISPLACED: usize = 16;

impl Strict {
    /// Over the system's allocator.
    #[allow(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                blocks: None,
                fault: Fault::None,
            }),
            requests: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            misplaced: AtomicU64::new(0),
        }
    }

    /// From now on, this goes wrong.
    pub fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Blocks that were given out and have not come back.
    pub fn live(&self) -> usize {
        self.state().blocks.as_ref().map_or(0, HashMap::len)
    }

    /// How the live block at `start` was asked for.
    pub fn layout_of(&self, start: *mut u8) -> Option<Layout> {
        self.state().blocks.as_ref()?.get(&start.addr()).copied()
    }

    /// Requests for a block, new or of another size.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Those that were answered by null.
    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Those that were answered by a block that is not aligned.
    pub fn misplaced(&self) -> u64 {
        self.misplaced.load(Ordering::Relaxed)
    }

    // A test that failed with the lock held has said why already.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        assert!(layout.size() > 0, "the wrapper asked for nothing");
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let fault = self.state().fault;
        let is_over_aligned = layout.align() > NATURAL_ALIGN;
        let is_refused = match fault {
            Fault::EveryNth(n) => request.is_multiple_of(n),
            Fault::OverAligned => is_over_aligned,
            Fault::None | Fault::Misaligned => false,
        };
        if is_refused {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            return ptr::null_mut();
        }
        let (real, start) = if fault == Fault::Misaligned && is_over_aligned {
            self.misplaced.fetch_add(1, Ordering::Relaxed);
            (widened(layout), MISPLACED)
        } else {
            (layout, 0)
        };
        // SAFETY: the size is not 0; the start is within the widened block.
        let block = unsafe {
            let block = if zeroed {
                System.alloc_zeroed(real)
            } else {
                System.alloc(real)
            };
            assert!(!block.is_null(), "there is memory");
            block.add(start)
        };
        if !zeroed {
            // SAFETY: as large as asked for.
            unsafe { block.write_bytes(0xA5, layout.size()) };
        }
        let mut state = self.state();
        let before = state
            .blocks
            .get_or_insert_default()
            .insert(block.addr(), layout);
        assert_eq!(before, None, "the system gave out a live block");
        block
    }

    fn take_back(&self, block: *mut u8, layout: Layout) {
        let known = self
            .state()
            .blocks
            .as_mut()
            .and_then(|blocks| blocks.remove(&block.addr()));
        assert_eq!(
            known,
            Some(layout),
            "{block:p} came back with another layout"
        );
        // SAFETY: given out by `give`, as the assertion shows; the misplaced ones
        // can be told by their address.
        unsafe {
            if block.addr().is_multiple_of(layout.align()) {
                System.dealloc(block, layout);
            } else {
                System.dealloc(block.sub(MISPLACED), widened(layout));
            }
        }
    }
}

fn widened(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + MISPLACED, layout.align()).expect("a valid layout")
}

// SAFETY: blocks come from the system and are as large as asked for.
unsafe impl GlobalAlloc for &Strict {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.give(layout, false)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.give(layout, true)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.take_back(block, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new_layout = Layout::from_size_align(new_size, layout.align()).expect("a valid layout");
        let new = self.give(new_layout, false);
        if !new.is_null() {
            // SAFETY: both are live, different blocks, at least this large.
            unsafe { block.copy_to_nonoverlapping(new, layout.size().min(new_size)) };
            self.take_back(block, layout);
        }
        new
    }
}

/// A block of any allocator, every byte of it the same. Given back by hand.
///
/// Inlined, so that the function that asks for it is the innermost user frame.
#[derive(Debug)]
pub struct Filled<A: 'static> {
    allocator: &'static A,
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

// SAFETY: the block is owned, and allocators serve every thread.
unsafe impl<A: Sync> Send for Filled<A> {}

impl<A: GlobalAlloc> Filled<A> {
    /// A block from `allocator`, or `None` if it refuses. Its size must not be 0.
    #[inline(always)]
    pub fn allocate(allocator: &'static A, layout: Layout, zeroed: bool, fill: u8) -> Option<Self> {
        assert!(layout.size() > 0);
        // SAFETY: the size is not 0.
        let start = unsafe {
            if zeroed {
                allocator.alloc_zeroed(layout)
            } else {
                allocator.alloc(layout)
            }
        };
        if start.is_null() {
            return None;
        }
        let block = Self {
            allocator,
            start,
            layout,
            fill: 0,
        };
        if zeroed {
            block.check(layout.size());
        }
        Some(block.refill(fill))
    }

    /// Where it is.
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// What was asked for.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Is it aligned as asked for?
    pub fn is_aligned(&self) -> bool {
        self.start.addr().is_multiple_of(self.layout.align())
    }

    /// Grows or shrinks it; if the allocator refuses, the block is as it was.
    #[inline(always)]
    pub fn resize(self, new_size: usize) -> Result<Self, Self> {
        assert!(new_size > 0);
        self.check(self.layout.size());
        // SAFETY: our own block and its layout; the size is not 0.
        let start = unsafe { self.allocator.realloc(self.start, self.layout, new_size) };
        if start.is_null() {
            // The old block is still ours, as it was.
            self.check(self.layout.size());
            return Err(self);
        }
        let layout =
            Layout::from_size_align(new_size, self.layout.align()).expect("a valid layout");
        let kept = self.layout.size().min(new_size);
        let block = Self {
            start,
            layout,
            ..self
        };
        block.check(kept);
        let fill = block.fill;
        Ok(block.refill(fill))
    }

    /// Gives it back, after a last look at its contents.
    pub fn free(self) {
        self.check(self.layout.size());
        // SAFETY: our own block and its layout.
        unsafe { self.allocator.dealloc(self.start, self.layout) };
    }

    fn check(&self, bytes: usize) {
        // SAFETY: our own block, at least as large.
        let contents = unsafe { std::slice::from_raw_parts(self.start, bytes) };
        assert!(
            contents.iter().all(|&byte| byte == self.fill),
            "contents changed"
        );
    }

    fn refill(mut self, fill: u8) -> Self {
        self.fill = fill;
        // SAFETY: our own block.
        unsafe { self.start.write_bytes(fill, self.layout.size()) };
        self
    }
}
