//! dhat: every allocation is recorded, with a lock around it.

#[global_allocator]
static ALLOC: dhat::Alloc = dhat::Alloc;

fn main() -> std::process::ExitCode {
    let file = std::env::temp_dir().join(format!("dhat-{}.json", std::process::id()));
    let profiler = dhat::Profiler::builder().file_name(&file).build();
    let code = workloads::main();
    drop(profiler);
    // Of no use to anyone; that it is not there would be fine as well.
    let _ = std::fs::remove_file(file);
    code
}
