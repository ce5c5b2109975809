//! Memory for the tables, straight from the operating system, never given
//! back, bounded by a limit.
//!
//! Small pieces are cut from chunks; large ones get a mapping of their own.
//! Fresh pages are zero and take memory only once they are touched.
//!
//! # Atomic orderings
//! A chunk is published by a Release exchange and read by an Acquire load, so
//! its header is seen whole. Pieces are handed out by `fetch_add`, no two alike;
//! who publishes a pointer to a piece does so with an ordering of its own.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

use core::mem::{align_of, size_of};
use core::ptr;

use super::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

#[cfg(not(loom))]
const CHUNK_BYTES: usize = 1 << 20;
/// So small that models reach the end of one.
#[cfg(loom)]
const CHUNK_BYTES: usize = 8 * PIECE_ALIGN;
/// Pieces start on cache lines.
const PIECE_ALIGN: usize = 64;
/// Larger pieces than this are mapped by themselves.
const LARGEST_PIECE: usize = CHUNK_BYTES / 8;

/// Types for which zeroed memory is a value.
///
/// # Safety
/// All-zero bytes must be a valid value of the type.
pub(crate) unsafe trait Zeroed: Sized {
    /// The same value, made by hand: the model checker's atomics cannot live in
    /// raw memory.
    #[cfg(loom)]
    fn zeroed() -> Self;
}

// SAFETY: an atomic integer of zero bytes is 0.
unsafe impl Zeroed for AtomicU64 {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Self::new(0)
    }
}

// SAFETY: an atomic pointer of zero bytes is null.
unsafe impl<T> Zeroed for AtomicPtr<T> {
    #[cfg(loom)]
    fn zeroed() -> Self {
        Self::new(ptr::null_mut())
    }
}

// SAFETY: made of values for which zero bytes are one.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {
    #[cfg(loom)]
    fn zeroed() -> Self {
        core::array::from_fn(|_| T::zeroed())
    }
}

/// The bounded source of the tables' memory.
#[derive(Debug)]
pub(crate) struct Arena {
    limit_bytes: AtomicU64,
    used_bytes: AtomicU64,
    chunk: AtomicPtr<Chunk>,
}

/// The head of a chunk; its pieces follow.
#[repr(align(64))]
#[derive(Debug)]
struct Chunk {
    /// Bytes handed out, this head included. May run past the end.
    cursor: AtomicUsize,
}

impl Arena {
    #[cfg(not(loom))]
    pub(crate) const fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes: AtomicU64::new(limit_bytes),
            used_bytes: AtomicU64::new(0),
            chunk: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[cfg(not(loom))]
    pub(crate) fn set_limit(&self, bytes: u64) {
        // Relaxed, here and below: a number that guards nothing else.
        self.limit_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes taken from the operating system, touched or not.
    #[cfg(not(loom))]
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    #[cfg(not(loom))]
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes.load(Ordering::Relaxed)
    }

