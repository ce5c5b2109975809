//! Texts of `/proc` and `/sys`, as they might come.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run kernel_texts -- -max_total_time=600

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heapprof::fuzzing::kernel_texts(data));
