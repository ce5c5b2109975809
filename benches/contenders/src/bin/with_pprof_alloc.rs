//! pprof-alloc over the system's allocator, at its default rate, every 512 KiB.

use pprof_alloc::PprofAlloc;

#[global_allocator]
static ALLOC: PprofAlloc = PprofAlloc::new().with_pprof();

fn main() -> std::process::ExitCode {
    workloads::main()
}
