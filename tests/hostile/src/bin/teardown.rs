//! A program that allocates, frees and dumps while it and its threads end. See
//! `tests/teardown.rs`.
//!
//! `teardown at-exit|thread-locals|thread-keys|detached|detached-dump FOLDER`

use std::cell::RefCell;
use std::env;
use std::ffi::c_void;
use std::hint::black_box;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::Block;
use heapprof_hostile::posix::Thread;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// What is handed from one part of the program's life to a later one.
static HELD: Mutex<Vec<Block>> = Mutex::new(Vec::new());

const THREADS: usize = 8;

fn main() {
    let mut arguments = env::args().skip(1);
    let condition = arguments.next();
    let folder = arguments.next().expect("a folder is given");
    FOLDER.set(folder.into()).expect("only here");
    match condition.as_deref() {
        Some("at-exit") => at_exit(),
        Some("thread-locals") => thread_locals(),
        Some("thread-keys") => thread_keys(),
        Some("detached") => detached(),
        Some("detached-dump") => {
            call_at_exit(dump_while_others_run);
            detached();
        }
        other => panic!("{other:?}?"),
    }
}

fn dump(name: &str) {
    let folder = FOLDER.get().expect("set by main");
    heapprof::dump_heap_to(folder.join(name)).expect("the heap is dumped");
}

fn call_at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler takes and returns nothing.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

fn hold(block: Block) {
    HELD.lock().expect("nobody panics").push(block);
}

// Handlers that run after `main`, the last one first.

fn at_exit() {
    call_at_exit(last_handler);
    call_at_exit(first_handler);
    for _ in 0..5 {
        hold(main_holds());
    }
}

#[inline(never)]
fn main_holds() -> Block {
    Block::new(black_box(1_000))
}

extern "C" fn first_handler() {
    // What `main` left, and nothing else.
    HELD.lock().expect("nobody panics").clear();
    for _ in 0..3 {
        hold(handler_holds());
    }
    handler_comes_and_goes();
    dump("first");
}

extern "C" fn last_handler() {
    HELD.lock().expect("nobody panics").clear();
    // New threads, even now. One at a time: who starts while another is being
    // given what it unwinds with may find nothing, and go without a stack.
    for _ in 0..THREADS {
        let thread = thread::spawn(handler_comes_and_goes);
        thread.join().expect("it ends well");
    }
    dump("last");
}

#[inline(never)]
fn handler_holds() -> Block {
    Block::zeroed(black_box(40_000))
}

#[inline(never)]
fn handler_comes_and_goes() {
    let mut block = Block::new(black_box(100));
    block.resize(black_box(200));
}

// Destructors of thread-locals, each of which needs another one.

struct Dying {
    block: Block,
    round: u32,
}

thread_local! {
    static FIRST: RefCell<Option<Dying>> = const { RefCell::new(None) };
    /// Comes to life while others die.
    static SECOND: RefCell<Option<Dying>> = const { RefCell::new(None) };
    static THIRD: RefCell<Option<Dying>> = const { RefCell::new(None) };
}

impl Drop for Dying {
    fn drop(&mut self) {
        dying_comes_and_goes();
        // The only one to stay; `self.block` goes.
        hold(dying_holds());
        let next = match self.round {
            0 => &SECOND,
            1 => &THIRD,
            _ => return,
        };
        let size = self.block.size() + 8;
        let round = self.round + 1;
        next.with_borrow_mut(|next| *next = Some(dying_lives(size, round)));
    }
}

#[inline(never)]
fn dying_lives(size: usize, round: u32) -> Dying {
    let block = Block::new(black_box(size));
    Dying { block, round }
}

#[inline(never)]
fn dying_comes_and_goes() {
    for _ in 0..10 {
        drop(Block::new(black_box(70)));
    }
}

#[inline(never)]
fn dying_holds() -> Block {
    Block::new(black_box(3_000))
}

fn thread_locals() {
    // Those of the main thread end before this runs.
    call_at_exit(after_the_last_thread_local);
    let live = || FIRST.with_borrow_mut(|first| *first = Some(dying_lives(500, 0)));
    for _ in 0..THREADS {
        thread::spawn(live).join().expect("it ends well");
    }
    live();
}

extern "C" fn after_the_last_thread_local() {
    dump("after");
}

// Destructors of keys: the very last that runs on a thread, after those of
// thread-locals, and up to four times.

static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

fn thread_keys() {
    let mut key = 0;
    // SAFETY: the destructor takes the key's value.
    let failed = unsafe { libc::pthread_key_create(&raw mut key, Some(key_ends)) };
    assert_eq!(failed, 0);
    KEY.set(key).expect("only here");
    for _ in 0..THREADS {
        Thread::start(key_lives, 256 << 10).join();
    }
    dump("after");
}

extern "C" fn key_lives(_: *mut c_void) -> *mut c_void {
    set_key(key_holds());
    ptr::null_mut()
}

#[inline(never)]
fn key_holds() -> *mut c_void {
    // Two allocations: the block and the box that it is in.
    Box::into_raw(Box::new(Block::new(black_box(600)))).cast()
}

fn set_key(value: *mut c_void) {
    let key = *KEY.get().expect("it was made before any thread");
    // SAFETY: it is a key, and its destructor takes such a value.
    let failed = unsafe { libc::pthread_setspecific(key, value) };
    assert_eq!(failed, 0);
}

extern "C" fn key_ends(value: *mut c_void) {
    // SAFETY: boxed by `key_holds`, given here once.
    drop(unsafe { Box::from_raw(value.cast::<Block>()) });
    // Again, until the C library has enough; the last one is never freed.
    set_key(key_holds());
}

// Threads that go on while the process ends under them.

fn detached() {
    call_at_exit(allocate_while_others_run);
    for _ in 0..3 {
        thread::spawn(|| {
            FIRST.with_borrow_mut(|first| *first = Some(dying_lives(500, 0)));
            loop {
                dying_comes_and_goes();
            }
        });
    }
    // Threads that end while the process does.
    for _ in 0..10 {
        thread::spawn(|| {
            FIRST.with_borrow_mut(|first| *first = Some(dying_lives(500, 0)));
        });
    }
    thread::sleep(Duration::from_millis(2));
}

extern "C" fn allocate_while_others_run() {
    for _ in 0..3 {
        hold(handler_holds());
    }
    handler_comes_and_goes();
}

extern "C" fn dump_while_others_run() {
    dump("while");
    let stats = Snapshot::take().expect("registered").stats().clone();
    assert_eq!((stats.lost_samples, stats.foreign_frees), (0, 0));
}
