//! Profiles to be symbolized, uncompressed.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run profile -- -max_total_time=600

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heapprof::fuzzing::profile_without_names(data));
