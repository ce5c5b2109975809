//! heapprof over jemalloc: any `GlobalAlloc` goes in, and stays the allocator.
//!
//!     cargo run --release -p allocators --bin with_jemalloc
//!     go tool pprof -top with_jemalloc.pb.gz

#[global_allocator]
static ALLOC: heapprof::Alloc<tikv_jemallocator::Jemalloc> =
    heapprof::Alloc::new(tikv_jemallocator::Jemalloc);

fn main() -> Result<(), heapprof::Error> {
    let letters: Vec<String> = (0..200_000).map(|n| format!("{n:0>300}")).collect();

    heapprof::dump_heap_to("with_jemalloc.pb.gz")?;
    println!(
        "{} strings of 300 bytes are in use; who made them?",
        letters.len()
    );
    println!("  go tool pprof -top with_jemalloc.pb.gz");
    Ok(())
}
