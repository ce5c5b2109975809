//! jemalloc under heapprof, at the interval that the environment says.

#[global_allocator]
static ALLOC: heapprof::Alloc<tikv_jemallocator::Jemalloc> =
    heapprof::Alloc::new(tikv_jemallocator::Jemalloc);

fn main() -> std::process::ExitCode {
    workloads::main()
}
