//! Code that nothing describes: generated at run time, written by hand, or
//! interrupted by a signal. Stacks are cut there, and never guessed further.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::arch::global_asm;
use std::ffi::c_int;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{mem, ptr, slice};

use heapprof::Alloc;
use heapprof_end_to_end::{Block, Profile, Values};
use heapprof_hostile::timer::Timer;

#[global_allocator]
static ALLOC: Alloc = Alloc::system().with_sample_interval(1);

/// Blocks that are kept for good.
static KEPT: [Mutex<Option<Block>>; 3] = [const { Mutex::new(None) }; 3];

fn keep(place: usize, block: Block) {
    *KEPT[place].lock().expect("nobody panicked") = Some(black_box(block));
}

fn profile() -> Profile {
    Profile::decode(&heapprof::dump_heap().expect("the heap is dumped"))
}

/// Checks the one stack that has `innermost` in it: it ends at `last`.
fn check_cut(innermost: &str, last: &str, size: usize) {
    let profile = profile();
    assert_eq!(profile.sum(innermost), Values::held(1, size));
    let stacks = profile.stacks(innermost);
    let [stack] = &stacks[..] else {
        panic!("{} stacks", stacks.len())
    };
    let names: Vec<_> = stack.iter().map(|frame| frame.name.as_str()).collect();
    let at = |name: &str| names.iter().position(|n| n.contains(name));
    let (from, to) = (at(innermost).expect("it is there"), at(last));
    assert!(to.is_some_and(|to| to >= from), "{last}: {names:?}");
    assert!(
        names[to.unwrap_or(0) + 1..]
            .iter()
            .all(|name| name.starts_with('[')),
        "behind {last} comes no function: {names:?}"
    );
    assert!(
        profile
            .comments()
            .iter()
            .any(|comment| comment.contains("cut")),
        "{:?}",
        profile.comments()
    );
}

mod by_hand {
    use super::*;

    // A function as assemblers leave it without directives: it keeps a frame
    // pointer, saves another register beside it and calls what it is given.
    global_asm!(
        ".pushsection .text.call_without_tables, \"ax\", @progbits",
        ".globl call_without_tables",
        ".type call_without_tables, @function",
        "call_without_tables:",
        "push rbx",
        "sub rsp, 48",
        "call rdi",
        "add rsp, 48",
        "pop rbx",
        "ret",
        ".size call_without_tables, . - call_without_tables",
        ".popsection",
    );

    unsafe extern "C" {
        fn call_without_tables(callee: extern "C" fn());
    }

    extern "C" fn called_by_hand() {
        keep(0, Block::new(black_box(1_111)));
    }

    #[test]
    fn a_function_without_an_entry_is_the_last_one() {
        // SAFETY: it calls what it is given.
        unsafe { call_without_tables(called_by_hand) };
        check_cut("by_hand::called_by_hand", "call_without_tables", 1_111);
    }
}

mod generated {
    use super::*;

    extern "C" fn called_by_generated_code() {
        keep(1, Block::new(black_box(2_222)));
    }

    #[test]
    fn generated_code_is_where_a_stack_ends() {
        // push rbp; mov rbp, rsp; call rdi; pop rbp; ret
        const CODE: [u8; 8] = [0x55, 0x48, 0x89, 0xE5, 0xFF, 0xD7, 0x5D, 0xC3];
        // SAFETY: a new mapping, written and then made executable.
        let function = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let writable = libc::PROT_READ | libc::PROT_WRITE;
            let page = libc::mmap(ptr::null_mut(), 4096, writable, flags, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            slice::from_raw_parts_mut(page.cast::<u8>(), CODE.len()).copy_from_slice(&CODE);
            let executable = libc::PROT_READ | libc::PROT_EXEC;
            assert_eq!(libc::mprotect(page, 4096, executable), 0);
            mem::transmute::<*mut libc::c_void, extern "C" fn(extern "C" fn())>(page)
        };
        function(called_by_generated_code);
        check_cut(
            "generated::called_by_generated_code",
            "generated::called_by_generated_code",
            2_222,
        );
    }
}

mod signal {
    use super::*;

    static HANDLED: AtomicBool = AtomicBool::new(false);

    /// Allocates, which a handler may do here: what it interrupts does not.
    extern "C" fn handle_signal(_signal: c_int) {
        if !HANDLED.swap(true, Ordering::Relaxed) {
            keep(2, Block::new(black_box(3_333)));
        }
    }

    /// Interrupted mostly inside the vdso.
    #[test]
    fn a_signal_in_the_vdso_is_where_a_stack_ends() {
        let timer = Timer::start(libc::SIGALRM, handle_signal, Duration::from_millis(2));
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        while !HANDLED.load(Ordering::Relaxed) {
            // SAFETY: fills in our own variable.
            unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        }
        drop(timer);
        check_cut("signal::handle_signal", "signal::handle_signal", 3_333);
    }
}
