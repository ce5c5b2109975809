//! `HEAPPROF_DUMP`, and names of files in a folder of dumps.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run environment -- -max_total_time=600

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heapprof::fuzzing::environment(data));