    /// A place for `value` that lasts for ever, or `None` at the limit.
    #[cfg(not(loom))]
    pub(crate) fn place<T>(&self, value: T) -> Option<&'static T> {
        let place = self.piece(size_of::<T>(), align_of::<T>())?.cast::<T>();
        // SAFETY: the piece is ours alone, large enough, aligned, and lasts for ever.
        unsafe {
            place.write(value);
            Some(&*place)
        }
    }

    /// A copy of `values` that lasts for ever.
    #[cfg(not(loom))]
    pub(crate) fn place_all<T: Copy>(&self, values: &[T]) -> Option<&'static [T]> {
        let place = self
            .piece(size_of_val(values), align_of::<T>())?
            .cast::<T>();
        // SAFETY: as above; the source cannot overlap a piece that nobody has seen.
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), place, values.len());
            Some(core::slice::from_raw_parts(place, values.len()))
        }
    }

    /// `len` zeroed values.
    #[cfg(not(loom))]
    pub(crate) fn zeroed<T: Zeroed>(&self, len: usize) -> Option<&'static [T]> {
        let bytes = size_of::<T>().checked_mul(len)?;
        let place = self.piece(bytes, align_of::<T>())?.cast::<T>();
        // SAFETY: the piece is ours alone, large enough, aligned, lasts for ever, and is
        // zero, which `Zeroed` says is a value.
        Some(unsafe { core::slice::from_raw_parts(place, len) })
    }

    /// `len` zeroed values of two types, from one piece: both or neither, so that
    /// an attempt that fails uses nothing up.
    #[cfg(not(loom))]
    pub(crate) fn zeroed_pair<A: Zeroed, B: Zeroed>(
        &self,
        len: usize,
    ) -> Option<(&'static [A], &'static [B])> {
        const {
            assert!(size_of::<A>().is_multiple_of(PIECE_ALIGN) && align_of::<B>() <= PIECE_ALIGN);
        };
        let first = size_of::<A>().checked_mul(len)?;
        let second = size_of::<B>().checked_mul(len)?;
        let place = self.piece(first.checked_add(second)?, align_of::<A>())?;
        // SAFETY: as above; the second begins where the first ends, aligned as the
        // assertion says.
        Some(unsafe {
            (
                core::slice::from_raw_parts(place.cast(), len),
                core::slice::from_raw_parts(place.add(first).cast(), len),
            )
        })
    }

    fn piece(&self, bytes: usize, align: usize) -> Option<*mut u8> {
        if align > PIECE_ALIGN {
            return None;
        }
        let bytes = bytes.checked_next_multiple_of(PIECE_ALIGN)?;
        if bytes > LARGEST_PIECE {
            return self.map(bytes);
        }
        loop {
            // Acquire pairs with the Release in `next_chunk`.
            let chunk = self.chunk.load(Ordering::Acquire);
            // SAFETY: chunks are never unmapped once published.
            if let Some(head) = unsafe { chunk.as_ref() } {
                // Relaxed: only the number matters, each is handed out once.
                let start = head.cursor.fetch_add(bytes, Ordering::Relaxed);
                if start.checked_add(bytes)? <= CHUNK_BYTES {
                    // SAFETY: within the chunk's mapping.
                    return Some(unsafe { chunk.cast::<u8>().add(start) });
                }
            }
            self.next_chunk(chunk)?;
        }
    }

    /// Puts a fresh chunk in the place of the used-up one. Another thread may be
    /// first; then its chunk serves.
    fn next_chunk(&self, used_up: *mut Chunk) -> Option<()> {
        let fresh = self.map(CHUNK_BYTES)?.cast::<Chunk>();
        // SAFETY: freshly mapped, ours alone, page-aligned.
        unsafe {
            fresh.write(Chunk {
                cursor: AtomicUsize::new(size_of::<Chunk>()),
            })
        };
        // Release pairs with the Acquire in `piece`.
        if self
            .chunk
            .compare_exchange(used_up, fresh, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: never published, so nobody else knows of it.
            unsafe { pages::unmap(fresh.cast(), CHUNK_BYTES) };
            self.used_bytes
                .fetch_sub(CHUNK_BYTES as u64, Ordering::Relaxed);
        }
        Some(())
    }

    fn map(&self, bytes: usize) -> Option<*mut u8> {
        let before = self.used_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let fits = before.saturating_add(bytes as u64) <= self.limit_bytes.load(Ordering::Relaxed);
        let place = if fits { pages::map(bytes) } else { None };
        if place.is_none() {
            self.used_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        }
        place
    }
}

/// Under the model checker: the same interface over leaked values, with the
/// limit counted in values, so that exhaustion is modelled too.
#[cfg(loom)]
impl Arena {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit_bytes: AtomicU64::new(limit),
            used_bytes: AtomicU64::new(0),
            chunk: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn take(&self, count: usize) -> Option<()> {
        let before = self.used_bytes.fetch_add(count as u64, Ordering::Relaxed);
        (before + count as u64 <= self.limit_bytes.load(Ordering::Relaxed)).then_some(())
    }

    pub(crate) fn place<T>(&self, value: T) -> Option<&'static T> {
        self.take(1)?;
        #[allow(clippy::disallowed_types)]
        Some(Box::leak(Box::new(value)))
    }

    pub(crate) fn place_all<T: Copy>(&self, values: &[T]) -> Option<&'static [T]> {
        self.take(values.len())?;
        Some(values.to_vec().leak())
    }

    pub(crate) fn zeroed<T: Zeroed>(&self, len: usize) -> Option<&'static [T]> {
        self.take(len)?;
        Some(
            (0..len)
                .map(|_| T::zeroed())
                .collect::<std::vec::Vec<_>>()
                .leak(),
        )
    }

    pub(crate) fn zeroed_pair<A: Zeroed, B: Zeroed>(
        &self,
        len: usize,
    ) -> Option<(&'static [A], &'static [B])> {
        Some((self.zeroed(len)?, self.zeroed(len)?))
    }
}

/// Whole pages from the operating system.
#[cfg(all(unix, not(loom)))]
mod pages {
    use core::ptr;

    /// Zeroed pages, or `None` if the system has none to give.
    pub(super) fn map(bytes: usize) -> Option<*mut u8> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches
        // nothing that exists.
        let place = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        (place != libc::MAP_FAILED).then_some(place.cast())
    }

    /// # Safety
    /// `place` came from [`map`] with the same `bytes`, and nobody uses it.
    pub(super) unsafe fn unmap(place: *mut u8, bytes: usize) {
        // SAFETY: the caller's promise. A failure leaves the pages mapped: harmless.
        unsafe { libc::munmap(place.cast(), bytes) };
    }
}

