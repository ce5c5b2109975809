//! dial9's memory profiler over the system's allocator, with its live set, at its
//! default rate, every 512 KiB. What it records stays in memory.

use dial9::memory::{Dial9Allocator, MemoryProfiler, MemoryProfilingConfig};

#[global_allocator]
static ALLOC: Dial9Allocator = Dial9Allocator::system();

fn main() -> std::process::ExitCode {
    let buffer = dial9::MemoryBuffer::new(16 << 20).expect("a buffer can be made");
    let recorder = dial9::recorder(buffer).build();
    let config = MemoryProfilingConfig::builder()
        .sample_rate_bytes(512 << 10)
        .track_liveset(true)
        .build();
    let _guard = MemoryProfiler::from_config(config)
        .install(recorder.handle().clone())
        .expect("it can be installed in a build with frame pointers");
    assert!(dial9::memory::is_installed());
    workloads::main()
}
