//! What a sample needs of the program's stack: little, because stacks are
//! captured on one of the profiler's own.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::thread;

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::Block;

/// Uses next to no stack itself, so that what is measured is the profiler's.
struct Bump;

// SAFETY: forwards to `System`, but for the blocks of the measured size.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == MEASURED {
            return (&raw mut BLOCK).cast();
        }
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if layout.size() != MEASURED {
            // SAFETY: the caller's contract.
            unsafe { System.dealloc(ptr, layout) }
        }
    }
}

/// No other block of the program has this size.
const MEASURED: usize = 3331;

#[repr(align(4096))]
struct Page(#[expect(dead_code, reason = "it is only there to be pointed at")] [u8; 4096]);

/// The one block of the measured size that there is.
static mut BLOCK: Page = Page([0; 4096]);

#[global_allocator]
static ALLOC: Alloc<Bump> = Alloc::new(Bump).with_sample_interval(1);

/// The words below the caller's frame that are painted and looked at.
const WORDS: usize = 16 * 1024;
const PAINT: u64 = 0x5A5A_5A5A_5A5A_5A5A;

/// How deep into its stack `f` reaches, in bytes below this function's caller.
#[inline(never)]
fn depth_of(f: fn()) -> usize {
    #[inline(never)]
    fn paint() -> usize {
        let mut words = [0_u64; WORDS];
        for word in &mut words {
            // SAFETY: an ordinary store that must not be optimized away.
            unsafe { std::ptr::from_mut(word).write_volatile(PAINT) };
        }
        black_box(words.as_ptr().addr())
    }

    let low = paint();
    f();
    let words = low as *const u64;
    // SAFETY: stack that was used just now and is still this thread's; nothing
    // but this function runs since.
    let untouched = (0..WORDS).take_while(|&at| unsafe { words.add(at).read_volatile() } == PAINT);
    (WORDS - untouched.count()) * size_of::<u64>()
}

#[inline(never)]
fn sample() {
    drop(black_box(Block::new(black_box(MEASURED))));
}

#[test]
fn a_sample_needs_little_of_the_programs_stack() {
    thread::spawn(|| {
        // The first sample of a thread asks where its stack is, and every first
        // one of a place looks its rules up.
        let cold = depth_of(sample);
        let warm = depth_of(sample);
        heapprof::set_sample_interval(0).expect("the allocator is registered");
        let off = depth_of(sample);
        println!("cold {cold}, warm {warm}, off {off} bytes");
        for depth in [cold, warm] {
            assert!(depth - off <= 1024, "{depth} bytes, {off} without a sample");
        }
    })
    .join()
    .expect("the measurement runs");
    let records = Snapshot::take().expect("the allocator is registered");
    assert!(records.stats().samples > 0, "nothing was sampled");
}
