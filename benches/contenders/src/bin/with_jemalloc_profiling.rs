//! jemalloc with its own profiler sampling every 512 KiB: `_RJEM_MALLOC_CONF` says
//! so.

#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    workloads::main()
}
