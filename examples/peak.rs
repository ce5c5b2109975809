//! What held memory when there was most of it: an import that needs ten times what
//! it leaves behind, long gone when somebody asks.
//!
//!     cargo run --example peak
//!     go tool pprof -top peak.pb.gz       # the import's tables are there
//!     go tool pprof -top heap.pb.gz       # and here they are not

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system().with_sample_interval(16 << 10);

fn main() -> Result<(), Box<dyn Error>> {
    let lines = read_lines(200_000);
    let counts = import(&lines);
    drop(lines);

    heapprof::dump_peak_to("peak.pb.gz")?;
    heapprof::dump_heap_to("heap.pb.gz")?;
    let snapshot = heapprof::Snapshot::take()?;
    let stats = snapshot.stats();
    let mib = |counts: heapprof::Counts| {
        let error = 1.96 * counts.standard_error_bytes();
        format!("{} ± {} MiB", counts.bytes >> 20, error as i64 >> 20)
    };
    println!("in use at the peak: {}", mib(stats.in_use_at_peak));
    println!("in use now:         {}", mib(stats.in_use));
    black_box(counts);
    Ok(())
}

fn read_lines(count: usize) -> Vec<String> {
    let line = |number| format!("{number};user-{};an entry of some length", number % 1_000);
    (0..count).map(line).collect()
}

/// Entries by user. The intermediate table is as large as the input.
fn import(lines: &[String]) -> HashMap<String, usize> {
    let fields: Vec<Vec<String>> = lines.iter().map(|line| split(line)).collect();
    let mut counts = HashMap::new();
    for entry in fields {
        *counts.entry(entry[1].clone()).or_default() += 1;
    }
    counts
}

fn split(line: &str) -> Vec<String> {
    line.split(';').map(str::to_owned).collect()
}
