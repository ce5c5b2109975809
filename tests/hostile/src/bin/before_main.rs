//! A program that allocates long before `main`, keeps what it got and frees it
//! late. See `tests/before_main.rs`.
//!
//! `before_main FOLDER`

use std::env;
use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;
use std::path::PathBuf;
use std::ptr;
use std::sync::Mutex;

use heapprof::Alloc;
use heapprof_end_to_end::Block;
use heapprof_hostile::posix::Thread;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

/// What is held across the start of `main`. In the image: a vector would
/// allocate by itself.
static HELD: Mutex<[Option<Block>; 64]> = Mutex::new([const { None }; 64]);

type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

// Before every constructor, of libraries too: the first allocation of all.
#[used]
#[unsafe(link_section = ".preinit_array")]
static FIRST: Constructor = {
    extern "C" fn first(_: c_int, _: *const *const c_char, _: *const *const c_char) {
        hold(3, 1_000);
    }
    first
};

// With a priority: before heapprof's own, which has none.
#[used]
#[unsafe(link_section = ".init_array.00101")]
static EARLY: Constructor = {
    extern "C" fn early(_: c_int, _: *const *const c_char, _: *const *const c_char) {
        hold(5, 3_000);
        come_and_go(7, 2_000);
        // Large blocks take another way through the wrapper.
        hold(2, 50_000);
    }
    early
};

// Without: in the order of the linker, before heapprof's or after it. Threads
// may run by then as well.
#[used]
#[unsafe(link_section = ".init_array")]
static LATE: Constructor = {
    extern "C" fn late(_: c_int, _: *const *const c_char, _: *const *const c_char) {
        let threads = [(); 3].map(|()| Thread::start(late_thread, 256 << 10));
        hold(4, 5_000);
        threads.into_iter().for_each(Thread::join);
    }
    late
};

extern "C" fn late_thread(_: *mut c_void) -> *mut c_void {
    hold(8, 6_000);
    come_and_go(100, 7_000);
    ptr::null_mut()
}

#[inline(never)]
fn hold(count: usize, size: usize) {
    let mut held = HELD.lock().expect("nobody panics");
    let places = held.iter_mut().filter(|place| place.is_none()).take(count);
    for place in places {
        *place = Some(Block::new(black_box(size)));
    }
}

#[inline(never)]
fn main_holds() -> Block {
    Block::new(black_box(9_000))
}

#[inline(never)]
fn come_and_go(count: usize, size: usize) {
    for _ in 0..count {
        drop(Block::new(black_box(size)));
    }
}

fn main() {
    let folder = PathBuf::from(env::args().nth(1).expect("a folder is given"));
    let block = main_holds();
    heapprof::dump_heap_to(folder.join("held")).expect("the heap is dumped");
    for place in HELD.lock().expect("nobody panics").iter_mut() {
        *place = None;
    }
    drop(block);
    heapprof::dump_heap_to(folder.join("freed")).expect("the heap is dumped");
}
