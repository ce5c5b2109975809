//! stoolap-jemalloc with its profiler sampling at its default rate, every 512 KiB.

use stoolap_jemalloc::{Jemalloc, prof};

#[global_allocator]
static ALLOC: Jemalloc = Jemalloc::new().with_profiling();

fn main() -> std::process::ExitCode {
    assert!(prof::is_active());
    workloads::main()
}
