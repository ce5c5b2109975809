//! A program whose threads allocate in C only, until a handler of a signal
//! allocates on them in Rust. See `tests/signal_storm.rs`.
//!
//! `first_in_a_handler THREADS`

use std::env;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use heapprof::{Alloc, Snapshot};
use heapprof_end_to_end::Block;
use heapprof_hostile::posix::Thread;
use heapprof_hostile::signal_safe::SignalSafe;

// The C library's malloc may not be called in a handler, and is not: neither by
// the handler nor by what lies below the profiler.
#[global_allocator]
static ALLOC: Alloc<SignalSafe> = Alloc::new(SignalSafe).with_sample_interval(1);

static IS_HANDLED: AtomicBool = AtomicBool::new(false);
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

fn main() {
    let threads = env::args().nth(1).and_then(|n| n.parse().ok());
    let threads: u32 = threads.expect("a number of threads is given");
    install_handler();
    let samples = || Snapshot::take().expect("registered").stats().samples;
    let before = samples();
    for n in 0..threads {
        IS_RUNNING.store(false, Ordering::Relaxed);
        IS_HANDLED.store(false, Ordering::Relaxed);
        let thread = Thread::start(allocate_in_c, 256 << 10);
        while !IS_RUNNING.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        // At another point of its malloc each time.
        for _ in 0..n % 97 {
            std::hint::spin_loop();
        }
        thread.signal(libc::SIGUSR1);
        thread.join();
    }
    println!("samples {}", samples() - before);
}

extern "C" fn allocate_in_c(_: *mut c_void) -> *mut c_void {
    while !IS_HANDLED.load(Ordering::Relaxed) {
        // Too large for the thread's own cache of small blocks: under a lock.
        // SAFETY: allocated and freed.
        unsafe { libc::free(black_box(libc::malloc(black_box(5_000)))) };
        IS_RUNNING.store(true, Ordering::Relaxed);
    }
    ptr::null_mut()
}

extern "C" fn handle(_: c_int) {
    drop(Block::new(black_box(100)));
    IS_HANDLED.store(true, Ordering::Relaxed);
}

fn install_handler() {
    let handler = handle as extern "C" fn(c_int);
    let action = libc::sigaction {
        sa_sigaction: handler as *const () as usize,
        // SAFETY: a set of signals is plain old data.
        sa_mask: unsafe { std::mem::zeroed() },
        sa_flags: 0,
        sa_restorer: None,
    };
    // SAFETY: the handler calls nothing but the allocator, which may be called there.
    let failed = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0);
}
