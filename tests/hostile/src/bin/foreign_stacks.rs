//! A program that allocates on stacks that no thread was started on. See
//! `tests/foreign_stacks.rs`.
//!
//! `foreign_stacks coroutines|signals|first-signals FOLDER`

use std::env;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::path::Path;
use std::ptr;
use std::sync::Mutex;
use std::thread;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use heapprof::Alloc;
use heapprof_end_to_end::Block;
use heapprof_hostile::posix::Thread;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

/// What is handed to other stacks. In the image: a vector would allocate.
static HELD: Mutex<[Option<Block>; 512]> = Mutex::new([const { None }; 512]);

fn main() {
    let mut arguments = env::args().skip(1);
    let condition = arguments.next();
    let folder = arguments.next().expect("a folder is given");
    match condition.as_deref() {
        Some("coroutines") => coroutines(),
        Some("signals") => signals(),
        Some("first-signals") => first_signals(),
        other => panic!("{other:?}?"),
    }
    let folder = Path::new(&folder);
    heapprof::dump_heap_to(folder.join("held")).expect("the heap is dumped");
    HELD.lock().expect("nobody panics").fill_with(|| None);
    heapprof::dump_heap_to(folder.join("freed")).expect("the heap is dumped");
}

fn hold(block: Block) {
    let mut held = HELD.lock().expect("nobody panics");
    let place = held.iter_mut().find(|place| place.is_none());
    *place.expect("there are enough") = Some(block);
}

/// The thread's own stack, before, between and after.
#[inline(never)]
fn own_stack_holds() -> Block {
    Block::new(black_box(9_000))
}

// Coroutines.

const COROUTINES: usize = 20;

fn coroutines() {
    hold(own_stack_holds());
    take_turns();
    thread::spawn(take_turns).join().expect("it ends well");
    // The first allocation of a thread, on a stack that is not its own.
    for _ in 0..4 {
        Thread::start(first_in_a_coroutine, 256 << 10).join();
    }
    hold(own_stack_holds());
}

/// Many at once, each going on in turn.
fn take_turns() {
    let new = || Coroutine::with_stack(DefaultStack::new(64 << 10).expect("memory"), in_coroutine);
    let mut coroutines: Vec<_> = (0..COROUTINES).map(|_| new()).collect();
    while !coroutines.is_empty() {
        coroutines.retain_mut(|coroutine| {
            drop(own_stack_comes_and_goes());
            match coroutine.resume(()) {
                CoroutineResult::Yield(block) => hold(block),
                CoroutineResult::Return(()) => return false,
            }
            true
        });
    }
}

#[inline(never)]
fn own_stack_comes_and_goes() -> Block {
    Block::zeroed(black_box(100))
}

fn in_coroutine(yielder: &Yielder<(), Block>, (): ()) {
    for _ in 0..3 {
        let kept = coroutine_calls(20);
        yielder.suspend(coroutine_holds());
        // Freed in a later turn.
        drop(kept);
    }
}

/// Deeper, over more than a page.
#[inline(never)]
fn coroutine_calls(depth: usize) -> Block {
    if depth == 0 {
        return coroutine_comes_and_goes();
    }
    let frame = black_box([0_u8; 500]);
    let mut block = coroutine_calls(depth - 1);
    coroutine_resizes(&mut block);
    black_box(frame);
    block
}

#[inline(never)]
fn coroutine_resizes(block: &mut Block) {
    block.resize(black_box(800));
}

#[inline(never)]
fn coroutine_comes_and_goes() -> Block {
    Block::new(black_box(700))
}

#[inline(never)]
fn coroutine_holds() -> Block {
    Block::new(black_box(2_000))
}

extern "C" fn first_in_a_coroutine(_: *mut c_void) -> *mut c_void {
    let stack = DefaultStack::new(64 << 10).expect("memory");
    let mut coroutine = Coroutine::with_stack(stack, in_coroutine);
    while let CoroutineResult::Yield(block) = coroutine.resume(()) {
        hold(block);
    }
    ptr::null_mut()
}

// Handlers of signals on a stack of their own.

fn signals() {
    install_handler();
    raise_on_a_mapped_stack(10);
    thread::spawn(|| raise_on_a_mapped_stack(10))
        .join()
        .expect("it ends well");
    raise_on_a_part_of_the_own_stack(10);
    hold(own_stack_holds());
}

/// The first allocation of a thread.
fn first_signals() {
    install_handler();
    for _ in 0..4 {
        Thread::start(first_in_a_handler, 256 << 10).join();
    }
}

fn install_handler() {
    let handler = handle as extern "C" fn(c_int);
    let action = libc::sigaction {
        sa_sigaction: handler as *const () as usize,
        // SAFETY: a set of signals is plain old data.
        sa_mask: unsafe { std::mem::zeroed() },
        sa_flags: libc::SA_ONSTACK,
        sa_restorer: None,
    };
    // SAFETY: the handler is one, and the signal is raised where it may allocate.
    let failed = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0);
}

extern "C" fn handle(_: c_int) {
    hold(handler_holds());
    drop(handler_comes_and_goes());
}

#[inline(never)]
fn handler_holds() -> Block {
    Block::new(black_box(3_000))
}

#[inline(never)]
fn handler_comes_and_goes() -> Block {
    let mut block = Block::zeroed(black_box(40_000));
    block.resize(black_box(400));
    block
}

const ALTERNATE_BYTES: usize = 64 << 10;

fn raise_on_a_mapped_stack(times: usize) {
    // SAFETY: a new mapping, never given back.
    let stack = unsafe {
        libc::mmap(
            ptr::null_mut(),
            ALTERNATE_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(stack, libc::MAP_FAILED);
    raise_on(stack, times);
}

/// Within the bounds of the thread's stack, and yet not what they suggest: the
/// interrupted frames lie below the handler's.
#[inline(never)]
fn raise_on_a_part_of_the_own_stack(times: usize) {
    let mut stack = [0_u8; ALTERNATE_BYTES];
    raise_on(stack.as_mut_ptr().cast(), times);
    black_box(&stack);
}

#[inline(never)]
fn raise_on(stack: *mut c_void, times: usize) {
    let alternate = libc::stack_t {
        ss_sp: stack,
        ss_flags: 0,
        ss_size: ALTERNATE_BYTES,
    };
    let mut before = alternate;
    // SAFETY: the memory is nobody else's until the former stack is back.
    unsafe {
        assert_eq!(libc::sigaltstack(&raw const alternate, &raw mut before), 0);
        for _ in 0..times {
            assert_eq!(libc::raise(libc::SIGUSR1), 0);
        }
        assert_eq!(libc::sigaltstack(&raw const before, ptr::null_mut()), 0);
    }
}

extern "C" fn first_in_a_handler(_: *mut c_void) -> *mut c_void {
    raise_on_a_mapped_stack(1);
    ptr::null_mut()
}
