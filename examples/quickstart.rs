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

    // The same figures without a file. An owner's biggest site is where its blocks
    // come from; the vector that lists the blocks is a smaller one.
    let mut truth = vec![
        ("load_photos", held_by(&photos)),
        ("open_sessions", held_by(&sessions)),
        ("record_history", held_by(&history)),
    ];
    println!("The five biggest sites, in MiB:\n");
    println!("  estimated       true  site");
    for site in heapprof::Snapshot::take()?.top_sites(5, heapprof::View::InUse) {
        let known = truth
            .iter()
            .position(|(owner, _)| site.function.ends_with(owner));
        let known = known.map(|at| mib(truth.remove(at).1));
        println!(
            "{:11.1}{:>11}  {}, line {}",
            mib(site.in_use.bytes as usize),
            known.map_or("".into(), |mib| format!("{mib:.1}")),
            site.function,
            site.line.map_or("unknown".into(), |line| line.to_string()),
        );
    }

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
    history.split_off(60_000)
}

fn held_by(blocks: &[Vec<u8>]) -> usize {
    blocks.iter().map(Vec::capacity).sum()
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
