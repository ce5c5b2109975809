//! mimalloc under heapprof, at the interval that the environment says.

#[global_allocator]
static ALLOC: heapprof::Alloc<mimalloc::MiMalloc> = heapprof::Alloc::new(mimalloc::MiMalloc);

fn main() -> std::process::ExitCode {
    workloads::main()
}
