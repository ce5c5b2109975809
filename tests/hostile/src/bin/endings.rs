//! A program that panics, or ends before its time. See `tests/aborts.rs` and
//! `tests/panics.rs`.
//!
//! `endings CONDITION FOLDER`

use std::cell::Cell;
use std::env;
use std::hint::black_box;
use std::panic::{self, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use heapprof::Alloc;
use heapprof_end_to_end::Block;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn main() {
    let mut arguments = env::args().skip(1);
    let condition = arguments.next().expect("a condition is given");
    let folder = arguments.next().expect("a folder is given");
    FOLDER.set(folder.into()).expect("only here");
    // Thousands of messages say nothing.
    panic::set_hook(Box::new(|_| {}));
    match condition.as_str() {
        "abort" => under_load(|| process::abort()),
        // SAFETY: ends this process.
        "abort-in-c" => under_load(|| unsafe { libc::abort() }),
        "abort-while-dumping" => while_dumping(|| process::abort()),
        "kill-while-dumping" => while_dumping(|| {
            // SAFETY: ends this process.
            unsafe { libc::raise(libc::SIGKILL) };
        }),
        "unwind" => unwind(),
        "panic-in-drop" => panic_in_drop(),
        "panic-in-threads" => panic_in_threads(),
        "panic-while-panicking" => under_load(panic_while_panicking),
        "panic-where-none-may-be" => under_load(|| cannot_unwind()),
        other => panic!("{other}?"),
    }
}

fn dump(name: &str) {
    let folder = FOLDER.get().expect("set by main");
    heapprof::dump_heap_to(folder.join(name)).expect("the heap is dumped");
}

// Ends.

/// Dumps once, and then ends amid allocations and snapshots.
fn under_load(end: fn()) {
    dump("heap");
    for _ in 0..2 {
        thread::spawn(|| {
            loop {
                drop(Block::new(black_box(100)));
            }
        });
    }
    thread::spawn(|| {
        loop {
            drop(heapprof::Snapshot::take());
        }
    });
    for _ in 0..1_000 {
        drop(Block::new(black_box(100)));
    }
    end();
}

/// Ends while others write files, after each of them wrote some.
fn while_dumping(end: fn()) {
    static DUMPS: AtomicUsize = AtomicUsize::new(0);
    for name in ["first", "second"] {
        thread::spawn(move || {
            loop {
                dump(name);
                DUMPS.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while DUMPS.load(Ordering::Relaxed) < 10 {
        thread::yield_now();
    }
    end();
}

// Panics that are caught.

fn unwind() {
    for depth in 0..300 {
        let caught = catch_unwind(|| frame(depth % 30));
        assert!(caught.is_err(), "it panics at the end");
    }
    dump("after");
}

/// Blocks in every frame, freed by unwinding.
#[inline(never)]
fn frame(depth: usize) -> usize {
    let block = frame_holds();
    if depth == 0 {
        panic!("from the bottom, with a text that is allocated: {depth}");
    }
    frame(depth - 1) + block.size()
}

#[inline(never)]
fn frame_holds() -> Block {
    let mut block = Block::new(black_box(100));
    block.resize(black_box(40_000));
    block
}

/// Its end allocates, panics half way, and leaves the rest to unwinding.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        let block = bomb_holds();
        if block.size() == 500 {
            panic!("in a drop: {}", block.size());
        }
    }
}

#[inline(never)]
fn bomb_holds() -> Block {
    Block::new(black_box(500))
}

fn panic_in_drop() {
    for _ in 0..300 {
        let caught = catch_unwind(|| {
            let bomb = Bomb;
            let block = beside_the_bomb();
            drop(bomb);
            block.size()
        });
        assert!(caught.is_err(), "it panics");
    }
    dump("after");
}

#[inline(never)]
fn beside_the_bomb() -> Block {
    Block::new(black_box(700))
}

/// Destructors of thread-locals run after the panic that ended the thread.
fn panic_in_threads() {
    struct Last(Cell<Option<Block>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.set(Some(bomb_holds()));
        }
    }
    thread_local! {
        static LAST: Last = const { Last(Cell::new(None)) };
    }
    for _ in 0..50 {
        let thread = thread::spawn(|| {
            LAST.with(|last| last.0.set(Some(beside_the_bomb())));
            frame(10);
        });
        assert!(thread.join().is_err(), "it panics");
    }
    dump("after");
}

// Panics that cannot be.

fn panic_while_panicking() {
    let _bomb = Bomb;
    frame(10);
}

extern "C" fn cannot_unwind() {
    frame(10);
}
