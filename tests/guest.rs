//! Inside malloc the recorder is a guest: taking a sample must not allocate,
//! must not lock, and must not wait for anyone.
//!
//! The C library's allocation and locking functions are replaced in this test
//! program by ones that count and then do their work, and the allocator below
//! the wrapper counts too. Captures are cold on purpose: new stacks, through
//! many functions, at every depth.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heapprof::Snapshot;

struct Watched;

thread_local! {
    /// Calls that a guest must not make, on this thread, while it is watched.
    static WATCHED_CALLS: Cell<Option<Calls>> = const { Cell::new(None) };
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    inner_allocs: u64,
    c_mallocs: u64,
    locks: u64,
    loader_walks: u64,
}

fn note(what: impl Fn(&mut Calls)) {
    WATCHED_CALLS.with(|watched| {
        if let Some(mut calls) = watched.get() {
            what(&mut calls);
            watched.set(Some(calls));
        }
    });
}

/// Runs `f` and returns the watched calls that it made on this thread.
fn watch(f: impl FnOnce()) -> Calls {
    WATCHED_CALLS.with(|watched| watched.set(Some(Calls::default())));
    f();
    WATCHED_CALLS
        .with(|watched| watched.take())
        .unwrap_or_default()
}

// SAFETY: forwards to `System`.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(|calls| calls.inner_allocs += 1);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOC: heapprof::Alloc<Watched> = heapprof::Alloc::new(Watched).with_sample_interval(1);

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn dlsym(handle: *mut c_void, name: *const std::ffi::c_char) -> *mut c_void;
}

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

/// The C library's own function of this name.
fn next<F: Copy>(name: &std::ffi::CStr) -> F {
    // SAFETY: callers name the function whose type they ask for.
    unsafe {
        let symbol = dlsym(RTLD_NEXT, name.as_ptr());
        std::mem::transmute_copy(&symbol)
    }
}

// The blocks that `System` allocates come through here as well.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    note(|calls| calls.c_mallocs += 1);
    // SAFETY: what `malloc` is.
    unsafe { __libc_malloc(size) }
}

#[unsafe(no_mangle)]
extern "C" fn pthread_mutex_lock(mutex: *mut c_void) -> c_int {
    note(|calls| calls.locks += 1);
    next::<extern "C" fn(*mut c_void) -> c_int>(c"pthread_mutex_lock")(mutex)
}

#[unsafe(no_mangle)]
extern "C" fn pthread_rwlock_rdlock(lock: *mut c_void) -> c_int {
    note(|calls| calls.locks += 1);
    next::<extern "C" fn(*mut c_void) -> c_int>(c"pthread_rwlock_rdlock")(lock)
}

type Visit = extern "C" fn(*mut c_void, usize, *mut c_void) -> c_int;

#[unsafe(no_mangle)]
extern "C" fn dl_iterate_phdr(visit: Visit, data: *mut c_void) -> c_int {
    note(|calls| calls.loader_walks += 1);
    next::<extern "C" fn(Visit, *mut c_void) -> c_int>(c"dl_iterate_phdr")(visit, data)
}

/// Allocates once at the bottom of a recursion: a stack of its own for every depth.
#[inline(never)]
fn at_depth(depth: u32, size: usize) -> *mut u8 {
    if depth == 0 {
        let layout = Layout::from_size_align(size, 8).expect("a valid layout");
        // SAFETY: the size is not 0; the block is given back by the caller.
        black_box(unsafe { std::alloc::alloc(layout) })
    } else {
        black_box(at_depth(black_box(depth - 1), size))
    }
}

fn free(ptr: *mut u8, size: usize) {
    // SAFETY: from `at_depth` with this size.
    unsafe { std::alloc::dealloc(ptr, Layout::from_size_align_unchecked(size, 8)) };
}

#[test]
fn a_sample_allocates_nothing_and_takes_no_lock() {
    // The thread's own set-up: its stack's bounds are asked for once.
    free(at_depth(1, 8), 8);
    let samples_before = Snapshot::take().expect("registered").stats().samples;
    let mut blocks = [std::ptr::null_mut(); 100];
    let calls = watch(|| {
        for (depth, block) in (0..).zip(&mut blocks) {
            *block = at_depth(depth * 2, 24);
        }
    });
    for block in blocks {
        free(block, 24);
    }
    let asked_for = Calls {
        inner_allocs: 100,
        c_mallocs: 100,
        locks: 0,
        loader_walks: 0,
    };
    assert_eq!(
        calls, asked_for,
        "one allocation for each that was asked for, and nothing else"
    );

    let stats = Snapshot::take().expect("registered").stats().clone();
    assert!(stats.samples >= samples_before + 100, "they were samples");
    assert_eq!(
        (stats.missing_stacks, stats.cut_stacks, stats.lost_samples),
        (0, 0, 0),
        "{stats:?}"
    );
}

/// The watch itself works: it sees an allocation, a lock and a walk of the loader's list.
#[test]
fn the_watch_sees_what_it_should() {
    extern "C" fn visit(_: *mut c_void, _: usize, _: *mut c_void) -> c_int {
        1
    }
    let calls = watch(|| {
        black_box(Box::new(1_u8));
        dl_iterate_phdr(visit, std::ptr::null_mut());
        let mut mutex = [0_u64; 16];
        pthread_mutex_lock(mutex.as_mut_ptr().cast());
    });
    assert_eq!(calls.inner_allocs, 1);
    assert_eq!((calls.locks, calls.loader_walks), (1, 1));
}

/// Another thread holds the loader's lock for as long as this one takes samples:
/// whatever waited for it would wait for ever.
#[test]
fn a_sample_does_not_wait_for_the_loader() {
    static HELD: AtomicBool = AtomicBool::new(false);
    static RELEASE: AtomicBool = AtomicBool::new(false);
    extern "C" fn hold(_: *mut c_void, _: usize, _: *mut c_void) -> c_int {
        HELD.store(true, Ordering::Release);
        let given_up = Instant::now() + Duration::from_secs(60);
        while !RELEASE.load(Ordering::Acquire) {
            if Instant::now() > given_up {
                eprintln!("a sample waits for the loader's lock");
                std::process::abort();
            }
            std::hint::spin_loop();
        }
        1
    }

    free(at_depth(1, 8), 8);
    let holder = std::thread::spawn(|| dl_iterate_phdr(hold, std::ptr::null_mut()));
    while !HELD.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let blocks: [_; 64] = std::array::from_fn(|depth| at_depth(depth as u32, 4000));
    for block in blocks {
        free(block, 4000);
    }
    RELEASE.store(true, Ordering::Release);
    holder.join().expect("the holder returns");
}
