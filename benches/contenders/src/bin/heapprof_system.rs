//! The system's allocator under heapprof, at the interval that the environment says.

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> std::process::ExitCode {
    workloads::main()
}
