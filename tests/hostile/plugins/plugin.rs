//! A library that a test opens and closes: built by the test itself, once with
//! `--cfg first` and once with `--cfg second`. Both are laid out alike, so that
//! one can be loaded where the other was.
//!
//! It allocates from its host, by the functions that the host gives it.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::OnceLock;

pub struct Host {
    alloc: extern "C" fn(usize, usize) -> *mut u8,
    dealloc: extern "C" fn(*mut u8, usize, usize),
}

static HOST: OnceLock<Host> = OnceLock::new();

struct FromHost;

// SAFETY: forwards to the host's allocator, or has no memory.
unsafe impl GlobalAlloc for FromHost {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HOST.get().map_or(std::ptr::null_mut(), |host| {
            (host.alloc)(layout.size(), layout.align())
        })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if let Some(host) = HOST.get() {
            (host.dealloc)(ptr, layout.size(), layout.align());
        }
    }
}

#[global_allocator]
static ALLOC: FromHost = FromHost;

#[unsafe(no_mangle)]
pub extern "C" fn plugin_start(
    alloc: extern "C" fn(usize, usize) -> *mut u8,
    dealloc: extern "C" fn(*mut u8, usize, usize),
) {
    let _ = HOST.set(Host { alloc, dealloc });
}

/// A block that is never freed here: the host does that.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_allocate(bytes: usize) -> *mut u8 {
    #[cfg(first)]
    return first_plugin_holds(bytes);
    #[cfg(second)]
    return second_plugin_holds(bytes);
}

#[cfg(first)]
#[inline(never)]
fn first_plugin_holds(bytes: usize) -> *mut u8 {
    black_box(Vec::with_capacity(black_box(bytes)).leak()).as_mut_ptr()
}

/// Frames of another size than the first plugin's, so that the rules of the one
/// lead astray in the other.
#[cfg(second)]
#[inline(never)]
fn second_plugin_holds(bytes: usize) -> *mut u8 {
    let room = black_box([0_u64; 40]);
    let block = black_box(Vec::with_capacity(black_box(bytes)).leak()).as_mut_ptr();
    black_box(room);
    block
}
