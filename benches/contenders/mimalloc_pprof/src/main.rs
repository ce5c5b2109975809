//! mimalloc-pprof: the allocator alone, or with its profiler sampling at its
//! default rate, every 512 KiB.

use mimalloc_pprof::MiMalloc;

#[global_allocator]
static ALLOC: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "pprof")]
    assert!(mimalloc_pprof::prof::start(512 << 10), "it can be started");
    workloads::main()
}
