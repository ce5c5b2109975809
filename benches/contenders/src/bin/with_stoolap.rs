//! stoolap-jemalloc alone.

use stoolap_jemalloc::Jemalloc;

#[global_allocator]
static ALLOC: Jemalloc = Jemalloc::new();

fn main() -> std::process::ExitCode {
    workloads::main()
}
