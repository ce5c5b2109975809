//! Estimates held against the truth, thousands of times: is a profiler unbiased,
//! and are its intervals as wide as they have to be?
//!
//! A *mix* is a program in small: what it allocates, in which sizes, and what it
//! keeps. A *run* performs a mix once, on a thread of its own, knows to the byte
//! what was allocated and is in use, and asks the profiler. Sizes come from fixed
//! seeds; what the profiler samples is random, or fixed too with
//! `--cfg heapprof_seed`.

pub mod block;
pub mod heapprof_profiler;
pub mod mix;
pub mod numbers;
pub mod plot;
pub mod processes;
pub mod profiler;
pub mod report;
pub mod run;
pub mod study;
pub mod truth;

/// Runs are alike: what one frees serves the next, without page faults.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets options of the C library's allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}
