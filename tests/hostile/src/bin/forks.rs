//! A program that forks under load. See `tests/forks.rs`.
//!
//! `forks allocations|snapshots|dumps|exec|commands FORKS FOLDER`
//! `forks grandchild|thread 1 FOLDER`
//! `forks victim FILE`

use std::env;
use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use heapprof::{Alloc, Snapshot, Stats};
use heapprof_end_to_end::Block;
use heapprof_hostile::ended::Child;
use heapprof_hostile::posix::Thread;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

static STOP: AtomicBool = AtomicBool::new(false);
static LOAD_BLOCKS: AtomicUsize = AtomicUsize::new(0);
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn main() {
    let mut arguments = env::args().skip(1);
    let condition = arguments.next().expect("a condition is given");
    if condition == "victim" {
        let file = arguments.next().expect("a file is given");
        return victim(Path::new(&file));
    }
    let forks = arguments.next().and_then(|n| n.parse().ok());
    let forks: usize = forks.expect("a number of forks is given");
    let folder = PathBuf::from(arguments.next().expect("a folder is given"));
    FOLDER.set(folder.clone()).expect("only here");
    let path_of = |n: usize| folder.join(n.to_string());

    let load = match condition.as_str() {
        "snapshots" => vec![start(take_snapshots), start(take_snapshots)],
        "dumps" => vec![start(dump), start(dump)],
        _ => vec![start(allocate), start(allocate), start(take_snapshots)],
    };
    for n in 0..forks {
        let ended = match condition.as_str() {
            "allocations" | "snapshots" | "dumps" => {
                // Looking up names takes longer than all the rest.
                let dump_to = n.is_multiple_of(10).then(|| path_of(n));
                fork(|| live_on(dump_to.as_deref()))
            }
            "grandchild" => fork(|| with_load_and_a_child(&path_of(n))),
            "thread" => {
                Thread::start(fork_without_having_allocated, 1 << 20).join();
                continue;
            }
            "exec" => fork(|| execute_victim(&path_of(n))),
            "commands" => {
                run_victim(&path_of(n), n % 2 == 0);
                continue;
            }
            other => panic!("{other}?"),
        };
        assert_eq!(ended, Child::Exited(0), "fork {n}");
    }
    STOP.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().expect("it ends well");
    }
    heapprof::dump_heap_to(folder.join("parent")).expect("the heap is dumped");
    println!("load-blocks {}", LOAD_BLOCKS.load(Ordering::Relaxed));
}

// The load.

fn start(work: fn()) -> JoinHandle<()> {
    thread::spawn(move || {
        while !STOP.load(Ordering::Relaxed) {
            work();
        }
    })
}

fn allocate() {
    for size in [10, 100, 5_000, 100_000] {
        LOAD_BLOCKS.fetch_add(1, Ordering::Relaxed);
        load_comes_and_goes(size);
    }
}

#[inline(never)]
fn load_comes_and_goes(size: usize) {
    drop(Block::new(black_box(size)));
}

fn take_snapshots() {
    drop(Snapshot::take().expect("the allocator is registered"));
}

fn dump() {
    drop(heapprof::dump_heap().expect("the heap is dumped"));
}

// What a child does. It may find any lock of the standard library taken for
// ever: it prints nothing and does not panic, whatever happens.

/// Forks, and waits for the child.
fn fork(child: impl FnOnce() -> Result<(), i32>) -> Child {
    // SAFETY: the child leaves by `_exit`, and until then asks the standard
    // library for nothing but memory, threads and files.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: should it hang and its parent be gone, it ends by itself.
            unsafe { libc::alarm(60) };
            let code = child().err().unwrap_or(0);
            // SAFETY: ends this process.
            unsafe { libc::_exit(code) }
        }
        pid => Child::wait(pid),
    }
}

/// Profiles, starts threads, dumps if it is told where to.
fn live_on(dump_to: Option<&Path>) -> Result<(), i32> {
    let before = stats()?;
    let held = child_holds();
    child_comes_and_goes();
    let after = stats()?;
    // This thread is the only one here, so even these figures are exact.
    let is_exact = after.samples == before.samples + 3 + 200
        && after.live_samples == before.live_samples + 3
        && after.missing_stacks == before.missing_stacks
        && after.lost_samples == before.lost_samples;
    if !is_exact {
        return Err(2);
    }
    for _ in 0..2 {
        // One at a time: who starts while another is being given what it
        // unwinds with may find nothing, and go without a stack.
        let thread = thread::Builder::new().spawn(child_thread_holds);
        drop(thread.map_err(|_| 3)?.join().map_err(|_| 4)?);
    }
    if let Some(path) = dump_to {
        heapprof::dump_heap_to(path).map_err(|_| 5)?;
    }
    drop(held);
    Ok(())
}

fn stats() -> Result<Stats, i32> {
    Ok(Snapshot::take().map_err(|_| 6)?.stats().clone())
}

#[inline(never)]
fn child_holds() -> [Block; 3] {
    [
        Block::new(black_box(777)),
        Block::zeroed(black_box(777)),
        Block::new(black_box(77_700)),
    ]
}

#[inline(never)]
fn child_comes_and_goes() {
    for _ in 0..100 {
        let mut block = Block::new(black_box(50));
        block.resize(black_box(60_000));
    }
}

#[inline(never)]
fn child_thread_holds() -> Block {
    Block::new(black_box(4_321))
}

/// A child with threads of its own, which forks under their load.
fn with_load_and_a_child(path: &Path) -> Result<(), i32> {
    let load = [allocate, take_snapshots, dump].map(start);
    for n in 0..5 {
        let ended = fork(|| live_on(Some(&path.with_extension(n.to_string()))));
        if ended != Child::Exited(0) {
            return Err(12);
        }
    }
    STOP.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().map_err(|_| 7)?;
    }
    live_on(Some(path))
}

/// The profiler sees this thread for the first time in its child.
extern "C" fn fork_without_having_allocated(_: *mut c_void) -> *mut c_void {
    let ended = fork(|| live_on(Some(&FOLDER.get().ok_or(8)?.join("0"))));
    assert_eq!(ended, Child::Exited(0));
    ptr::null_mut()
}

// Children that become another program.

fn execute_victim(path: &Path) -> Result<(), i32> {
    let argument = |text: &str| CString::new(text).map_err(|_| 9);
    let path = path.to_str().ok_or(10)?;
    let arguments = [argument("forks")?, argument("victim")?, argument(path)?];
    let pointers = [
        arguments[0].as_ptr(),
        arguments[1].as_ptr(),
        arguments[2].as_ptr(),
        ptr::null(),
    ];
    // SAFETY: strings that end, in an array that ends.
    unsafe { libc::execv(c"/proc/self/exe".as_ptr(), pointers.as_ptr()) };
    Err(11)
}

/// As the standard library does it: without a copy of this process, or with one.
fn run_victim(path: &Path, by_fork: bool) {
    let mut command = Command::new("/proc/self/exe");
    command.arg("victim").arg(path);
    if by_fork {
        // Allocates between the fork and the new program, which is allowed here
        // because the C library's locks are not among those that are never freed.
        let allocates = || {
            child_comes_and_goes();
            Ok(())
        };
        // SAFETY: as said; and it touches nothing else.
        unsafe { command.pre_exec(allocates) };
    }
    let status = command.status().expect("it can be run");
    assert!(status.success(), "{status}");
}

fn victim(file: &Path) {
    live_on(Some(file)).expect("a program like any other");
}
