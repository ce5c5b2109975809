//! A program that profiles itself: three owners of memory, and what heapprof
//! says about them.
//!
//!     cargo run --release --example quickstart
//!     go tool pprof -top heap.pb.gz

use std::collections::VecDeque;

// The one line that a program needs. It goes into the binary, never a library.
#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const MIB: f64 = 1024.0 * 1024.0;

fn main() -> Result<(), heapprof::Error> {
    // Three owners, and the bytes that each of them really holds.
    let photos = load_photos();
    let sessions = open_sessions();
    let history = record_history();
    let owners = [
        (
            "load_photos",
            photos.iter().map(Vec::capacity).sum::<usize>(),
        ),
        (
            "open_sessions",
            sessions.iter().map(|session| size_of_val(&**session)).sum(),
        ),
        ("record_history", history.iter().map(String::capacity).sum()),
    ];

    // All that it takes to get a profile.
    heapprof::dump_heap_to("heap.pb.gz")?;

    // The same figures without a file: what is in use, by the line that asked.
    println!("The five biggest sites, in MiB:\n");
    println!("  estimated       true  site");
    let snapshot = heapprof::Snapshot::take()?;
    for site in snapshot.top_sites(5, heapprof::View::InUse) {
        let owner = owners
            .iter()
            .find(|(name, _)| site.function.ends_with(name));
        let truth = owner.map_or(String::from("-"), |(_, bytes)| {
            format!("{:.1}", *bytes as f64 / MIB)
        });
        println!(
            "  {:9.1}  {truth:>9}  {}",
            site.in_use.bytes as f64 / MIB,
            site.function
        );
    }

    println!("\nWritten: heap.pb.gz. Look into it with");
    println!("  go tool pprof -top heap.pb.gz");
    println!("  go tool pprof -http=: heap.pb.gz");
    Ok(())
}

/// Few large blocks: one of several times the sample interval is hardly ever
/// missed.
#[inline(never)]
fn load_photos() -> Vec<Vec<u8>> {
    (0..64).map(|photo| vec![photo; 2 << 20]).collect()
}

/// Many small blocks: about one in five hundred is sampled, and stands for the
/// rest.
#[inline(never)]
fn open_sessions() -> Vec<Box<[u8; 1024]>> {
    (0..100_000).map(|_| Box::new([1; 1024])).collect()
}

/// Blocks of many sizes that come and go; only what is still there counts.
#[inline(never)]
fn record_history() -> VecDeque<String> {
    let mut history = VecDeque::new();
    for event in 0..100_000 {
        history.push_back("x".repeat(event % 4096));
        if history.len() > 30_000 {
            history.pop_front();
        }
    }
    history
}
