//! Notes of ELF files, as modules carry their build ids in.
//!
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run elf_notes -- -max_total_time=600

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heapprof::fuzzing::elf_notes(data));
