//! A program that profiles itself: three owners of memory, and what heapprof
//! says about them.
//!
//!     cargo run --release --example quickstart
//!     go tool pprof -top heap.pb.gz

// The one line that a program needs. It goes into the binary, never a library.
#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

fn main() -> Result<(), heapprof::Error> {
    let photos = load_photos();
    let sessions = open_sessions();
    let history = record_history();

    // All that it takes to get a profile.
    heapprof::dump_heap_to("heap.pb.gz")?;

    // The same figures without a file, beside what the owners really hold.
    let owners = [
        ("load_photos", held_by(&photos)),
        ("open_sessions", held_by(&sessions)),
        ("record_history", held_by(&history)),
    ];
    println!("The five biggest sites, in MiB:\n");
    println!("  estimated       true  site");
    for site in heapprof::Snapshot::take()?.top_sites(5, heapprof::View::InUse) {
        let owner = owners
            .iter()
            .find(|(name, _)| site.function.ends_with(name));
        let truth = owner.map_or(String::new(), |(_, bytes)| format!("{:.1}", mib(*bytes)));
        println!(
            "{:11.1}{truth:>11}  {}",
            mib(site.in_use.bytes as usize),
            site.function
        );
    }
    println!("\nOne standard error of many small blocks is sqrt(interval x bytes):");
    println!("7 MiB for 100 MiB, 2 % of ten times as much. Large blocks are nearly exact.");

    println!("\nWritten: heap.pb.gz. Look into it with");
    println!("  go tool pprof -top heap.pb.gz");
    println!("  go tool pprof -http=: heap.pb.gz");
    Ok(())
}

/// Few large blocks. One of four times the sample interval is hardly ever missed.
#[inline(never)]
fn load_photos() -> Vec<Vec<u8>> {
    let mut photos = Vec::new();
    for _ in 0..64 {
        photos.push(vec![0x80; 2 << 20]);
    }
    photos
}

/// Many small blocks. One in five hundred is sampled, and stands for the others.
#[inline(never)]
fn open_sessions() -> Vec<Vec<u8>> {
    let mut sessions = Vec::new();
    for _ in 0..100_000 {
        sessions.push(vec![0; 1 << 10]);
    }
    sessions
}

/// Blocks of many sizes, most of them gone again. What is still there counts.
#[inline(never)]
fn record_history() -> Vec<Vec<u8>> {
    let mut history = Vec::new();
    for event in 0..100_000 {
        history.push(vec![1; event % 4096]);
    }
    history.drain(..60_000);
    history
}

/// The blocks' bytes, and those of the vector that lists them.
fn held_by(blocks: &Vec<Vec<u8>>) -> usize {
    let listed: usize = blocks.iter().map(Vec::capacity).sum();
    listed + blocks.capacity() * size_of::<Vec<u8>>()
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
