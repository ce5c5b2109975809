//! Garbage stacks, walked by garbage call frame information, in a build with
//! overflow checks.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run unwind -- -max_total_time=600

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heapprof::fuzzing::unwind(data));
