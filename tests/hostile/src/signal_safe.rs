//! An allocator that may be called in a signal handler, whatever was
//! interrupted: a few atomics, no locks.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Blocks are as large as the next power of two, and aligned to it as far as a
/// page. Freed ones are handed out again; memory is never given back.
#[derive(Debug)]
pub struct SignalSafe;

/// Address space; blocks take memory once they are touched.
const REGION_BYTES: u64 = 16 << 30;
/// The smallest block, and the unit that blocks are counted in.
const UNIT: u64 = 16;
const CLASSES: usize = 32;

static REGION: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// Bytes handed out; 0 stands for no block.
static USED: AtomicU64 = AtomicU64::new(PAGE);
const PAGE: u64 = 4096;

/// The first free block of each class: its place in units, and above that a
/// number that changes with every exchange, so that a block that went and came
/// back in between is noticed.
static FREE: [AtomicU64; CLASSES] = [const { AtomicU64::new(0) }; CLASSES];
const PLACE_BITS: u32 = 32;
const PLACE: u64 = (1 << PLACE_BITS) - 1;

// SAFETY: a block is taken from a free list, or from memory never handed out, by
// an exchange that one caller wins; it is large and aligned as its class.
unsafe impl GlobalAlloc for SignalSafe {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let bytes = class_bytes(layout);
        let free = free_list(bytes);
        let region = region();
        let mut head = free.load(Ordering::Acquire);
        while head & PLACE != 0 {
            let block = block_at(region, head & PLACE);
            // The block may be handed out by now, and hold anything: then the
            // exchange fails.
            // SAFETY: in the region, and aligned to 16 bytes.
            let next = unsafe { AtomicU64::from_ptr(block.cast()) }.load(Ordering::Relaxed);
            match free.compare_exchange(
                head,
                succeed(head, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return block,
                Err(now) => head = now,
            }
        }
        fresh(region, bytes)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let free = free_list(class_bytes(layout));
        let place = (block.addr() - region().addr()) as u64 / UNIT;
        let mut head = free.load(Ordering::Relaxed);
        loop {
            // SAFETY: nobody else's any more, and aligned to 16 bytes.
            unsafe { AtomicU64::from_ptr(block.cast()) }.store(head & PLACE, Ordering::Relaxed);
            match free.compare_exchange(
                head,
                succeed(head, place),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

fn class_bytes(layout: Layout) -> u64 {
    let bytes = layout.size().max(layout.align()) as u64;
    bytes.max(UNIT).next_power_of_two()
}

fn free_list(class_bytes: u64) -> &'static AtomicU64 {
    &FREE[class_bytes.ilog2() as usize]
}

/// The next head after `head`, which is to be at `place`.
fn succeed(head: u64, place: u64) -> u64 {
    (head & !PLACE).wrapping_add(1 << PLACE_BITS) | (place & PLACE)
}

fn block_at(region: *mut u8, place: u64) -> *mut u8 {
    region.wrapping_add((place * UNIT) as usize)
}

fn fresh(region: *mut u8, bytes: u64) -> *mut u8 {
    let align = bytes.min(PAGE);
    let place = USED.fetch_add(bytes + align, Ordering::Relaxed);
    let start = place.next_multiple_of(align);
    if start + bytes > REGION_BYTES {
        return ptr::null_mut();
    }
    region.wrapping_add(start as usize)
}

/// Mapped by whoever comes first; who comes second gives theirs back.
fn region() -> *mut u8 {
    let known = REGION.load(Ordering::Acquire);
    if !known.is_null() {
        return known;
    }
    // SAFETY: a new mapping, which may be unmapped while nobody knows of it.
    unsafe {
        let region = libc::mmap(
            ptr::null_mut(),
            REGION_BYTES as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if region == libc::MAP_FAILED {
            libc::abort();
        }
        let won = REGION.compare_exchange(
            ptr::null_mut(),
            region.cast(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match won {
            Ok(_) => region.cast(),
            Err(theirs) => {
                libc::munmap(region, REGION_BYTES as usize);
                theirs
            }
        }
    }
}
