//! Three owners of memory, of which the driver knows every byte. Sizes are in
//! classes of their own, so that they can be told without names.

use std::hint::black_box;
use std::thread;

use heapprof::Alloc;

#[global_allocator]
static ALLOC: Alloc = {
    let alloc = Alloc::system().with_sample_interval(1);
    if cfg!(feature = "frame-pointers") {
        alloc.with_unwinder(heapprof::Unwinder::FramePointers)
    } else {
        alloc
    }
};

/// What the owners hold.
#[expect(dead_code, reason = "held, not read")]
pub(crate) struct Held {
    plain: [Vec<u8>; 10],
    generic: [Pool<u64>; 5],
    inlined: [Vec<u8>; 2],
}

impl Held {
    pub(crate) fn new() -> Self {
        Self {
            plain: owner_plain(),
            // On a thread of its own: its stack begins elsewhere.
            generic: thread::spawn(on_a_thread).join().expect("it ends well"),
            inlined: owner_inlined(),
        }
    }
}

/// 10 blocks of 1,700 bytes.
#[inline(never)]
fn owner_plain() -> [Vec<u8>; 10] {
    let mut held = [const { Vec::new() }; 10];
    for buffer in &mut held {
        *buffer = black_box(Vec::with_capacity(black_box(1_700)));
    }
    held
}

#[expect(dead_code, reason = "held, not read")]
pub(crate) struct Pool<T>(Vec<T>);

impl<T> Pool<T> {
    #[inline(never)]
    fn of_capacity(capacity: usize) -> Self {
        black_box(Self(Vec::with_capacity(black_box(capacity))))
    }
}

/// Its name is in those of the functions that start the thread.
fn on_a_thread() -> [Pool<u64>; 5] {
    owner_generic()
}

/// 5 pools of 375 numbers: 3,000 bytes each.
#[inline(never)]
fn owner_generic() -> [Pool<u64>; 5] {
    black_box([(); 5].map(|()| Pool::of_capacity(375)))
}

#[inline(always)]
fn inlined_helper() -> Vec<u8> {
    black_box(Vec::with_capacity(black_box(20_000)))
}

/// 3 blocks of 20,000 bytes, one of them freed.
#[inline(never)]
fn owner_inlined() -> [Vec<u8>; 2] {
    drop(inlined_helper());
    black_box([inlined_helper(), inlined_helper()])
}