/// Where there is no `mmap`: the system allocator, called by its own name and
/// therefore never through the wrapper.
#[cfg(any(not(unix), loom))]
mod pages {
    use std::alloc::{GlobalAlloc, Layout, System};

    const PAGE: usize = 4096;

    pub(super) fn map(bytes: usize) -> Option<*mut u8> {
        let layout = Layout::from_size_align(bytes, PAGE).ok()?;
        // SAFETY: callers never ask for zero bytes.
        let place = unsafe { System.alloc_zeroed(layout) };
        (!place.is_null()).then_some(place)
    }

    /// # Safety
    /// `place` came from [`map`] with the same `bytes`, and nobody uses it.
    pub(super) unsafe fn unmap(place: *mut u8, bytes: usize) {
        if let Ok(layout) = Layout::from_size_align(bytes, PAGE) {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(place, layout) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap() {
        let arena = Arena::new(64 << 20);
        let pieces = |thread: usize| (0..1000).map(move |i| (thread << 32) | i);
        std::thread::scope(|scope| {
            let threads = [0, 1, 2, 3].map(|thread| {
                let arena = &arena;
                scope.spawn(move || {
                    pieces(thread)
                        .map(|id| arena.place([id; 100]).unwrap())
                        .collect::<Vec<_>>()
                })
            });
            let placed = threads.map(|thread| thread.join().unwrap());
            for (thread, placed) in placed.iter().enumerate() {
                for (id, piece) in pieces(thread).zip(placed) {
                    assert!(piece.iter().all(|&value| value == id));
                }
            }
        });
    }

    #[test]
    fn the_limit_holds() {
        let arena = Arena::new(3 * CHUNK_BYTES as u64);
        let mut placed = 0;
        while arena.place([0_u8; 1000]).is_some() {
            placed += 1;
        }
        assert_eq!(placed, 3 * ((CHUNK_BYTES - 64) / 1024));
        assert!(arena.zeroed::<AtomicU64>(1 << 20).is_none());
        assert_eq!(arena.used_bytes(), arena.limit_bytes());
    }

    #[test]
    fn what_does_not_fit_uses_nothing_up() {
        let arena = Arena::new(3 * CHUNK_BYTES as u64);
        // The first half would fit, the whole does not.
        let words = CHUNK_BYTES / 64 * 2;
        for _ in 0..10 {
            assert!(arena.zeroed_pair::<Line, AtomicU64>(words * 2).is_none());
        }
        assert_eq!(arena.used_bytes(), 0);
        let (lines, numbers) = arena.zeroed_pair::<Line, AtomicU64>(words).unwrap();
        assert_eq!((lines.len(), numbers.len()), (words, words));
        numbers
            .iter()
            .for_each(|number| number.store(1, Ordering::Relaxed));
        let is_zero = |line: &Line| line.0.iter().all(|word| word.load(Ordering::Relaxed) == 0);
        assert!(lines.iter().all(is_zero), "they do not overlap");
    }

    #[repr(C, align(64))]
    struct Line([AtomicU64; 8]);

    // SAFETY: made of atomics, for which zero bytes are a value.
    unsafe impl Zeroed for Line {}

    #[test]
    fn zeroed_means_zero() {
        let arena = Arena::new(64 << 20);
        let words = arena.zeroed::<AtomicU64>(1 << 18).unwrap();
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::record::sync::model;
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads need a new chunk at the same moment: no piece is handed out
    /// twice, and what was mapped in vain is given back.
    #[test]
    fn loom_pieces_do_not_overlap() {
        model(|| {
            let arena = Arc::new(Arena::new(2 * CHUNK_BYTES as u64));
            let take = |arena: &Arena| {
                let piece = |_| {
                    arena
                        .piece(PIECE_ALIGN, PIECE_ALIGN)
                        .map(|piece| piece.addr())
                };
                [0; 2].map(piece)
            };
            let other = {
                let arena = Arc::clone(&arena);
                thread::spawn(move || take(&arena))
            };
            let mine = take(&arena);
            let theirs = other.join().unwrap();
            let mut pieces: Vec<_> = mine.into_iter().chain(theirs).flatten().collect();
            assert_eq!(pieces.len(), 4, "there is room for all");
            pieces.sort_unstable();
            assert!(
                pieces
                    .windows(2)
                    .all(|pair| pair[1] - pair[0] >= PIECE_ALIGN)
            );
            assert_eq!(arena.used_bytes.load(Ordering::Relaxed), CHUNK_BYTES as u64);
        });
    }
}
