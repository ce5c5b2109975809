//! A slow leak among honest churn: two snapshots, and their difference names it.
//!
//!     cargo run --release --example leak_hunt
//!     go tool pprof -top leak.pb.gz

use std::collections::VecDeque;
use std::fs::File;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

const MIB: f64 = 1024.0 * 1024.0;

/// A service with a bounded cache, and a mistake.
#[derive(Default)]
struct Service {
    cache: VecDeque<Vec<u8>>,
    audit_log: Vec<String>,
}

impl Service {
    /// Allocates some 40 KiB, of which 400 bytes are never given back.
    fn handle(&mut self, request: usize) {
        let body = render(request);
        self.remember(&body);
        self.audit(request);
    }

    /// Large, but bounded: the oldest page makes way for the newest.
    #[inline(never)]
    fn remember(&mut self, body: &str) {
        if self.cache.len() == 2_000 {
            self.cache.pop_front();
        }
        self.cache.push_back(body.as_bytes().to_vec());
    }

    /// The leak. Nobody ever clears the log.
    #[inline(never)]
    fn audit(&mut self, request: usize) {
        self.audit_log.push(format!("{request:0>400}"));
    }
}

/// Busy, but holds nothing: a page and its parts are gone after the request.
#[inline(never)]
fn render(request: usize) -> String {
    let parts: Vec<String> = (0..8)
        .map(|part| format!("{request:06}/{part} ").repeat(200))
        .collect();
    parts.concat()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut service = Service::default();

    // A cache that fills up looks like a leak, so let it fill up first.
    (0..10_000).for_each(|request| service.handle(request));
    let before = heapprof::Snapshot::take()?;

    // The biggest owner is the cache, and it is innocent.
    print_sites("In use, MiB", &before);

    (10_000..110_000).for_each(|request| service.handle(request));
    let after = heapprof::Snapshot::take()?;

    // The leak is what grew. Around zero the cache is sampling noise.
    let growth = after.since(&before);
    print_sites("Grown since, MiB", &growth);

    let mut file = File::create("leak.pb.gz")?;
    growth.write_pprof(&mut file, heapprof::PprofOptions::default())?;
    println!("Written: leak.pb.gz, the growth alone. Look into it with");
    println!("  go tool pprof -top leak.pb.gz");
    Ok(())
}

fn print_sites(title: &str, snapshot: &heapprof::Snapshot) {
    println!("{title}:");
    for site in snapshot.top_sites(2, heapprof::View::InUse) {
        println!(
            "  {:8.1}  {}",
            site.in_use.bytes as f64 / MIB,
            site.function
        );
    }
    println!();
}
